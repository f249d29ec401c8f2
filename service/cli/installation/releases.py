"""`smoke-bvm models`: the releases that are there, what one promises, and whether it keeps it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.manifest import MANIFEST_FILE, RELEASED, Manifest, ManifestError, newest_release
from service.errors import ModelUnusable, StartError, in_one_line
from service.runtime.providers import RuntimeOptions
from service.runtime.session import open_model

_SHOWN = ("f_beta", "iou", "detection_rate", "false_alarm_rate", "smoke_frames", "smoke_free_frames")


def list_releases(*, as_json: bool) -> int:
    """Print a line on each release that is installed; the newest is what is served. Returns the exit code."""
    newest = newest_release()
    rows = [{**_summary(folder, _manifest(folder)), "newest": folder == newest} for folder in _installed()]
    if as_json:
        _print_json(rows)
    for row in () if as_json else rows:
        mark = "  (served by default)" if row["newest"] else ""
        print(f"{row['release']}  {row['megabytes']} MB  {'+'.join(row['precisions'])}  {row['folder']}{mark}")  # noqa: T201
    return 0


def show_release(name: str | None, *, as_json: bool) -> int:
    """Print what a release promises; returns the exit code. Raises ModelUnusable where there is none."""
    folder = _folder(name)
    manifest = _manifest(folder)
    points = manifest.operating_points
    shown = {
        **_summary(folder, manifest),
        "sha256": manifest.sha256,
        "size_px": manifest.input.size_px,
        "threshold": manifest.threshold,
        "minimum_region": manifest.minimum_region,
        "gate": manifest.gate is not None,
        "operating_points": points is not None,
        **{key: value for key, value in manifest.numbers.get("at_threshold", {}).items() if key in _SHOWN},
        "card": str(folder / "MODEL_CARD.md"),
    }
    if as_json:
        _print_json(shown)
    for key, value in () if as_json else shown.items():
        print(f"{key:18} {', '.join(value) if isinstance(value, list) else value}")  # noqa: T201
    return 0


def verify_releases(names: list[str], *, as_json: bool) -> int:
    """Hold files against their checksums and the golden frame against its answer, on the CPU, of these or all installed releases.

    Returns:
        The exit code: 3 where one does not keep its promise.
    """
    rows = [_verified(_folder(name)) for name in names] if names else [_verified(folder) for folder in _installed()]
    if as_json:
        _print_json(rows)
    for row in () if as_json else rows:
        print(f"{'whole' if row['whole'] else 'BROKEN':7} {row['release']}  {row['found']}")  # noqa: T201
    return 0 if all(row["whole"] for row in rows) else ModelUnusable.exit_code


def _verified(folder: Path) -> dict[str, Any]:
    try:
        model = open_model(folder, RuntimeOptions(provider="cpu"))
    except StartError as error:
        return {"release": folder.name, "whole": False, "found": in_one_line(error)}
    files = f"{len(model.manifest.files)} files as released, golden frame answered as released"
    return {"release": folder.name, "whole": True, "found": files}


def _installed() -> Iterator[Path]:
    return (path.parent for path in sorted(RELEASED.glob(f"*/{MANIFEST_FILE}")))


def _folder(name: str | None) -> Path:
    """By its name, or a folder anywhere."""
    if name is None:
        return newest_release()
    folder = RELEASED / name if (RELEASED / name / MANIFEST_FILE).is_file() else Path(name)
    if not (folder / MANIFEST_FILE).is_file():
        there = ", ".join(path.name for path in _installed()) or "none"
        raise ModelUnusable(
            f"found no release {name!r}, expected a folder with a {MANIFEST_FILE}, or one of those installed: {there}"
        )
    return folder


def _manifest(folder: Path) -> Manifest:
    try:
        return Manifest.read(folder)
    except ManifestError as error:
        raise ModelUnusable(str(error)) from error


def _summary(folder: Path, manifest: Manifest) -> dict[str, Any]:
    size = sum(file.bytes for file in manifest.files.values())
    precisions = sorted(manifest.models)
    return {"release": folder.name, "folder": str(folder), "megabytes": round(size / 1e6, 1), "precisions": precisions}


def _print_json(content: object) -> None:
    print(json.dumps(content, indent=2))  # noqa: T201 - for a script to read
