"""Operating points: the lowest threshold that certifies a rate, or a refusal that names the least rate."""

import pytest

from models.operating_points import OperatingPoint, OperatingPointError, OperatingPoints

CURVE = OperatingPoints(
    0.95,
    159,
    110,
    (
        OperatingPoint(0.25, 0.2, 0.3, 1.0),
        OperatingPoint(0.5, 0.05, 0.1, 0.9),
        OperatingPoint(0.75, 0.01, 0.05, 0.8),
        OperatingPoint(0.9, 0.01, 0.05, 0.6),
    ),
)
POINT = {"threshold": 0.5, "false_alarm_rate": 0.0, "upper_bound": 0.1, "detection_rate": 1.0}
MEASURED = {"confidence": 0.95, "frames": 1, "groups": 1, "points": [POINT]}


@pytest.mark.parametrize(("rate", "threshold"), [(1.0, 0.25), (0.3, 0.25), (0.29, 0.5), (0.1, 0.5), (0.05, 0.75)])
def test_a_rate_has_the_lowest_threshold_whose_bound_keeps_it(rate, threshold):
    assert CURVE.at_rate(rate).threshold == threshold


def test_a_rate_that_nothing_certifies_is_refused_with_the_least_that_can_be_had():
    with pytest.raises(OperatingPointError, match=r"rate of 0\.01, expected at least 0\.05: 110 camera groups .* 95%"):
        CURVE.at_rate(0.01)


def test_the_least_rate_as_it_is_told_is_taken():
    points = OperatingPoints(0.95, 159, 123, (OperatingPoint(0.5, 0.0, 0.02404, 1.0),))
    with pytest.raises(OperatingPointError, match=r"expected at least 0\.0241:"):
        points.at_rate(0.024)
    assert points.at_rate(0.0241).threshold == 0.5


def test_they_come_back_from_json():
    read = OperatingPoints.from_json(MEASURED)
    assert read == OperatingPoints(0.95, 1, 1, (OperatingPoint(0.5, 0.0, 0.1, 1.0),))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ([], "expected an object"),
        ({"points": []}, "expected operating points with the keys confidence"),
        (MEASURED | {"points": []}, "found no operating points, expected at least one"),
        (
            {"confidence": 0.95, "frames": 1, "groups": 1},
            "'points'; expected operating points with the keys confidence",
        ),
        (MEASURED | {"points": [{"threshold": 2}]}, "expected operating points"),
        *(
            (
                MEASURED | {"points": [POINT | {"threshold": value}]},
                f"found threshold {value!r}, expected a number from 0 to 1",
            )
            for value in (2, -0.1, True, "0.5", None)
        ),
        (MEASURED | {"points": [POINT | {"upper_bound": 1.1}]}, "found upper_bound 1.1, expected a number from 0 to 1"),
    ],
)
def test_what_cannot_be_is_refused(raw, words):
    with pytest.raises(OperatingPointError, match=words):
        OperatingPoints.from_json(raw)
