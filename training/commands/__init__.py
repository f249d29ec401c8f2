"""What each command of `smoke-bvm-train` does, and how it is told."""
