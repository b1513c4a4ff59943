"""Streams: one producer, many readers, each from byte 0, at any time."""
