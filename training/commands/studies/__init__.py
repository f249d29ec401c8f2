"""Commands that train several runs and set them beside each other."""
