"""What a camera's pictures tell of the camera: whether it can be relied on, and which of its views it shows."""
