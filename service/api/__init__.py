"""The HTTP interface: routes, bodies, problems, keys, metrics."""
