"""`smoke-bvm doctor`: would `smoke-bvm serve` start here as it is set up, on what, how fast; and what to do if not."""

import json
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from models.golden import read
from service.api.reread import check_certificate
from service.errors import AddressUnusable, ModelUnusable, ProviderUnusable, SettingsInvalid, StartError, in_one_line
from service.runtime.slot import LoadedModel
from service.server.app import create_app
from service.server.components import load
from service.server.named_files import check_files
from service.server.serve import bind
from service.settings import Settings, unknown_variables

_REMEDIES: Final = {
    SettingsInvalid: "set it as expected, or take it out; service/server/README.md lists every setting",
    ModelUnusable: "`smoke-bvm models verify` says which releases are whole; install the package again, or name another release",
    ProviderUnusable: "without SMOKE_REQUIRE_PROVIDER it runs on the CPU; CUDA needs smoke-bvm[gpu] and a driver (nvidia-smi)",
    AddressUnusable: "stop what listens there, or take another port: smoke-bvm serve --port 0; no fault if the service runs already",
}
_PACKAGES: Final = ("smoke-bvm", "onnxruntime", "onnxruntime-gpu", "numpy", "opencv-python-headless", "fastapi")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes:
        subject: What.
        well: Whether it is as it should be.
        found: What was found.
        remedy: What to do; empty where nothing is to be done.
    """

    subject: str
    well: bool
    found: str
    remedy: str = ""


def examine(model_dir: Path | None, *, as_json: bool) -> int:
    """Look at everything and print it; returns 0, or the exit code with which `serve` would end."""
    findings, code = [], 0
    for subject, look in _looks(model_dir):
        try:
            finding = Finding(subject, True, look())
        except StartError as error:
            finding = Finding(subject, False, in_one_line(error), _REMEDIES.get(type(error), ""))
            code = code or error.exit_code
        findings.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        print(json.dumps({"well": code == 0, "findings": [asdict(finding) for finding in findings]}, indent=2))  # noqa: T201
    return code


def _looks(model_dir: Path | None) -> Iterator[tuple[str, Callable[[], str]]]:
    """What is looked at, each once what it needs was found well."""
    yield "versions", _versions
    settings: list[Settings] = []
    yield "settings", partial(_settings, model_dir, settings)
    if not settings:
        return
    loaded: list[LoadedModel] = []
    yield "model", partial(_model, settings[0], loaded)
    if loaded:
        yield "speed", partial(_speed, settings[0], loaded[0])
        yield "files", partial(_files, settings[0], loaded[0])
    yield "address", partial(_address, settings[0])


def _versions() -> str:
    found = [f"{name} {there}" for name in _PACKAGES if (there := _version(name))]
    return ", ".join([f"Python {platform.python_version()}", *found])


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _settings(model_dir: Path | None, into: list[Settings]) -> str:
    into.append(Settings.load(model_dir=model_dir))
    changed = sorted(f"SMOKE_{name.upper()}" for name in into[0].model_fields_set)
    ignored = f"; read by nothing: {', '.join(unknown)}" if (unknown := unknown_variables()) else ""
    return (f"set: {', '.join(changed)}" if changed else "all as by default") + ignored


def _model(settings: Settings, into: list[LoadedModel]) -> str:
    into.append(load(settings))
    identity = into[0].model.identity
    release = f"{identity.name}-{identity.version} ({identity.precision}) on {identity.provider}"
    return f"{release}: files as released, golden frame answered as released"


def _speed(settings: Settings, loaded: LoadedModel) -> str:
    manifest = loaded.model.manifest
    frame, _ = read(settings.release(), manifest.golden, manifest.input.size_px)
    begun_s = time.perf_counter()
    loaded.model.predict([frame])
    return f"{time.perf_counter() - begun_s:.3f} s for the golden frame, without decoding and encoding"


def _files(settings: Settings, loaded: LoadedModel) -> str:
    """Keys, rules, secrets and certificates are read, and what is written can be: by putting the service together.

    Without its state, which it would set aside where that is broken.
    """
    check_files(settings)
    if settings.tls_cert_file is not None:
        check_certificate(settings.tls_cert_file, settings.tls_key_file)
    create_app(settings.model_copy(update={"state_file": None}), lambda: loaded)
    named = [name for name, value in settings if isinstance(value, Path) and name != "model_dir"]
    return f"can be used: {', '.join(f'SMOKE_{name.upper()}' for name in named)}" if named else "none is named"


def _address(settings: Settings) -> str:
    addresses = [(settings.host, settings.port)]
    if settings.admin_port is not None:
        addresses.append((settings.admin_host, settings.admin_port))
    for address in addresses:
        bind(*address).close()
    return f"free: {', '.join(f'{host}:{port}' for host, port in addresses)}"


def _print(finding: Finding) -> None:
    print(f"{'well' if finding.well else 'FAULT':6} {finding.subject:9} {finding.found}")  # noqa: T201
    if finding.remedy:
        print(f"{'':16} -> {finding.remedy}")  # noqa: T201
