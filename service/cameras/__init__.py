"""What is remembered of each camera, and when its smoke becomes an alarm."""
