"""Smoke as shapes for other programs: polygons along the pixels' edges, and COCO run lengths."""
