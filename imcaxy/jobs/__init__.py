"""The making of variants: claim, run, commit, bounds, failures remembered."""
