"""Measuring palate on playlists: listeners made of several, of which one half of the tracks is to find the other."""
