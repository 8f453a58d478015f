"""The model rows of `palate lab bench`: training, scoring, swaps under load, and memory over many swaps."""
