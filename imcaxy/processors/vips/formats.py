"""The formats that are written: known to the server, which never loads libvips."""

MEDIA_TYPES = {  # by value of `type`
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "avif": "image/avif",
    "tiff": "image/tiff",
    "gif": "image/gif",
}
INFO_TYPE = "application/json"
