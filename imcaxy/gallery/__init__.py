"""The page at `/`: a directory's photographs in many forms, and what each answer says."""

from imcaxy.gallery.handler import routes

__all__ = ["routes"]
