"""Layouts in which folders of frames come: one reader each, one form for all of them."""
