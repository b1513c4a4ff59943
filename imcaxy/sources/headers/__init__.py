"""Picture headers, one file per format: how many pixels and frames, before anything is decoded.

Each `read(body)` returns an Extent. It may raise struct.error or IndexError where the body ends too
early; `picture_header` turns both into Undecodable. None of them reads more than a bounded number
of pieces, whatever the body claims.
"""
