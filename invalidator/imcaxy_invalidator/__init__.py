"""The CI tool of Imcaxy: git knows what changed, one call makes every cache forget it."""

__version__ = "0.1.0"
