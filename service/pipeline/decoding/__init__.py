"""A picture file, never trusted: its markers and chunks are bounded, then it is decoded, damage told, and turned upright."""
