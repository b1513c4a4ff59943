"""Real servers to test against, built from their sources and started on this machine.

For machines without a container engine: Imaginary, two S3 servers and two servers that speak
MongoDB's protocol. All of it lives in `.services/` (or $SERVICES_DIR).
"""
