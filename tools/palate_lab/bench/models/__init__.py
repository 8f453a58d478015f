"""The model rows of `palate bench`: training, scoring, swaps under load, and memory over many swaps."""
