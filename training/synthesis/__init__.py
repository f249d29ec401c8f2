"""Rendered smoke, and what is taken for it, over any backgrounds: a data folder with masks and transmission maps."""
