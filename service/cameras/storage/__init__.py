"""Where the cameras' states live: in this process, or in Redis, where several share them."""
