"""A released model: verified, loaded on onnxruntime, kept in service, replaced, rebuilt."""
