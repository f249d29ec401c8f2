"""Numbers from maps, regions and truth: no files, no networks."""
