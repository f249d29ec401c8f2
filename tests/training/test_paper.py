"""`paper.toml` with smaller frames: it starts, learns, stops and resumes with ResNet50."""

from pathlib import Path

import pytest

from tests.performance.paper_preset import fall, losses_on_one_batch
from tests.training.conftest import Notes, trained
from tests.training.engine.test_run import StopsAt
from training.commands.config_file import read_config
from training.config import Config
from training.engine import checkpoint as checkpoints
from training.engine.run import Interrupted

pytestmark = pytest.mark.slow


def paper(*overrides: str) -> Config:
    small = (
        "network.encoder_weights=none",
        "data.mix={real_smoke=1}",
        "accelerator=cpu",
        "workers=0",
        "data.size_px=96",
    )
    stages = "generator.stages=[{steps=3,batch=2,size_px=96,whole=true}]"
    return read_config(Path("paper"), (*small, stages, *overrides))


def test_the_loss_on_one_batch_falls(data: Path):
    # A higher rate than the paper's makes up for an encoder from scratch and for twenty steps only.
    losses = losses_on_one_batch(paper("generator.optimiser.learning_rate=1e-3"), data, 20)
    first, last = fall(losses)
    assert last < first


def test_it_stops_and_resumes(data: Path, tmp_path: Path):
    config = paper("estimator.joint_every=2", "generator.objective.entropy_from_step=1")
    with pytest.raises(Interrupted):
        trained(config, data, tmp_path, StopsAt("generator", 2))
    notes = Notes()
    last = checkpoints.load(trained(config, data, tmp_path, notes))
    assert [step for _, step, _ in notes.steps] == [3]
    assert (last.phase, last.step) == ("generator", 3)
    assert set(last.optimisers) == {"generator", "estimator"}
