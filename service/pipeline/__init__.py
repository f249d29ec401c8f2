"""One frame from bytes to result: decode, tiles, batch, regions, encode."""
