"""Where bytes are kept: one port, one adapter per kind of store."""
