"""What palate does for its callers, one module per use."""
