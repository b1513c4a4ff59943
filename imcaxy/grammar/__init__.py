"""What requests mean: pure functions on plain values, no I/O."""
