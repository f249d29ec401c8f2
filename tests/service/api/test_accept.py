"""What a reply comes as: what its caller likes best of what can hold all that he asks for."""

import pytest

from service.api.accept import JSON, MIXED, NPZ, PNG, reply_type
from service.errors import NotAcceptable
from service.pipeline.options import SegmentOptions

ONE = SegmentOptions(("total",))
TWO = SegmentOptions(("mask", "total"))
OVERLAID = SegmentOptions(("mask", "overlay"))


@pytest.mark.parametrize(
    ("accept", "options", "expected"),
    [
        ("", TWO, JSON),
        ("*/*", ONE, JSON),
        ("application/*", TWO, JSON),
        ("text/html, application/xml;q=0.9, */*;q=0.8", TWO, JSON),
        (PNG, ONE, PNG),
        ("image/*", ONE, PNG),
        ("IMAGE/PNG", ONE, PNG),
        (NPZ, TWO, NPZ),
        (MIXED, OVERLAID, MIXED),
        ("application/json;q=0.5, application/x-npz", TWO, NPZ),
        ("image/png, application/json;q=0.1", TWO, JSON),
        ("image/png;q=0, */*;q=0.1", ONE, JSON),
        ("application/json;q=nonsense", TWO, JSON),
        ("application/*", SegmentOptions(()), JSON),
    ],
)
def test_the_best_liked_type_that_holds_what_is_asked_for_is_taken(accept, options, expected):
    assert reply_type(accept, options) == expected


@pytest.mark.parametrize(
    ("accept", "options"),
    [
        ("text/html", TWO),
        (PNG, TWO),
        (PNG, SegmentOptions(())),
        (PNG, SegmentOptions(("overlay",))),
        (PNG, SegmentOptions(("total",), encoding="npz")),
        (NPZ, OVERLAID),
        (NPZ, SegmentOptions(())),
        (NPZ, SegmentOptions(("total",), "frame")),
        ("application/json;q=0", TWO),
        (";;,,;q=", TWO),
    ],
)
def test_where_none_does_it_says_in_words_what_would(accept, options):
    with pytest.raises(
        NotAcceptable, match=r"found Accept .* and outputs .*, expected application/json or multipart/mixed; "
    ):
        reply_type(accept, options)
