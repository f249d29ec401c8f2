"""The file of `smoke-bvm watch`: which cameras are read, from where, how often. TOML, checked in words.

[default]                    # any key but kind, url and path
interval_s = 10
[camera.ridge]
kind = "rtsp"                # rtsp, mjpeg, snapshot: url; folder, video, device: path
url = "rtsp://10.0.0.7/stream1"
username = "viewer"
password = "${RIDGE_PASSWORD}"
[camera.mast.view.east]      # a camera that turns: a source for each view; what it does not say is as for the camera
kind = "snapshot"
url = "https://mast.example/east.jpg"
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from service.errors import SettingsInvalid
from service.files import read_secret
from service.sources.credentials import expanded, is_variable, spellings
from service.sources.spec import FROM_URL, Kind, SourceSpec, Transport
from service.validation import check_id, in_words, parsed

_SCHEMES: Final = {"rtsp": ("rtsp", "rtsps"), "mjpeg": ("http", "https"), "snapshot": ("http", "https")}
_FROM_OUTSIDE: Final = (
    'found one in plain words, expected "${NAME}", a variable of the environment, or the key password_file'
)
_TABLES: Final = {"": "[default] and [camera.ID]", "default": "a table", "camera": "items [camera.ID]"}
_EXPECTED: Final = {
    "kind": "one of rtsp, mjpeg, snapshot, folder, video, device",
    "url": "an address such as rtsp://10.0.0.7/stream1",
    "path": "a folder, a video file, or a device such as /dev/video0",
    "username": 'a name, or "${NAME}" of the environment',
    "password": '"${NAME}", a variable of the environment',
    "password_file": "a file that holds the password",
    "interval_s": "seconds from 0.1 to 86400",
    "stall_s": "seconds from 1 to 3600",
    "ca_file": "a file of certificates (PEM)",
    "transport": "tcp or udp",
    "keyframes": "true or false",
    "view": "items [camera.ID.view.NAME]",
}


class _Defaults(BaseModel):
    """What may hold for all cameras."""

    model_config = ConfigDict(strict=True, extra="forbid")

    username: str | None = None
    password: str | None = None
    password_file: str | None = None
    interval_s: float = Field(10.0, ge=0.1, le=86_400)
    stall_s: float = Field(30.0, ge=1, le=3600)
    ca_file: str | None = None
    transport: Transport = "tcp"
    keyframes: bool | None = None

    @field_validator("ca_file")
    @classmethod
    def _there(cls, file: str | None) -> str | None:
        if file is not None and not Path(file).is_file():
            raise ValueError(f"found no file {file}, expected one of certificates (PEM)")
        return file

    @model_validator(mode="after")
    def _secrets_from_outside(self) -> Self:
        if self.password is not None and not is_variable(self.password):
            raise ValueError(f"{_FROM_OUTSIDE} (password)")
        if self.password is not None and self.password_file is not None:
            raise ValueError("found password and password_file, expected one of them")
        return self


class _Source(_Defaults):
    """A camera, or a view of one, after what holds for all."""

    kind: Kind
    url: str | None = None
    path: str | None = None

    @model_validator(mode="after")
    def _address(self) -> Self:
        wanted, other = ("url", "path") if self.kind in FROM_URL else ("path", "url")
        if not getattr(self, wanted) or getattr(self, other):
            given = [name for name in ("url", "path") if getattr(self, name)]
            raise ValueError(
                f"found {' and '.join(given) or 'neither url nor path'}, expected {wanted} for kind {self.kind!r}"
            )
        if self.url:
            _check_url(self.kind, self.url)
        return self

    @property
    def address(self) -> str:
        """The URL or the path."""
        return self.url or self.path or ""


KEYS: Final = _Source.model_fields.keys()
"""What a camera's table may hold, beside its views."""


class _File(BaseModel):
    """The file: what it may hold at the top, each table still as it was decoded."""

    model_config = ConfigDict(strict=True, extra="forbid")

    default: dict[str, Any] = Field(default_factory=dict)
    camera: dict[str, dict[str, Any]] = Field(default_factory=dict)


