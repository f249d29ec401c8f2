"""What each command of `smoke-bvm` does."""
