"""`quick`: from a folder of frames to a model of one's own, and whether to use it."""
