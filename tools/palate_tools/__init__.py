"""The `palate` command line."""
