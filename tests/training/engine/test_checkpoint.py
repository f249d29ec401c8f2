"""State on disk: it comes back as it went, and nothing that is damaged is taken for it."""

import pickle
import resource
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest
import torch

from tests.training.conftest import same, tiny
from training.engine.checkpoint import Checkpoint, CheckpointError, load, load_averaged, load_to_resume, save


@pytest.fixture
def checkpoint() -> Checkpoint:
    line = torch.nn.Linear(3, 2)
    optimiser = torch.optim.AdamW([{"params": line.parameters(), "base_rate": 0.1}])
    line(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    state = line.state_dict()
    return Checkpoint(
        config=tiny(),
        phase="generator",
        step=7,
        segmenter=state,
        average={"module.weight": state["weight"], "n_averaged": torch.tensor(7)},
        optimisers={"generator": optimiser.state_dict()},
        precision={"scale": 1024.0},
    )


def test_what_is_read_is_what_was_saved(checkpoint, tmp_path):
    save(checkpoint, tmp_path / "deep/run/last.ckpt")
    found = load(tmp_path / "deep/run/last.ckpt")
    assert (found.config, found.phase, found.step) == (checkpoint.config, "generator", 7)
    for part in ("segmenter", "average", "optimisers", "precision"):
        assert same(getattr(found, part), getattr(checkpoint, part)), part
    assert [path.name for path in (tmp_path / "deep/run").iterdir()] == ["last.ckpt"]


def test_what_earlier_versions_wrote_beside_it_is_passed_over(checkpoint, tmp_path):
    save(checkpoint, tmp_path / "last.ckpt")
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)
    torch.save(state | {"random_state": torch.get_rng_state()}, tmp_path / "earlier.ckpt")
    assert load(tmp_path / "earlier.ckpt").step == 7


def test_what_earlier_versions_did_not_write_is_not_asked_for(checkpoint, tmp_path):
    save(checkpoint, tmp_path / "last.ckpt")
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)
    del state["frames_sha256"]
    torch.save(state, tmp_path / "last.ckpt")
    assert load_to_resume(tmp_path / "last.ckpt", checkpoint.config, "of these frames") is not None


def test_the_averaged_networks_are_read_without_the_averages_own_counter(checkpoint, tmp_path):
    save(checkpoint, tmp_path / "last.ckpt")
    assert same(load_averaged(tmp_path / "last.ckpt"), {"weight": checkpoint.segmenter["weight"]})


def test_a_checkpoint_holds_nothing_that_weights_only_refuses(checkpoint, tmp_path):
    save(checkpoint, tmp_path / "last.ckpt")
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert isinstance(state["config"], str)


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("executed"),))


def test_code_in_a_checkpoint_is_not_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"config": Evil()}, tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match=r"last\.ckpt: "):
        load(tmp_path / "last.ckpt")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_a_damaged_checkpoint_is_refused_by_name(checkpoint, tmp_path, kept):
    path = tmp_path / "last.ckpt"
    save(checkpoint, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(CheckpointError, match=r"last\.ckpt: "):
        load(path)


@pytest.mark.parametrize(
    "content",
    [[1, 2], torch.zeros(2), {"weights": torch.zeros(2)}, {"config": "no json"}, {"config": "{}"}, {"config": 3}],
    ids=["list", "tensor", "state dict", "no json", "no configuration", "number"],
)
def test_a_file_of_another_form_is_refused_by_name(tmp_path, content):
    torch.save(content, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match=r"other\.ckpt: "):
        load(tmp_path / "other.ckpt")


def test_a_plain_pickle_is_refused(tmp_path):
    (tmp_path / "other.ckpt").write_bytes(pickle.dumps({"config": "{}"}))
    with pytest.raises(CheckpointError, match=r"other\.ckpt: "):
        load(tmp_path / "other.ckpt")


def test_a_refusal_does_not_say_how_to_execute_what_is_in_a_file(tmp_path):
    (tmp_path / "other.ckpt").write_text('{"name": "a configuration"}')
    with pytest.raises(CheckpointError, match=r"other\.ckpt: not a checkpoint") as refused:
        load(tmp_path / "other.ckpt")
    assert "weights_only" not in str(refused.value)


def test_a_missing_checkpoint_is_said_to_be_missing(tmp_path):
    with pytest.raises(CheckpointError, match=r"absent\.ckpt: not found"):
        load(tmp_path / "absent.ckpt")


def test_a_checkpoint_of_a_configuration_that_is_no_more_names_the_key(checkpoint, tmp_path):
    save(checkpoint, tmp_path / "last.ckpt")
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)
    state["config"] = state["config"].replace('"seed":', '"sead":')
    torch.save(state, tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match="sead"):
        load(tmp_path / "last.ckpt")


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), RuntimeError("PytorchStreamWriter failed writing")]
)
def test_a_failed_write_keeps_the_last_good_checkpoint_and_leaves_no_litter(checkpoint, tmp_path, monkeypatch, error):
    path = tmp_path / "last.ckpt"
    save(checkpoint, path)
    good = path.read_bytes()

    def write_half(_: object, target: BinaryIO) -> None:
        target.write(good[:100])
        raise error

    monkeypatch.setattr(torch, "save", write_half)
    with pytest.raises(
        CheckpointError, match=r"last\.ckpt: not written, the last good checkpoint stays: .*(space|writing)"
    ):
        save(replace(checkpoint, step=8), path)
    assert path.read_bytes() == good
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_disk_that_is_full_is_said_to_be(checkpoint, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
    try:
        with pytest.raises(CheckpointError, match=r"last\.ckpt: not written, there is none yet: .*File too large"):
            save(checkpoint, tmp_path / "last.ckpt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_run_folder_that_is_a_file_is_refused_in_words(checkpoint, tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(CheckpointError, match=r"run/last\.ckpt: not written"):
        save(checkpoint, tmp_path / "run/last.ckpt")
