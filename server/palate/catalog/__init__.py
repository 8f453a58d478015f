"""Tracks, genres and the snapshot file that they are served from."""
