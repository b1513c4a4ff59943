"""HTTP in and out: protocol, routes, answers."""
