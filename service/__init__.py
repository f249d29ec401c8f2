"""From a camera frame to smoke masks and their uncertainty, over HTTP. No torch anywhere below."""

import os

# onnxruntime (seen in 1.31, 1.32) writes a device id to the cache and reports to its makers, unless told not to before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # noqa: TID251
