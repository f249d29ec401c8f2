"""Alarms from their first frame to their last: listed, and where a folder is named kept with their pictures, within bounds."""
