"""What scribbles teach, beside what masks teach."""

import csv
import shutil
from pathlib import Path

import cv2
import numpy as np

from models.geometry import fit, fit_map
from tests.training.conftest import Notes, tiny
from tests.training.rendered import COLUMNS
from training.data.folders import read_frames
from training.data.frames import load_image, load_mask, read_mask
from training.engine.networks import load_segmenter
from training.engine.run import train
from training.evaluation.predictor import torch_predictor
from training.synthesis.weak_labels import scribble

SIZE_PX = 64
AS_GOOD_AS = 0.8
"""Of the F-beta that masks reach, on the frames that were trained on, by their masks."""


def scribbled(data: Path, out: Path) -> Path:
    """The rendered folder with scribbles in place of the masks of train."""
    shutil.copytree(data, out)
    rng = np.random.default_rng(0)
    rows = list(csv.DictReader((data / "manifest.csv").read_text(encoding="utf-8").splitlines()))
    for row in rows:
        if row["kind"] == "real_smoke" and row["split"] == "train":
            strokes = scribble(read_mask(data / row["mask"]), rng)
            row.update(kind="real_smoke_scribble", mask=f"{Path(row['mask']).stem}-scribble.png")
            cv2.imwrite(str(out / row["mask"]), strokes)
    with (out / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, COLUMNS)
        table.writeheader()
        table.writerows(rows)
    return out


def f_beta_of(kind: str, data: Path, truth: Path, out: Path) -> float:
    """The best F-beta over all pixels and thresholds of a short run on one kind of labels."""
    config = tiny(
        f"data.mix={{{kind}=0.7,clear=0.3}}",
        "data.strength=0",
        f"generator.stages=[{{steps=60,batch=8,size_px={SIZE_PX},whole=true}}]",
        "generator.objective.entropy_weight=0",
        "generator.average_decay=0.9",
        "estimator.stages=[]",
    )
    predict = torch_predictor(load_segmenter(train(config, data, out, Notes()))[0])
    found, smoke = [], []
    for frame in read_frames(truth, "train"):
        image = load_image(frame.image)
        found.append(predict(fit(image, SIZE_PX)).probability)
        smoke.append(fit_map(load_mask(frame, image.shape), SIZE_PX) >= 0.5)
    probability, mask = np.stack(found), np.stack(smoke)
    marked = [probability >= threshold for threshold in np.linspace(0.02, 0.98, 49)]
    return max(float(1.3 * (one & mask).sum() / (one.sum() + 0.3 * mask.sum() + 1)) for one in marked)


def test_scribbles_on_a_twentieth_of_the_pixels_teach_nearly_what_masks_teach(data: Path, tmp_path: Path):
    weak = scribbled(data, tmp_path / "weak")
    masks = f_beta_of("real_smoke", data, data, tmp_path / "masks")
    scribbles = f_beta_of("real_smoke_scribble", weak, data, tmp_path / "scribbles")
    assert masks > 0.7
    assert scribbles > AS_GOOD_AS * masks
