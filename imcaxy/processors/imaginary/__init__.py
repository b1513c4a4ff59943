"""Pictures made by Imaginary servers."""
