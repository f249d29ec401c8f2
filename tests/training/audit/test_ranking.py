"""Which frames a model knows least of: how far, which are alike, in which order."""

import math
from pathlib import Path

import numpy as np
import pytest

from models.maps import SegmentationMaps
from training.audit.ranking import Scored, choose_frames, distinct, knowledge_gap


def test_a_picture_is_like_its_copy_at_the_highest_limit_too():
    described = np.random.default_rng(1).normal(size=(20, 4096)).astype(np.float32)
    described /= np.linalg.norm(described, axis=1, keepdims=True)
    files = [Path(f"{number % 20:02d}-{number // 20}.png") for number in range(40)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.audit.ranking._descriptor", lambda file: described[int(file.stem[:2])])
        alike = [alike.file for _, alike in distinct(files, 1.0) if alike]
    assert alike == files[:20]


def test_the_gap_is_the_doubt_of_the_pixels_that_are_not_sure_and_grows_with_the_root_of_their_number():
    probability = np.array([[0.5, 0.5, 0.96, 0.04]], np.float32)
    epistemic = np.array([[0.1, 0.3, 0.6, 0.6]], np.float32)
    score, share = knowledge_gap(SegmentationMaps(probability, epistemic, epistemic * 0, epistemic))
    assert (score, share) == (pytest.approx(0.2 * math.sqrt(0.5)), 0.5)
    sure = SegmentationMaps(probability * 0, epistemic, epistemic * 0, epistemic)
    assert knowledge_gap(sure) == (0.0, 0.0)


def test_of_frames_that_it_is_sure_of_none_comes_first_for_its_name():
    files = [Path(f"{number:02d}.png") for number in range(20)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.audit.ranking._descriptor", lambda file: np.eye(4096, dtype=np.float32)[int(file.stem)])
        rows = choose_frames([Scored(file, 0.0, 0.0) for file in files] + [Scored(Path("99.png"), 0.1, 0.1)], 21, 0.9)
    chosen = [row.scored.file for row in rows]
    assert chosen[0] == Path("99.png")
    assert sorted(chosen[1:]) == files
    assert chosen[1:] != files


def test_of_frames_that_it_is_sure_of_the_most_novel_come_first(monkeypatch):
    monkeypatch.setattr(
        "training.audit.ranking._descriptor", lambda file: np.eye(4096, dtype=np.float32)[int(file.stem)]
    )
    scored = [
        Scored(Path(f"{number}.png"), 0.0, 0.0, novelty=novelty) for number, novelty in enumerate((0.9, 2.5, 1.4))
    ]
    rows = choose_frames([*scored, Scored(Path("9.png"), 0.1, 0.1, novelty=0.5)], 4, 0.9)
    assert [row.scored.file.stem for row in rows] == ["9", "1", "2", "0"]
