"""Configuration, assembly, supervision, logs and metrics of the server."""
