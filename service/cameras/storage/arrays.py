"""numpy arrays as fields of what is written as JSON: .npy files in base64, which hold numbers and nothing that runs."""

import base64
import io
from collections import deque
from functools import partial
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, PlainSerializer, PlainValidator


def _text(array: npt.NDArray[Any]) -> str:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return base64.b64encode(stream.getvalue()).decode()


def _array(found: Any) -> npt.NDArray[Any]:  # noqa: ANN401 - whatever stands there
    if isinstance(found, np.ndarray):
        return found
    if not isinstance(found, str):
        raise ValueError(f"found {type(found).__name__}, expected an array as an .npy file in base64")
    return np.asarray(np.load(io.BytesIO(base64.b64decode(found, validate=True)), allow_pickle=False))


AS_TEXT = (PlainValidator(_array), PlainSerializer(_text))
ByteArray = Annotated[npt.NDArray[np.uint8], *AS_TEXT]
SingleArray = Annotated[npt.NDArray[np.float32], *AS_TEXT]
DoubleArray = Annotated[npt.NDArray[np.float64], *AS_TEXT]


def at_most(length: int) -> AfterValidator:
    """A deque that is read keeps the bound that it was written with."""
    return AfterValidator(partial(deque, maxlen=length))
