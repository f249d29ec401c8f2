"""Frames scored by predictors whose score is known, and the threshold rule."""

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.detection import Detection
from models.geometry import Region
from models.maps import SegmentationMaps
from tests.training.evaluation.red_smoke import SIDE, predictor, read_red, say_nothing, write_frame
from training.data.frames import Frame
from training.evaluation.scores import FrameScore, choose_level, nearest_level, score_frames, summarise, summarise_each
from training.metrics import segmentation
from training.metrics.regions import REGION_LEVELS, FrameRegions, RegionMatch


@pytest.fixture
def frames(tmp_path: Path) -> list[Frame]:
    return [
        write_frame(tmp_path, "smoke", "a"),
        write_frame(tmp_path, "clear", "a", kind="clear"),
        write_frame(tmp_path, "hard", "b", kind="hard_negative", background=100),
    ]


def region(frame: Frame, true: bool) -> RegionMatch:
    return RegionMatch(frame, true, Detection(Region(0, 0, 2, 2, 4, 1), 0.01, 0.9, 0.2, 0.1, 0.1))


def made(kind: str, f_beta: dict[int, float] | None = None, alarms_below: int = 0, group: str = "a") -> FrameScore:
    """A score made by hand: F-beta at some levels, a false alarm at every level below one."""
    curve = np.zeros(segmentation.LEVELS)
    for level, value in (f_beta or {}).items():
        curve[level] = value
    frame = Frame(Path(f"{kind}.png"), None, kind, group)
    matches = tuple((region(frame, False),) if level < alarms_below else () for level in REGION_LEVELS)
    regions = FrameRegions(matches, np.zeros(0), np.zeros((len(REGION_LEVELS), 0), bool))
    return FrameScore(
        frame=frame,
        smoke_fraction=0.1,
        **dict.fromkeys(("f_beta", "iou", "precision", "recall"), curve),
        adaptive_f_beta=0.5,
        squared_error=0.0,
        zero_error=0.1,
        regions=regions,
        logits=np.zeros((2, 1025)),
        doubts=np.zeros((5, 1024, 2)),
        looks={"brightness": 0.5, "contrast": 0.1, "epistemic": 0.0},
        epistemic=np.zeros((2, 32, 128)),
    )


def test_a_perfect_predictor_scores_one_and_never_alarms(frames):
    summary = summarise(score_frames(predictor(read_red), frames[:2]), 128)
    assert (summary.f_beta, summary.iou, summary.detection_rate) == (1.0, 1.0, 1.0)
    assert (summary.precision, summary.recall, summary.region_recall, summary.true_regions) == (1.0, 1.0, 1.0, 1)
    assert (summary.mean_squared_error, summary.false_alarm_rate) == (0.0, 0.0)
    assert (summary.zero_error, summary.threshold) == (0.25, 0.5)
    assert (summary.smoke_frames, summary.smoke_free_frames) == (1, 1)


def test_a_predictor_that_says_nothing_has_the_error_of_all_zero_and_finds_nothing(frames):
    summary = summarise(score_frames(predictor(say_nothing), frames), 128)
    assert summary.mean_squared_error == summary.zero_error == 0.25
    assert (summary.f_beta, summary.iou, summary.detection_rate, summary.false_alarm_rate) == (0.0, 0.0, 0.0, 0.0)


def test_a_false_alarm_is_any_region_on_a_smoke_free_frame_at_the_threshold(frames):
    scores = score_frames(predictor(read_red), frames)
    # Red 100 is 0.392: above the threshold 96 / 256 = 0.375, below 104 / 256 = 0.406.
    assert summarise(scores, 96).false_alarm_rate == 0.5
    assert summarise(scores, 104).false_alarm_rate == 0.0


def test_a_region_that_is_too_small_is_neither_found_nor_an_alarm(frames):
    summary = summarise(score_frames(predictor(read_red)._replace(minimum_region=0.26), frames), 96)
    assert summary.detection_rate == 0.0
    assert summary.false_alarm_rate == 0.5
    assert summary.f_beta == 1.0


def test_a_region_beside_the_smoke_is_no_detection(frames):
    def mirrored(frame):
        return SegmentationMaps.of([np.ascontiguousarray(values[:, ::-1]) for values in read_red(frame).maps])

    (score,) = score_frames(predictor(mirrored), frames[:1])
    assert all(score.alarms(level) for level in REGION_LEVELS)
    assert not any(score.hits(level) for level in REGION_LEVELS)
    assert summarise([score], 128).f_beta == 0.0


