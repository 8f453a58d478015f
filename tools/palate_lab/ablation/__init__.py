"""Tests that a sceptic would ask for, each with a criterion that stands in the code before anything is run."""
