"""Imcaxy: a caching reverse proxy for image processing."""

__version__ = "0.1.0"
