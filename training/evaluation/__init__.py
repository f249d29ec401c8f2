"""A checkpoint or a release, scored on a split, and the report of it."""
