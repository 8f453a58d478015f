"""The console: a listener's slates, tastes and models in the terminal, against a running server."""
