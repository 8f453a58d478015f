"""What a strategy is, and what turns strategies into slates."""
