"""The resolved configuration: what is unknown or impossible is refused by key, and a hash tells runs apart."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.conftest import tiny
from training.commands.config_file import read_config
from training.config import ConfigError, parse_config
from training.engine.optimiser import rate_factor

ROOT = Path(__file__).resolve().parents[2]
PRESETS = sorted((ROOT / "training/configs").glob("*.toml"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The tiny preset under another name and path."""
    path = tmp_path / "mine.toml"
    path.write_text(next(preset for preset in PRESETS if preset.stem == "tiny").read_text())
    return path


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_every_preset_is_valid_and_found_by_its_name_from_anywhere(preset, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    by_name = read_config(Path(preset.stem))
    assert by_name == read_config(preset)
    assert by_name == read_config(Path("training/configs") / preset.name)


@pytest.mark.parametrize("path", ["tiny.v2", "tiny.toml", "mine/tiny.toml", "mine/tiny"])
def test_a_file_that_is_not_there_is_no_preset_whose_name_is_like_it(path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=f"{path}: no such file, nor a preset of that name"):
        read_config(Path(path))


def test_a_file_is_read_before_a_preset_of_its_name(file):
    file.write_text(file.read_text().replace("seed = 1", "seed = 77"))
    moved = file.rename(file.with_name("tiny.toml"))
    assert read_config(moved).seed == 77


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("seed=9", lambda c: c.seed == 9),
        ("generator.optimiser.learning_rate=1e-4", lambda c: c.generator.optimiser.learning_rate == 1e-4),
        ("network.encoder=resnet50", lambda c: c.network.encoder == "resnet50"),
        ('network.encoder="resnet50"', lambda c: c.network.encoder == "resnet50"),
        (" network.dilations = [1, 2, 3] ", lambda c: c.network.dilations == (1, 2, 3)),
        ("generator.freeze_encoder_norm=false", lambda c: c.generator.freeze_encoder_norm is False),
        ("data.mix={clear=2}", lambda c: c.data.mix == {"clear": 2.0}),
        ("network.encoder_weights=a=b.pth", lambda c: c.network.encoder_weights == "a=b.pth"),
    ],
)
def test_an_override_replaces_one_value(override, value):
    assert not value(tiny())
    assert value(tiny(override))


def test_a_later_override_wins():
    assert tiny("seed=2", "seed=3").seed == 3


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("seed", "override 'seed': expected section.key=value"),
        ("=3", "override '=3': expected section.key=value"),
        ("data..mix=3", "override 'data..mix=3': expected section.key=value"),
        ("seed.deep=1", "'seed' is a value, not a section"),
        ("generator.stages.0.steps=1", "'stages' is a value, not a section"),
        ("speed=1", r"speed: Extra inputs are not permitted \(found 1\)"),
        ("network.depth=3", r"network\.depth: Extra inputs"),
        ("nework.encoder=x", "nework: Extra inputs"),
        ("name=../../elsewhere", "name: String should match"),
        ("name=", "name: String should match"),
        ("workers=100000", "workers: Input should be less than or equal to 256"),
        ("seed=99999999999999999999", "seed: Input should be less than"),
        ("generator.optimiser.learning_rate=1e400", r"learning_rate: Input should be a finite number \(found inf\)"),
        ("data.strength=inf", "data.strength: Input should be a finite number"),
        ("data.mix.real_smoke=inf", "data.mix.real_smoke: Input should be a finite number"),
        ("data.decoys=5", "data.decoys: Input should be less than or equal to 1"),
        ("data.size_px=1", "data.size_px: Input should be greater than or equal to 16"),
        ("data.size_px=100000", "data.size_px: Input should be less than or equal to 8192"),
        ("data.squashed_px=[96,64]", "data.squashed_px: .*found 96 before 64, expected the smaller first"),
        ("data.smoke_length=[0.5,0.1]", "data.smoke_length: .*found 0.5 before 0.1, expected the smaller first"),
        ("generator.objective.pool_px=30", "pool_px: .*found 30, expected an odd number"),
        ("generator.objective.kernel_px=4", "kernel_px: .*found 4, expected an odd number"),
        ("seed=many", r"seed: .*integer.*\(found 'many'\)"),
        ("seed=-1", "seed: .*greater than or equal to 0"),
        ("network.dropout=1.0", r"network\.dropout: .*less than 1"),
        ("network.decoder_stride=16", r"network\.decoder_stride: .*4 or 8"),
        ("data.mix={fog=1}", r"data\.mix\.fog"),
        ("data.mix={clear=-1}", r"data\.mix\.clear: .*greater than or equal to 0"),
        ("data.mix={clear=0}", r"data\.mix has no share above 0"),
        ("generator.modulation_only=true", r"modulation_only needs network\.modulated: found no modulation"),
        ("estimator.samples=1", r"estimator\.samples: .*greater than or equal to 2"),
        ("precision=8", "precision: "),
        (
            "generator.optimiser.decay=step",
            "generator.optimiser: .*found decay step with decay_step 0, expected the step",
        ),
    ],
)
def test_an_override_that_is_unknown_or_impossible_is_refused_by_its_key(override, words):
    with pytest.raises(ConfigError, match=words) as refusal:
        tiny(override)
    assert "\n" not in str(refusal.value)


def test_every_wrong_key_is_named_at_once(file):
    with pytest.raises(
        ConfigError, match=r"mine\.toml: .*network\.depth.*; .*seed|mine\.toml: .*seed.*; .*network\.depth"
    ):
        read_config(file, ["network.depth=3", "seed=x"])


def test_a_missing_key_is_named(file):
    file.write_text(file.read_text().replace('name = "smoke-tiny"', ""))
    with pytest.raises(ConfigError, match=r"mine\.toml: name: Field required"):
        read_config(file)


