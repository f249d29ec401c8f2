"""The contract: what is read is what was written, and a release that breaks its promise is refused in words."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from models.drift import Histogram
from models.gate import Gate
from models.manifest import MANIFEST_FILE, File, Golden, Input, Manifest, ManifestError, describe, newest_release


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A release of three small files whose contents nobody parses."""
    folder = tmp_path / "smoke-test-0.1.0"
    (folder / "golden").mkdir(parents=True)
    for name in ("model.onnx", "golden/frame.png", "golden/maps.npz"):
        (folder / name).write_bytes(name.encode() * 10)
    promise(folder).write(folder)
    return folder


def promise(folder: Path) -> Manifest:
    names = ("model.onnx", "golden/frame.png", "golden/maps.npz")
    return Manifest(
        name="smoke-test",
        version="0.1.0",
        files={name: describe(folder / name) for name in names},
        models={"fp32": "model.onnx"},
        golden=Golden("golden/frame.png", "golden/maps.npz", 0.01),
        threshold=0.25,
        input=Input(size_px=96),
        parity={"probability": 1e-6},
        numbers={"at_threshold": {"f_beta": 0.5}},
        provenance={"seed": 3},
    )


def rewrite(folder: Path, **changes: object) -> None:
    """Change keys of manifest.json as a text editor would."""
    path = folder / MANIFEST_FILE
    raw = json.loads(path.read_text())
    path.write_text(json.dumps({**raw, **changes}))


def test_what_is_read_is_what_was_written(folder):
    found = Manifest.read(folder)
    assert found == promise(folder)
    found.verify(folder)


def test_a_gate_and_reference_histograms_are_read_as_they_were_written(folder):
    gate = Gate({"epistemic": 2.0, "one_minus_probability": 0.5}, 0.3)
    reference = {"brightness": Histogram((0.0, 0.5, 1.0), (0.25, 0.75))}
    whole = replace(promise(folder), gate=gate, reference=reference)
    whole.write(folder)
    assert Manifest.read(folder) == whole


def test_golden_maps_of_another_precision_are_read_as_they_were_written(folder):
    golden = Golden("golden/frame.png", "golden/maps.npz", 0.1)
    both = replace(promise(folder), models={"fp32": "model.onnx", "int8": "model.onnx"}, goldens={"int8": golden})
    both.write(folder)
    assert Manifest.read(folder) == both


def test_a_release_from_before_there_were_gates_still_loads(folder):
    path = folder / MANIFEST_FILE
    raw = json.loads(path.read_text())
    del raw["gate"], raw["reference"], raw["goldens"]
    path.write_text(json.dumps(raw))
    assert (Manifest.read(folder).gate, Manifest.read(folder).reference) == (None, None)


def test_a_file_is_described_by_the_sha256_that_the_world_knows(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert describe(path) == File("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", 3)


def test_the_weights_are_identified_by_the_fp32_file(folder):
    assert Manifest.read(folder).sha256 == describe(folder / "model.onnx").sha256


def test_a_tampered_file_is_refused_by_name(folder):
    path = folder / "model.onnx"
    path.write_bytes(b"M" + path.read_bytes()[1:])
    with pytest.raises(ManifestError, match=r"model\.onnx: found .*, expected "):
        Manifest.read(folder).verify(folder)


def test_a_truncated_file_is_refused_with_both_sizes(folder):
    path = folder / "golden/maps.npz"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ManifestError, match=r"maps\.npz: found .*bytes=149.*expected .*bytes=150"):
        Manifest.read(folder).verify(folder)


def test_a_missing_file_is_refused_by_name(folder):
    (folder / "golden/frame.png").unlink()
    with pytest.raises(ManifestError, match=r"frame\.png: missing, expected 160 bytes"):
        Manifest.read(folder).verify(folder)


@pytest.mark.parametrize("outside", ["../secret", "/etc/passwd", "golden/../../secret"])
def test_a_path_that_leads_outside_is_refused(folder, outside):
    files = json.loads((folder / MANIFEST_FILE).read_text())["files"]
    rewrite(folder, files={**files, outside: {"sha256": "0" * 64, "bytes": 1}})
    with pytest.raises(ManifestError, match="a relative path inside the release"):
        Manifest.read(folder)


