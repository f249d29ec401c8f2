"""Frames with masks: read, rendered, pasted, augmented, batched."""
