"""What is known of kept pictures: one port, one adapter per engine."""
