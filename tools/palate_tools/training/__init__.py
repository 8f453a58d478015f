"""The trainer: from stored profiles to verified, published models."""