def test_a_link_that_leads_outside_is_refused(folder, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes((folder / "model.onnx").read_bytes())
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").symlink_to(secret)
    with pytest.raises(ManifestError, match="leads outside the release"):
        Manifest.read(folder).verify(folder)


def test_links_that_lead_in_a_circle_are_refused(folder, tmp_path):
    manifest, (circle, other) = Manifest.read(folder), (tmp_path / "circle", tmp_path / "other")
    circle.symlink_to(other)
    other.symlink_to(circle)
    with pytest.raises(ManifestError, match=r"not readable as JSON: .*Too many levels of symbolic links"):
        Manifest.read(circle)
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").symlink_to("model.onnx")
    for release in (folder, circle):
        with pytest.raises(ManifestError, match="missing, expected"):
            manifest.verify(release)


def test_a_manifest_that_is_a_pipe_is_refused_at_once(folder):
    (folder / MANIFEST_FILE).unlink()
    os.mkfifo(folder / MANIFEST_FILE)
    with pytest.raises(ManifestError, match="found a folder, a pipe or a device"):
        Manifest.read(folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"flavour": "mint"}, "flavour.*expected the keys name, version, files"),
        ({"schema": 2}, "found schema 2, expected schema 1"),
        ({"name": "Smoke Test"}, "found name 'Smoke Test', expected small letters"),
        ({"version": "1.0"}, "found version '1.0', expected three numbers"),
        (
            {"close_ups": {"seen": 0.5}},
            "found close_ups {'seen': 0.5}, expected seen, smallest, largest, side, most, cut",
        ),
        ({"novelty_limit": 0.0}, "found novelty_limit 0.0, expected a finite number above 0, or none"),
        (
            {"version": "01.0.0"},
            "found version '01.0.0', expected three numbers, as in 0.1.0, none with zeros before it",
        ),
        ({"threshold": 0.0}, "found threshold 0.0, expected a number between 0 and 1"),
        ({"threshold": 1.5}, "found threshold 1.5"),
        ({"threshold": "0.5"}, "found threshold '0.5', expected a number between 0 and 1"),
        ({"minimum_region": 1.0}, "found minimum_region 1.0"),
        ({"models": {"int8": "model.onnx"}}, "expected at least fp32"),
        ({"models": {"fp32": "other.onnx"}}, "'other.onnx' without a checksum"),
        (
            {"models": {"fp32": "model.onnx", "int8": "model.onnx"}},
            r"found goldens of \[\], expected one for each of \['int8'\]",
        ),
        (
            {
                "models": {"fp32": "model.onnx", "int8": "model.onnx"},
                "goldens": {"int8": {"frame": "golden/frame.png", "maps": "y.npz", "tolerance": 0.1}},
            },
            "'y.npz' without a checksum",
        ),
        ({"golden": {"frame": "x.png", "maps": "golden/maps.npz", "tolerance": 0.1}}, "'x.png' without a checksum"),
        ({"outputs": []}, r"found outputs \[\]"),
        ({"files": ["model.onnx"]}, "expected the keys"),
        ({"input": {"colour": "BGR"}}, "input .*BGR.*expected"),
        ({"input": {"layout": "NCHW"}}, "input .*NCHW.*expected"),
        ({"input": {"fit": "letterbox"}}, "input .*letterbox.*expected"),
        ({"input": {"size_px": "480"}}, "input .*'480'.*expected"),
        ({"input": {"size_px": 0}}, "input .*size_px=0.*expected"),
        ({"gate": {"weights": {"mint": 1.0}, "limit": 0.1}}, "mint.*expected some of epistemic"),
        ({"gate": {"limit": 0.1}}, "expected an object with the keys weights and limit"),
        ({"gate": 0.5}, "found gate 0.5, expected an object"),
        ({"reference": [1]}, "found reference list, expected histograms by quantity"),
        (
            {"reference": {"mint": {"edges": [0, 1, 2], "shares": [0, 1]}}},
            r"reference of \['mint'\], expected some of bright",
        ),
        (
            {"reference": {"contrast": {"edges": [0, 1, 2], "shares": [0, 2]}}},
            "expected numbers from 0 on that sum to 1",
        ),
    ],
)
def test_a_manifest_that_says_something_unknown_or_impossible_is_refused_in_words(folder, changes, words):
    rewrite(folder, **changes)
    with pytest.raises(ManifestError, match=words) as refusal:
        Manifest.read(folder)
    assert str(folder / MANIFEST_FILE) in str(refusal.value)


@pytest.mark.parametrize("key", ["name", "files", "models", "golden", "threshold", "outputs", "input"])
def test_a_manifest_without_a_key_is_refused(folder, key):
    path = folder / MANIFEST_FILE
    raw = json.loads(path.read_text())
    del raw[key]
    path.write_text(json.dumps(raw))
    with pytest.raises(ManifestError, match=f"{key}.*expected the keys"):
        Manifest.read(folder)


@pytest.mark.parametrize(("text", "words"), [("{", "not readable as JSON"), ("[1]", "found list, expected an object")])
def test_a_file_that_is_no_manifest_is_refused(folder, text, words):
    (folder / MANIFEST_FILE).write_text(text)
    with pytest.raises(ManifestError, match=words):
        Manifest.read(folder)


def test_a_folder_without_a_manifest_is_no_release(tmp_path):
    with pytest.raises(ManifestError, match=r"manifest\.json: not found; expected a release folder"):
        Manifest.read(tmp_path)


def test_an_impossible_manifest_cannot_be_made_either(folder):
    with pytest.raises(ManifestError, match="threshold"):
        replace(promise(folder), threshold=2.0)


def test_the_newest_release_has_the_highest_version_as_a_number(tmp_path):
    for name in (
        "smoke-embedded-0.9.0",
        "smoke-embedded-0.10.0",
        "smoke-embedded-0.2.11",
        "smoke-sharp-1.0.0",
        ".unfinished",
        "notes",
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / MANIFEST_FILE).write_text("{}")
    assert newest_release(tmp_path).name == "smoke-embedded-0.10.0"


def test_a_folder_without_a_manifest_is_not_the_newest_release(tmp_path):
    for name in ("smoke-embedded-1.0.0", "smoke-embedded-2.0.0"):
        (tmp_path / name).mkdir()
    (tmp_path / "smoke-embedded-1.0.0" / MANIFEST_FILE).write_text("{}")
    assert newest_release(tmp_path).name == "smoke-embedded-1.0.0"


@pytest.mark.parametrize("root", ["empty", "missing"])
def test_no_release_at_all_is_said_in_words(tmp_path, root):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match=f"{re.escape(str(tmp_path / root))}: no release found"):
        newest_release(tmp_path / root)