def test_scores_are_taken_at_the_frames_own_resolution(frames):
    seen: list[tuple[int, ...]] = []

    def predict(frame):
        seen.append(frame.shape)
        return read_red(frame)

    (score,) = score_frames(predictor(predict)._replace(size_px=SIDE // 2), frames[:1])
    assert seen == [(SIDE // 2, SIDE // 2, 3)]
    assert score.logits.sum() == SIDE * SIDE


def test_a_frame_that_is_no_square_is_scored_pixel_by_pixel_too(tmp_path):
    image = np.zeros((SIDE, 3 * SIDE, 3), np.uint8)
    image[: SIDE // 2, :, 2] = 255  # OpenCV writes blue first
    cv2.imwrite(str(tmp_path / "wide.png"), image)
    cv2.imwrite(str(tmp_path / "wide-mask.png"), image[..., 2])
    frame = Frame(tmp_path / "wide.png", tmp_path / "wide-mask.png", "real_smoke", "a")
    (score,) = score_frames(predictor(read_red), [frame])
    assert (score.smoke_fraction, score.squared_error) == (0.5, 0.0)
    assert score.f_beta[128] == pytest.approx(1.0)


def test_the_highest_f_beta_wins_where_false_alarms_are_allowed():
    scores = [made("real_smoke", {64: 0.9, 128: 0.7, 192: 0.4}), made("clear", alarms_below=100)]
    assert choose_level(scores, false_alarms=1.0) == 64
    assert choose_level(scores, false_alarms=0.0) == 128


def test_the_rule_keeps_the_target_rate_of_false_alarms():
    free = [made("clear", alarms_below=below) for below in (20, 60, 100, 140, 180)]
    scores = [made("real_smoke", {level: 1.0 - level / 256 for level in REGION_LEVELS.tolist()}), *free]
    for target, expected in ((0.0, 184), (0.2, 144), (0.4, 104), (0.5, 104), (1.0, 8)):
        level = choose_level(scores, target)
        assert level == expected
        assert summarise(scores, level).false_alarm_rate <= target


def test_where_no_level_keeps_the_target_the_fewest_alarms_win():
    always = made("clear", alarms_below=300)
    scores = [made("real_smoke", {64: 0.9, 200: 0.5}), always, made("hard_negative", alarms_below=150)]
    assert choose_level(scores, false_alarms=0.1) == 200
    assert summarise(scores, 200).false_alarm_rate == 0.5


@pytest.mark.parametrize(("smoke_free", "level"), [(9, 248), (17, 96), (21, 96)])
def test_of_few_smoke_free_frames_one_may_alarm_where_the_rate_is_nearly_one_alarm(smoke_free, level):
    odd, calm = made("clear", alarms_below=244), made("clear", alarms_below=64)
    scores = [made("real_smoke", {96: 0.9, 248: 0.1}), odd, *[calm] * (smoke_free - 1)]
    assert choose_level(scores, false_alarms=0.05) == level


def test_without_a_smoke_free_frame_f_beta_decides_alone():
    assert choose_level([made("real_smoke", {64: 0.3, 160: 0.8})], false_alarms=0.05) == 160


def test_frames_of_other_kinds_count_for_neither_side():
    summary = summarise([made("real_smoke", {128: 0.5}), made("synthetic", {128: 1.0})], 128)
    assert (summary.f_beta, summary.smoke_frames, summary.smoke_free_frames) == (0.5, 1, 0)


def test_no_frame_is_no_number_and_no_error():
    summary = summarise([], 128)
    assert summary.threshold == 0.5
    assert (summary.smoke_frames, summary.smoke_free_frames) == (0, 0)
    assert math.isnan(summary.f_beta)
    assert math.isnan(summary.false_alarm_rate)


def test_each_frame_is_scored_at_its_own_threshold():
    one, other = made("real_smoke", {64: 0.2, 128: 0.9}), made("real_smoke", {64: 0.8, 128: 0.1})
    summary = summarise_each([(one, 64), (replace(other), 128)])
    assert summary.f_beta == pytest.approx(0.15)
    assert summary.threshold == pytest.approx(96 / 256)


@pytest.mark.parametrize(("threshold", "level"), [(0.5, 128), (0.0, 8), (1.0, 254), (0.515, 128), (0.52, 136)])
def test_the_nearest_level_is_one_at_which_regions_are_looked_for(threshold, level):
    assert nearest_level(threshold) == level
    assert level in REGION_LEVELS


def test_a_plume_of_two_pieces_of_which_one_is_found_has_a_region_recall_of_one_half(tmp_path):
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[2:8, 2:8] = 255
    mask = image[..., 0].copy()
    mask[20:24, 20:24] = 255
    cv2.imwrite(str(tmp_path / "two.png"), image)
    cv2.imwrite(str(tmp_path / "two-mask.png"), mask)
    frame = Frame(tmp_path / "two.png", tmp_path / "two-mask.png", "real_smoke", "a")
    summary = summarise(score_frames(predictor(read_red), [frame]), 128)
    assert (summary.region_recall, summary.true_regions, summary.detection_rate) == (0.5, 2, 1.0)
    assert (summary.precision, summary.recall) == (1.0, pytest.approx(36 / 52))


def test_a_predicted_region_below_the_smallest_size_finds_nothing(frames):
    summary = summarise(score_frames(predictor(read_red)._replace(minimum_region=0.26), frames[:1]), 128)
    assert (summary.region_recall, summary.true_regions) == (0.0, 1)


def test_looks_are_of_the_grey_frame_in_zero_to_one(frames):
    (score,) = score_frames(predictor(read_red), frames[2:])
    # A plain frame of red 100: OpenCV's grey is 0.299 of it, 30 of 255.
    assert score.looks == pytest.approx({"brightness": 30 / 255, "contrast": 0.0, "epistemic": 0.25 * math.log(2)})
