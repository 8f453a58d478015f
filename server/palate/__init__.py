"""palate: a music recommendation backend that keeps a listener's several tastes apart."""

__version__ = "0.1.0"
