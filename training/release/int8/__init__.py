"""The int8 form of a release, and what it may lose."""
