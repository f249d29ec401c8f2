"""`smoke-bvm watch`: cameras are read and their frames answered, in this process or by a server."""
