"""The models of tastes: what a learner trains, what an artifact is, and the sessions that serve it."""
