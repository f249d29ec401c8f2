"""The process: settings to parts, sockets, limits, TLS, signals, draining, logs."""
