"""Videos of known frames."""

from pathlib import Path

import av
import numpy as np

RATE = 10


def write_video(file: Path, frames: list[np.ndarray], codec: str = "libx264") -> Path:
    """Ten frames a second."""
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = frames[0].shape[1], frames[0].shape[0], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return file
