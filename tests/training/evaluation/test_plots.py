"""Plots: what each is drawn from, on scales that do not depend on the picture."""

import math

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.training.evaluation.red_smoke import SIDE, read_red, write_frame
from training.evaluation import plots
from training.evaluation.pictures import EPISTEMIC_NATS
from training.evaluation.predictor import Predictor

SUMS = np.zeros((3, 15))
SUMS[:, 3], SUMS[:, 12] = (10, 2, 4), (5, 4, 4)


@pytest.fixture
def figures(monkeypatch) -> list[Figure]:
    """The figures that are saved, kept to look at."""
    saved: list[Figure] = []
    save = Figure.savefig

    def keep(self, *arguments, **options):
        saved.append(self)
        save(self, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return saved


def table(*names: str) -> dict:
    return {name: {"reliability": SUMS.tolist()} for name in names}


def test_a_diagram_shows_raw_and_the_calibration_of_both_models():
    forms = table("as shown", "raw", "temperature", "two temperatures and shift")
    own = {"calibration_table": forms, "calibrated_by": "temperature"}
    other = {"calibration_table": forms, "calibrated_by": "two temperatures and shift"}
    assert list(plots.reliability_columns(own | {"beside": other})) == [
        "raw",
        "temperature",
        "without L_c, raw",
        "without L_c, two temperatures and shift",
    ]
    unknown = {"calibration_table": table("as shown"), "calibrated_by": "as shown"}
    assert list(plots.reliability_columns(unknown)) == ["as shown"]


def test_a_diagram_is_of_share_against_confidence(tmp_path, figures):
    plots.reliability_diagrams({"raw": SUMS}, tmp_path / "diagram.png")
    measured = figures[0].axes[0].lines[1]
    assert np.array(measured.get_xdata()) == pytest.approx([0.2, 0.8])
    assert np.array(measured.get_ydata()) == pytest.approx([0.4, 0.8])
    # |2 - 4| and |4 - 4| of 15 pixels.
    assert figures[0].axes[0].get_title() == f"raw: ECE {2 / 15:.4f}"
    assert cv2.imread(str(tmp_path / "diagram.png")) is not None


def test_the_panel_has_the_papers_columns_on_fixed_scales_in_nats(tmp_path, figures):
    frame = write_frame(tmp_path, "one", "a")
    row = plots.panel_row("easy", frame, Predictor(read_red, SIDE, 0.0002, None, "red"), 0.5)
    assert row.truth[:, : SIDE // 4].all()
    assert np.array_equal(row.truth, row.prediction)
    plots.decomposition_panel([row, row._replace(name="hard")], tmp_path / "panel.png")
    columns = figures[0].axes[:6]
    titles = [axis.get_title() for axis in columns]
    assert titles == ["image", "truth", "prediction", "aleatoric", "epistemic", "total"]
    limits = [axis.images[0].get_clim() for axis in columns[3:]]
    assert limits == [(0.0, math.log(2)), (0.0, EPISTEMIC_NATS), (0.0, math.log(2))]


def test_the_risk_is_drawn_for_each_order(tmp_path, figures):
    coverage = [0.5, 1.0]
    plots.plot_risk_coverage(
        {"coverage": coverage, "risk": {"total": [0.1, 0.2], "oracle": [0.0, 0.2]}}, tmp_path / "risk.png"
    )
    whole = figures[0].axes[0]
    assert [line.get_label() for line in whole.lines] == ["total", "oracle"]
    assert list(whole.lines[0].get_ydata()) == [0.1, 0.2]
