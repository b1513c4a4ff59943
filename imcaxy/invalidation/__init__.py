"""Purge, the log that decides what is stale, and who has applied it."""
