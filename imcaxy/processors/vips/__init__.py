"""Pictures made by libvips in child processes: the parent never decodes, the child never decides.

Parent side: `processor` (the port's adapter), `pool` and `children` (processes), `frames` (the
wire). Child side: `child` (its loop), `decoding`, `operations`, `encoding`. `geometry` is pure.
"""
