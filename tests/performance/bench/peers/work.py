"""The work on one frame as a user would write it, in OpenCV and onnxruntime: a JPEG file in; mask, total and aleatoric as PNG out.

It imports nothing of the project and runs in an environment of its own; what to do comes in the variables `BENCH_*`.
"""

import base64
import importlib
import math
import os
import sys
from dataclasses import dataclass

import cv2
import numpy as np
import onnxruntime


@dataclass(frozen=True)
class Choice:
    """What a peer is told.

    Attributes:
        model, threshold: The ONNX file, and the probability from which on a pixel is smoke.
        threads: Of one inference.
        workers: Processes.
        resolution: Of the maps: `model` or `frame`.
        png: Whose writer: `opencv`, or a folder in which the service's own is found.
        port: To listen on.
    """

    model: str
    threshold: float
    threads: int
    workers: int
    resolution: str
    png: str
    port: int

    @classmethod
    def read(cls):
        """Out of the environment."""
        value = {name: os.environ[f"BENCH_{name.upper()}"] for name in cls.__dataclass_fields__}
        return cls(
            value["model"],
            float(value["threshold"]),
            int(value["threads"]),
            int(value["workers"]),
            value["resolution"],
            value["png"],
            int(value["port"]),
        )


class Work:
    """Decode, infer, encode."""

    def __init__(self, choice: Choice):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = choice.threads
        cv2.setNumThreads(choice.threads)
        self.session = onnxruntime.InferenceSession(choice.model, options, providers=["CPUExecutionProvider"])
        self.side = self.session.get_inputs()[0].shape[1]
        self.choice = choice
        self.png = _writer(choice.png)

    def __call__(self, body: bytes) -> dict:
        """The reply, to be sent as JSON."""
        frame, size = self.decode(body)
        return self.encode(self.infer(frame), size)

    def decode(self, body: bytes):
        """What the model is shown, (1, side, side, 3) uint8 RGB, and the frame's width and height."""
        frame = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
        frame = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        square = cv2.resize(frame, (self.side, self.side), interpolation=cv2.INTER_AREA)
        return square[None], (frame.shape[1], frame.shape[0])

    def infer(self, frame):
        """Probability, total and aleatoric, each (side, side) float32."""
        return [maps[0] for maps in self.session.run(["probability", "total", "aleatoric"], {"frame": frame})]

    def encode(self, maps, size) -> dict:
        """Each map as a PNG file in base64, at the model's size or the frame's."""
        if self.choice.resolution == "frame":
            maps = [cv2.resize(values, size, interpolation=cv2.INTER_LINEAR) for values in maps]
        probability, total, aleatoric = maps
        mask = (probability >= self.choice.threshold).astype(np.uint8) * np.uint8(255)
        scaled = [np.rint(np.clip(values, 0.0, math.log(2)) * (255.0 / math.log(2))) for values in (total, aleatoric)]
        pictures = {"mask": mask, "total": scaled[0].astype(np.uint8), "aleatoric": scaled[1].astype(np.uint8)}
        return {name: base64.b64encode(self.png(picture)).decode("ascii") for name, picture in pictures.items()}


def _writer(png: str):
    """Takes a grey picture (height, width) uint8 to the bytes of a PNG file."""
    if png == "opencv":
        return lambda picture: cv2.imencode(".png", picture)[1].tobytes()
    sys.path.append(png)
    return importlib.import_module("service.pipeline.encode").png
