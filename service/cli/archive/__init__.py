"""`smoke-bvm archive`: millions of pictures, from a folder or an object store, on one machine or a Ray cluster."""
