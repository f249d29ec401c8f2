"""The service on a Ray cluster: the same application, as many times as there are frames for."""
