"""`palate lab bench`: the real server under load from a second process, as ratios within one run."""
