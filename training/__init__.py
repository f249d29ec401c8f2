"""From images and masks to a released artefact."""

import os

# As in `service`: onnxruntime reports to its makers unless told not to before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # noqa: TID251
