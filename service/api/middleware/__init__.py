"""What every request gets, one file a middleware."""
