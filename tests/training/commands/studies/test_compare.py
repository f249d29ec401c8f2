"""Networks of a library beside ours: equal data, weights and samples, and one table."""

from pathlib import Path

import pytest
import torch

from models.networks.library import LibraryError
from tests.training.commands.studies.test_ablate import SHORT
from tests.training.conftest import Notes, tiny
from training.commands.config_file import read_config
from training.commands.studies.compare import ABSENT, compare_networks, comparison_table, rows_to_compare
from training.commands.studies.study import Study
from training.config import ConfigError
from training.engine.networks import build_segmenter
from training.engine.setup import generator_learner


@pytest.mark.slow
def test_ours_the_cvae_and_a_librarys_network_are_trained_on_equal_samples(data: Path, tmp_path: Path):
    notes = Notes()
    measured = compare_networks(["PSPNet"], Study(Path("tiny"), SHORT, [data], tmp_path, notes))
    assert [row["what"] for row in measured] == ["ours", "UCNet's CVAE", "PSPNet"]
    assert {row["views"] for row in measured} == {12}
    last = [numbers for _, _, numbers in notes.steps[5::6]]
    assert [("coherence" in terms, "entropy" in terms) for terms in last] == [
        (True, True),
        (False, False),
        (False, False),
    ]
    expected = sum(p.numel() for p in build_segmenter(tiny().network, pretrained=False).parameters())
    assert measured[0]["parameters"] == measured[1]["parameters"] == expected
    library = build_segmenter(tiny("network.library=pspnet").network, pretrained=False).generator
    assert measured[2]["parameters"] == sum(p.numel() for p in library.parameters()) != expected
    assert all(row["ms"] > 0 for row in measured)
    assert (tmp_path / "comparison.md").read_text() == comparison_table(measured)
    assert comparison_table(measured).endswith(f"{ABSENT}\n")


@pytest.mark.parametrize("name", ["PSPNet", "DeepLabV3Plus", "Unet"])
def test_a_librarys_network_has_our_encoders_weights_and_learns(tmp_path: Path, name: str):
    ours = build_segmenter(tiny().network, pretrained=False).generator.backbone.encoder
    torch.save(ours.state_dict(), tmp_path / "weights.pth")
    config = tiny(f"network.library={name}", f"network.encoder_weights={tmp_path / 'weights.pth'}")
    segmenter = build_segmenter(config.network, pretrained=True)
    own = ours.state_dict()
    theirs = segmenter.generator.network.encoder.model.state_dict()
    assert theirs
    assert all(torch.equal(own[key], value) for key, value in theirs.items())
    image = torch.randn(2, 3, 64, 64)
    assert segmenter.generator(image, torch.zeros(2, 4)).shape == (2, 1, 64, 64)
    module = generator_learner(config, segmenter).module
    learnt = {id(parameter) for parameter in module.parameters() if parameter.requires_grad}
    assert {id(parameter) for parameter in segmenter.generator.network.parameters()} <= learnt


def test_a_row_changes_the_network_and_its_losses_alone():
    ours, cvae, library = (read_config(Path("embedded"), row.overrides) for row in rows_to_compare(["PSPNet"]))
    assert ours == read_config(Path("embedded"))
    for other in (cvae, library):
        assert (other.data, other.seed, other.estimator) == (ours.data, ours.seed, ours.estimator)
        assert other.generator.model_copy(update={"objective": ours.generator.objective}) == ours.generator
        assert other.generator.objective.coherence_weight == other.generator.objective.entropy_weight == 0
    assert (cvae.network.dropout, cvae.network.latent_dim, library.network.library) == (0.0, 8, "PSPNet")


def test_a_network_that_the_library_lacks_is_refused_before_anything_is_trained(tmp_path: Path):
    with pytest.raises(LibraryError, match=r"found network 'F3Net', expected one of .*pspnet"):
        compare_networks(["F3Net"], Study(Path("tiny"), SHORT, [tmp_path], tmp_path / "out", Notes()))
    with pytest.raises(ConfigError, match="found network 'unet' twice, expected each once"):
        compare_networks(["Unet", "unet"], Study(Path("tiny"), SHORT, [tmp_path], tmp_path / "out", Notes()))
    assert not (tmp_path / "out").exists()