@pytest.mark.parametrize(
    ("text", "words"), [("seed = = 1", "not readable as TOML"), ("\udcff", "not readable as TOML")]
)
def test_a_file_that_is_no_toml_is_refused(file, text, words):
    file.write_text(text, errors="surrogateescape")
    with pytest.raises(ConfigError, match=rf"mine\.toml: {words}"):
        read_config(file)


def test_a_name_that_is_neither_file_nor_preset_is_refused_with_the_place_of_the_presets():
    with pytest.raises(ConfigError, match=r"huge\.toml: no such file, nor a preset of that name in .*training/configs"):
        read_config(Path("runs/huge.toml"))


def test_the_hash_changes_with_every_value_and_only_with_values():
    changed = [
        "seed=2",
        "network.latent_dim=5",
        "data.strength=0.9",
        "generator.objective.kl_weight=0.5",
        "estimator.samples=4",
    ]
    hashes = {tiny().sha256(), *(tiny(override).sha256() for override in changed)}
    assert len(hashes) == 1 + len(changed)
    assert tiny("seed=1").sha256() == tiny().sha256()
    assert tiny("generator.optimiser.learning_rate=0.010").sha256() == tiny().sha256()


def test_an_estimator_that_would_never_learn_is_refused():
    with pytest.raises(ConfigError, match="neither stages nor joint_every: g_gamma would never learn"):
        tiny("estimator.stages=[]", "estimator.joint_every=0")


def test_a_run_without_steps_of_the_generator_needs_networks_to_start_from_and_an_estimator_that_learns():
    with pytest.raises(ConfigError, match=r"no generator\.stages: expected initial networks, and estimator\.stages"):
        tiny("generator.stages=[]")
    with pytest.raises(ConfigError, match=r"no generator\.stages"):
        tiny("generator.stages=[]", "initial=start.ckpt", "estimator.stages=[]", "estimator.joint_every=2")
    assert tiny("generator.stages=[]", "initial=start.ckpt").initial == ("start.ckpt",)


def test_a_calibrated_entropy_without_an_estimator_beside_it_is_refused():
    untold = ("estimator.joint_every=0",)
    with pytest.raises(ConfigError, match=r"entropy calibrated needs estimator\.joint_every > 0"):
        tiny(*untold)
    tiny(*untold, "generator.objective.entropy=plain")
    tiny(*untold, "generator.objective.entropy_weight=0")
    tiny(*untold, "initial=other.ckpt")


def test_paper_is_the_papers_setting():
    paper = read_config(Path("paper"))
    assert (paper.network.encoder, paper.network.latent_dim, paper.data.size_px) == ("resnet50", 8, 480)
    (stage,) = paper.generator.stages
    assert (stage.batch, stage.size_px, stage.whole, stage.steps) == (6, 480, True, 50 * paper.epoch_steps)
    for settings, rate in ((paper.generator.optimiser, 2.5e-5), (paper.estimator.optimiser, 1.5e-5)):
        assert (settings.algorithm, settings.learning_rate, settings.weight_decay) == ("adam", rate, 0.0)
        assert rate_factor(settings, 40 * paper.epoch_steps - 1, stage.steps) == 1.0
        assert rate_factor(settings, 40 * paper.epoch_steps, stage.steps) == 0.8
    assert (paper.generator.objective.coherence_weight, paper.generator.objective.entropy_weight) == (0.3, 0.01)


def test_a_configuration_survives_being_written_and_read():
    config = tiny("generator.optimiser.learning_rate=0.1234567890123")
    again = parse_config(json.loads(config.model_dump_json()), "copy")
    assert again == config
    assert again.sha256() == config.sha256()


def test_a_configuration_cannot_be_changed_once_it_is_resolved():
    with pytest.raises(ValueError, match="frozen"):
        tiny().seed = 2


@pytest.mark.parametrize(
    "override", ["generator.stages=[]", "network.channels=2", "data.smoke_length=[0.0, 0.5]", "estimator.samples=1"]
)
def test_a_value_that_no_run_could_use_is_refused_before_it_starts(override):
    with pytest.raises(ConfigError, match=override.partition("=")[0]):
        read_config(Path("tiny"), [override])


def test_reading_a_configuration_loads_no_torch():
    code = """import sys; from pathlib import Path; from training.commands.config_file import read_config
read_config(Path("tiny"))
print("torch" in sys.modules)"""
    read = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert read.stdout.strip() == "False"


def test_one_view_too_small_for_batch_normalisation_is_refused():
    stages = "generator.stages=[{steps=1,batch=1,size_px=%d}]"
    with pytest.raises(ConfigError, match="found batch 1 of 128 px, expected at least 256 px or two views"):
        read_config(Path("tiny"), [stages % 128])
    assert read_config(Path("tiny"), [stages % 256]).generator.stages[0].batch == 1


def test_the_papers_preset_has_the_papers_values():
    paper = read_config(Path("paper"))
    objective = paper.generator.objective
    assert (objective.coherence_weight, objective.entropy_weight, objective.missed_cost) == (0.3, 0.01, 1.0)
    assert (objective.kl_weight, objective.kl_warmup_steps, objective.free_nats) == (1.0, 0, 0.0)
    assert objective.entropy_from_step == 0
    assert not paper.generator.freeze_encoder_norm
    assert {training.average_decay for training in (paper.generator, paper.estimator)} == {0.0}
    assert {training.optimiser.clip_norm for training in (paper.generator, paper.estimator)} == {0.0}
    assert (paper.generator.optimiser.learning_rate, paper.estimator.optimiser.learning_rate) == (2.5e-5, 1.5e-5)
    assert paper.data.group_balance == 0.0
