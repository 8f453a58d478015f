"""The laboratory: simulates, compares, measures and draws."""
