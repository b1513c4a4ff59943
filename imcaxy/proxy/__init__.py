"""One request's way: allow, hub, store, job, answer."""
