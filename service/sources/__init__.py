"""Cameras that are read: a process each, that is killed and started anew where it fails or falls silent."""
