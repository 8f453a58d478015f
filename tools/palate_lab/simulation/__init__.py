"""Simulated listeners who use a server."""
