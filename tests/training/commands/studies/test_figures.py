"""The paper's figures on one's own data: what stands in each, and that nothing is trained twice for another."""

from pathlib import Path

import pytest
from matplotlib.container import BarContainer
from matplotlib.figure import Figure

from tests.training.conftest import Notes
from tests.training.rendered import write_data_folder
from training.commands.studies.figures import draw_figure
from training.commands.studies.study import Study
from training.config import ConfigError
from training.evaluation.evaluate import evaluate
from training.evaluation.predictor import load_predictor
from training.metrics.calibration import Calibration

SHORT = (
    "generator.stages=[{steps=2,batch=2,size_px=64}]",
    "estimator.stages=[]",
    "estimator.joint_every=2",
    "generator.objective.entropy_from_step=0",
)


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved, kept to look at."""
    kept: list[Figure] = []
    save = Figure.savefig

    def keep(self: Figure, path: Path, **options: object) -> None:
        kept.append(self)
        save(self, path, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return kept


def titles(figure: Figure) -> list[str]:
    return [axis.get_title() for axis in figure.axes if axis.get_title()]


@pytest.mark.slow
def test_figures_1_4_and_6_show_what_the_papers_do_and_share_their_runs(
    data: Path, tmp_path: Path, saved: list[Figure]
):
    told = {}
    for figure in (1, 4, 6):
        told[figure] = Notes()
        path = draw_figure(figure, ["PSPNet"], Study(Path("tiny"), SHORT, [data], tmp_path, told[figure]))
        assert path == tmp_path / f"figure-{figure}.png"
        assert path.is_file()
    # Two runs; the library's, UCNet's CVAE and ours; none that is not there.
    assert [len(notes.steps) for notes in told.values()] == [2 * 2, 3 * 2, 0]
    assert ["coherence" in numbers for _, _, numbers in told[1].steps] == [False, False, True, True]
    ablated, compared, reliability = saved
    assert titles(ablated) == ["image", "truth", "transmission", "L_bnn", "L_bnn + L_trans", "total uncertainty"]
    assert titles(compared) == ["image", "truth", "PSPNet", "UCNet's CVAE", "ours"]
    assert [title.partition(": ECE 0.")[0] for title in titles(reliability)] == [
        "UCNet's CVAE",
        "L_bnn + L_trans",
        "ours",
    ]
    assert [len(figure.axes) for figure in saved] == [4 * 6, 4 * 5, 2 * 3]
    image, truth, transmission = (axis.images[0].get_array() for axis in ablated.axes[:3])
    assert (image.shape, truth.shape, transmission.shape) == ((64, 64, 3), (64, 64), (64, 64))
    assert 0.0 <= transmission.min() < transmission.max() <= 1.0


@pytest.mark.slow
def test_figure_3_scores_what_each_folder_teaches_on_each_of_them(data: Path, tmp_path: Path, saved: list[Figure]):
    other = write_data_folder(tmp_path / "other")
    listed = (other / "manifest.csv").read_text().splitlines(keepends=True)
    (other / "manifest.csv").write_text("".join(row for row in listed if "cam-a" not in row and "cam-c-1" not in row))
    path = draw_figure(3, (), Study(Path("tiny"), SHORT, [data, other], tmp_path / "out", Notes()))
    assert path.is_file()
    axis = saved[0].axes[0]
    assert [text.get_text() for text in saved[0].legends[0].get_texts()] == [
        f"trained on {data.name}",
        "trained on other",
    ]
    assert [label.get_text() for label in axis.get_xticklabels()] == [f"tested on {data.name}", "tested on other"]
    heights = [[bar.get_height() for bar in bars] for bars in axis.containers if isinstance(bars, BarContainer)]
    for teacher, own in zip((data, other), heights, strict=True):
        model = load_predictor(tmp_path / f"out/from-{teacher.name}/last.ckpt")._replace(calibration=Calibration())
        expected = [evaluate(model, test, "val").report["raw"]["squared_error"] for test in (data, other)]
        assert own == pytest.approx(expected)
    assert len({height for own in heights for height in own}) == 4


@pytest.mark.parametrize("twice", [False, True])
def test_figure_3_wants_two_folders_to_learn_from_of_two_names(data: Path, tmp_path: Path, twice: bool):
    folders = [data, write_data_folder(tmp_path / data.name)] if twice else [data]
    words = (
        r"tells data folders apart by name: found " if twice else r"found 1 with frames of train, expected at least 2"
    )
    with pytest.raises(ConfigError, match=words):
        draw_figure(3, (), Study(Path("tiny"), SHORT, folders, tmp_path / "out", Notes()))


def test_the_command_knows_the_figures_that_can_be_drawn(capsys: pytest.CaptureFixture[str]):
    from training.__main__ import main

    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    assert "{1,3,4,6}" in capsys.readouterr().out
