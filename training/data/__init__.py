"""Frames with masks: reading, rendering, augmenting, batching."""
