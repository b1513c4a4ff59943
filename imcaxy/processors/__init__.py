"""What makes pictures: one port, one adapter per engine."""
