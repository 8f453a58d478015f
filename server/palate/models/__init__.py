"""The models of tastes: what a recipe trains, what an artifact is, and the sessions that serve it."""
