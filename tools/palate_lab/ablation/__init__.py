"""The ablation: eight controlled tests, each with a criterion that the code states before anything is run."""
