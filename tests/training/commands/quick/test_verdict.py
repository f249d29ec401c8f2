"""What the numbers of two models on the same frames amount to."""

import pytest

from training.commands.quick.verdict import BETTER, paired, verdict

GROUPS = [f"cam-{number}" for number in range(8)]


def values(**changed: list[float]) -> dict[str, list[tuple[str, float]]]:
    base = {name: [0.5] * len(GROUPS) for name in BETTER}
    return {name: list(zip(GROUPS, of, strict=True)) for name, of in (base | changed).items()}


def test_a_gain_on_every_camera_is_better():
    found = paired(values(), values(f_beta=[0.6] * 8))
    assert found["f_beta"]["difference"] == pytest.approx(0.1)
    assert found["f_beta"]["interval"] == pytest.approx([0.1, 0.1])
    assert verdict(found) == ("better", ["f_beta"])


def test_a_gain_on_some_cameras_and_a_loss_on_others_shows_nothing():
    assert verdict(paired(values(), values(f_beta=[0.9, 0.2, 0.8, 0.3, 0.7, 0.4, 0.6, 0.5]))) == ("not shown", [])


def test_a_small_loss_is_worse_for_there_is_no_reason_to_change():
    assert verdict(paired(values(), values(f_beta=[0.9, 0.2, 0.8, 0.3, 0.7, 0.4, 0.6, 0.0]))) == ("worse", ["f_beta"])


def test_a_gain_that_costs_false_alarms_everywhere_is_worse():
    found = paired(values(), values(f_beta=[0.6] * 8, false_alarm_rate=[0.7] * 8))
    assert verdict(found) == ("worse", ["false_alarm_rate"])


def test_without_smoke_free_frames_false_alarms_are_not_compared():
    before, after = values(), values(f_beta=[0.6] * 8)
    before["false_alarm_rate"] = after["false_alarm_rate"] = []
    assert "false_alarm_rate" not in paired(before, after)
    assert verdict(paired(before, after))[0] == "better"
