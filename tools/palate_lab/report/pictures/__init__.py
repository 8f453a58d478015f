"""One module for each picture: from plain values to a figure."""