def read_sources(file: Path, environment: Mapping[str, str]) -> list[SourceSpec]:
    """The sources of a file, in its order.

    Args:
        file: TOML.
        environment: Where `${NAME}` is looked up.

    Raises:
        SettingsInvalid: With file, key, what was found and what was expected.
    """
    try:
        sources = list(_sources(parsed(tomllib.loads, file.read_text(encoding="utf-8-sig")), environment))
    except OSError as error:
        raise SettingsInvalid(f"{file}: {error.strerror}, expected a TOML file of cameras") from error
    except ValueError as error:
        raise SettingsInvalid(f"{file}: {error}") from None
    if not sources:
        raise SettingsInvalid(f"{file}: found no camera, expected items [camera.ID]")
    return sources


def _sources(tables: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[SourceSpec]:
    try:
        file = _File.model_validate(tables)
    except ValidationError as error:
        raise ValueError(in_words(error, _TABLES)) from None
    _checked(_Defaults, "default", file.default)
    for camera_id, table in file.camera.items():
        name = f"camera.{camera_id}"
        check_id(name, camera_id)
        common, views = {**file.default, **table}, table.get("view")
        common.pop("view", None)
        if views is None:
            yield _spec(name, camera_id, "", common, environment)
            continue
        if not isinstance(views, dict) or not all(isinstance(view, dict) for view in views.values()):
            raise ValueError(f"{name}.view: found {views!r:.60}, expected {_EXPECTED['view']}")
        for view, inner in views.items():
            check_id(f"{name}.view.{view}", view)
            yield _spec(f"{name}.view.{view}", camera_id, view, {**common, **inner}, environment)


def _spec(name: str, camera_id: str, view: str, table: dict[str, Any], environment: Mapping[str, str]) -> SourceSpec:
    source = _checked(_Source, name, table)
    secrets: list[str] = []

    def outside(key: str, text: str | None) -> str | None:
        if text is None:
            return None
        try:
            value, put_in = expanded(text, environment)
        except ValueError as error:
            raise ValueError(f"{name}.{key}: {error}") from None
        secrets.extend(put_in)
        return value

    address = outside("url" if source.url else "path", source.address) or ""
    username, password = outside("username", source.username), outside("password", source.password)
    if source.password_file is not None:
        try:
            password = read_secret(Path(source.password_file))
        except ValueError as error:
            raise ValueError(f"{name}.password_file: {error}") from None
        secrets.append(password)
    return SourceSpec(
        camera_id,
        view,
        source.kind,
        address,
        interval_s=source.interval_s,
        stall_s=source.stall_s,
        username=username,
        password=password,
        ca_file=source.ca_file,
        transport=source.transport,
        keyframes=source.keyframes,
        secrets=tuple(spelling for secret in secrets for spelling in spellings(secret)),
    )


def _checked(model: type[_Defaults], name: str, table: Mapping[str, Any]) -> Any:  # noqa: ANN401 - one of two models
    """A table by its model. What was found of a password is not said, whatever it is."""
    if not isinstance(table.get("password", ""), str):
        raise ValueError(f"{name}.password: found no text, expected {_EXPECTED['password']}")
    try:
        return model.model_validate(table)
    except ValidationError as error:
        expected = {key: _EXPECTED[key] for key in model.model_fields}
        raise ValueError(in_words(error, expected, name)) from None


def _check_url(kind: Kind, url: str) -> None:
    """A URL of the right scheme and without a name and a password, which would be said wherever it is."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    schemes = _SCHEMES[kind]
    if "@" in parts.netloc:
        raise ValueError('found a name or password in url, expected the keys username and password = "${NAME}"')
    if parts.scheme not in schemes or (not host and "${" not in url):
        raise ValueError(f"found url {parts.scheme}://{host or ''}, expected {' or '.join(schemes)}://HOST/...")
