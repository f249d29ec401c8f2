import pytest

from service.errors import ClientGone, ServiceFull
from service.scheduling.permits import Ceilings, Permits


def permits(requests: int = 4, camera_requests: int = 4, most_bytes: int = 100, pixels: int = 100) -> Permits:
    return Permits(Ceilings(requests, camera_requests, most_bytes, pixels))


def used(found: Permits) -> tuple[int, int, int]:
    return found.requests.used, found.bytes.used, found.pixels.used


def test_what_a_request_takes_it_gives_back():
    door = permits()
    place = door.enter(60, "ridge")
    place.hold_pixels(30)
    assert used(door) == (1, 60, 30)
    place.settle_bytes(10)
    assert used(door) == (1, 10, 30)
    place.leave()
    assert used(door) == (0, 0, 0)


def test_one_request_too_many_is_refused():
    door = permits(requests=1)
    door.enter(1, None)
    with pytest.raises(ServiceFull, match="found 1 requests in flight, expected at most 0 to take 1 more"):
        door.enter(1, None)


def test_a_body_for_which_there_is_no_room_takes_no_place_either():
    door = permits()
    door.enter(60, None)
    with pytest.raises(ServiceFull, match="found 60 bytes in flight, expected at most 50 to take 50 more"):
        door.enter(50, "ridge")
    assert used(door) == (1, 60, 0)
    assert door.enter(40, "ridge")


def test_pixels_are_refused_when_the_header_is_read_and_at_the_door_once_there_is_no_room_at_all():
    door = permits()
    first, second = door.enter(1, None), door.enter(1, None)
    first.hold_pixels(90)
    with pytest.raises(ServiceFull, match="found 90 pixels in flight, expected at most 80 to take 20 more"):
        second.hold_pixels(20)
    second.hold_pixels(10)
    with pytest.raises(ServiceFull, match="found 100 pixels in flight"):
        door.enter(1, None)


def test_a_frame_that_is_decoded_twice_is_counted_once():
    door = permits()
    place = door.enter(1, None)
    place.hold_pixels(40)
    place.hold_pixels(40)
    assert door.pixels.used == 40


def test_pixels_that_are_not_needed_any_more_are_given_back_before_the_request_leaves():
    door = permits()
    place = door.enter(1, None)
    place.hold_pixels(40)
    place.hold_pixels(0)
    assert used(door) == (1, 1, 0)
    place.leave()
    assert used(door) == (0, 0, 0)


def test_a_request_that_left_holds_no_pixels_any_more():
    door = permits()
    place = door.enter(1, None)
    place.leave()
    with pytest.raises(ClientGone):
        place.hold_pixels(10)
    assert used(door) == (0, 0, 0)


def test_a_camera_that_floods_leaves_room_for_the_others():
    door = permits(camera_requests=2)
    places = [door.enter(1, "flood"), door.enter(1, "flood")]
    with pytest.raises(ServiceFull, match="found 2 requests of camera flood in flight, expected fewer than 2"):
        door.enter(1, "flood")
    assert door.enter(1, "ridge")
    places[0].leave()
    assert door.enter(1, "flood")
