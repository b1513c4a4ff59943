"""Originals: guarded fetching, shared downloads, the local directory."""
