"""What is written of a camera is all of it: read back, it makes of the next frames what it would have made."""

import asyncio
import json

import numpy as np
import pytest

from service.cameras.camera import Camera
from service.cameras.storage.arrays import _array
from service.cameras.storage.encoding import camera_from_json, camera_to_json
from tests.service.cameras.fleet import Fleet, region


def seen(views=("", "east")) -> Camera:
    """A camera with a window, a region history, thumbnails, edges, days and counts."""
    fleet = Fleet()
    for number in range(4):
        for view in views:
            fleet.frame("ridge", region(doubted=number == 1), view=view, damaged=number == 2)
    camera = fleet.cameras.get("ridge")
    asyncio.run(fleet.cameras.acknowledge(camera, "anna", 77.0))
    return camera


def test_a_camera_that_is_read_is_written_as_it_was():
    camera = seen()
    again = camera_from_json(camera_to_json(camera))
    assert json.loads(camera_to_json(again)) == json.loads(camera_to_json(camera))
    assert again.views["east"].alarm == camera.views["east"].alarm
    assert np.array_equal(again.views[""].freeze._last, camera.views[""].freeze._last)
    assert (again.recent.maxlen, again.pan._changes.maxlen) == (camera.recent.maxlen, camera.pan._changes.maxlen)


def test_a_field_of_another_version_takes_its_default_or_is_passed_over():
    written = json.loads(camera_to_json(seen()))
    del written[0]["clock_wrong"]
    written[0]["of a later version"] = 1
    assert camera_from_json(json.dumps(written).encode()).clock_wrong is False


def test_what_is_no_camera_is_refused():
    with pytest.raises(ValueError, match="Field required"):
        camera_from_json(b"[{}]")


def test_an_array_of_objects_which_could_run_something_is_refused():
    import base64
    import io

    stream = io.BytesIO()
    np.save(stream, np.array([print], object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        _array(base64.b64encode(stream.getvalue()).decode())
