"""What is kept: catalog, blobs, memory tier, sweep."""
