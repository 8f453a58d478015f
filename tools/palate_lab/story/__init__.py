"""One simulated listener's way from the first call to models of their own, told turn by turn."""
