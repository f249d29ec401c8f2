"""API keys: who may do what, and how often; each route names the scope it needs.

The file holds checksums only, and every comparison takes the same time. A key is 32 random bytes, so that its plain SHA-256 cannot be
searched for; what a person made up would need a slow hash.
"""

import hashlib
import hmac
import math
import re
import secrets
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from service.errors import KeyInsufficient, KeyMissing, RateExceeded, SettingsInvalid
from service.files import read_text
from service.validation import parsed

_NAME: Final = r"^[A-Za-z0-9_.-]{1,64}$"
_ENTRIES: Final = "expected [[key]] entries, each with a name of its own"
_EXPECTED: Final = {
    "name": "at most 64 letters, digits, dots, hyphens and underscores",
    "sha256": "64 hexadecimal digits",
    "scopes": "some of infer, metrics, operator, admin",
    "requests_per_s": "more than 0",
}


class Scope(StrEnum):
    """What a key allows: frames and cameras; metrics; judging alarms; changing the model, and judging alarms too."""

    INFER = "infer"
    METRICS = "metrics"
    OPERATOR = "operator"
    ADMIN = "admin"


@checked_dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Key:
    """One entry of the file.

    Attributes:
        name: Whose it is, for the log.
        sha256: Of the key itself, in hexadecimal.
        scopes: What it allows.
        requests_per_s: How often, on average; twice as many may come at once.
    """

    name: Annotated[str, Field(pattern=_NAME)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: frozenset[Scope] = frozenset()
    requests_per_s: Annotated[float, Field(gt=0, strict=True)] = math.inf


class _File(BaseModel):
    """The file; what else stands in it is passed over."""

    key: list[Key] = Field(default=[], min_length=1, validate_default=True)


@dataclass(slots=True)
class _Bucket:
    """Tokens for one key: filled at its rate, up to two seconds' worth (but never less than one token)."""

    rate: float
    filled_s: float
    tokens: float = math.inf

    def take(self, now_s: float) -> float:
        """Take one token; returns how long to wait for it, 0 if it was there."""
        most = max(1.0, 2.0 * self.rate)
        self.tokens = min(most, self.tokens + (now_s - self.filled_s) * self.rate)
        self.filled_s = now_s
        if self.tokens < 1.0:
            return (1.0 - self.tokens) / self.rate
        self.tokens -= 1.0
        return 0.0


class ApiKeys:
    """The keys, and how often each was used. Belongs to the event loop's thread.

    Args:
        keys: Each with a name of its own.
        clock: Gives seconds; no clock jump may reach it.
    """

    def __init__(self, keys: list[Key], clock: Callable[[], float] = time.perf_counter) -> None:
        self._keys = keys
        self._clock = clock
        self._buckets = self._filled(keys)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a TOML file of `[[key]]` entries.

        Raises:
            SettingsInvalid: It is missing, is no TOML, or an entry is impossible.
        """
        return cls(_read(path))

    def reload(self, path: Path) -> None:
        """Read the file again, between two requests; a key that keeps its name and rate keeps what it has used up.

        Raises:
            SettingsInvalid: See `read`; the keys are as they were.
        """
        keys = _read(path)
        rates = {key.name: key.requests_per_s for key in keys}
        kept = {name: bucket for name, bucket in self._buckets.items() if rates.get(name) == bucket.rate}
        self._keys, self._buckets = keys, self._filled(keys) | kept

    def allow(self, offered: str | None, *scopes: Scope) -> str:
        """Let a caller in whose key has one of these scopes; returns the key's name.

        Raises:
            KeyMissing: No key, or an unknown one.
            KeyInsufficient: It has none of them.
            RateExceeded: It was used too often.
        """
        key = self._find(offered or "")
        if key is None:
            raise KeyMissing(
                "found no known API key, expected `Authorization: Bearer KEY`, `X-API-Key: KEY`, or the key as password"
            )
        if not key.scopes.intersection(scopes):
            found = ", ".join(sorted(key.scopes)) or "nothing"
            raise KeyInsufficient(f"found a key for {found}, expected one for {' or '.join(scopes)}")
        bucket = self._buckets.get(key.name)
        wait_s = bucket.take(self._clock()) if bucket else 0.0
        if wait_s:
            most = f"{key.requests_per_s:g} requests/s"
            raise RateExceeded(f"found more than {most} with this key, expected at most that", math.ceil(wait_s))
        return key.name

    def _filled(self, keys: list[Key]) -> dict[str, _Bucket]:
        limited = (key for key in keys if math.isfinite(key.requests_per_s))
        return {key.name: _Bucket(key.requests_per_s, self._clock()) for key in limited}

    def _find(self, offered: str) -> Key | None:
        """Compare with every entry, whatever was found before: the time taken tells nothing."""
        sha256 = digest(offered)
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.sha256, sha256):
                found = key
        return found


def _read(path: Path) -> list[Key]:
    try:
        keys: list[Key] = parsed(lambda text: _checked(tomllib.loads(text)), read_text(path))
    except (OSError, ValueError) as error:
        raise SettingsInvalid(f"SMOKE_API_KEYS_FILE: {path}: {error}") from error
    if len({key.name for key in keys}) < len(keys):
        raise SettingsInvalid(f"SMOKE_API_KEYS_FILE: {path}: {_ENTRIES}")
    return keys


def _checked(raw: Mapping[str, Any]) -> list[Key]:
    """The entries of a decoded file. What is refused is named, but never shown where it may be a key."""
    try:
        return _File.model_validate(raw).key
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
    _, *entry = problem["loc"]
    if len(entry) < 2:
        raise ValueError(f"key: found no list of entries, {_ENTRIES}")
    number, field = int(entry[0]), str(entry[1])
    name = str(raw["key"][number].get("name", ""))[:64]
    if field == "name":
        raise ValueError(_no_name(name))
    if field not in _EXPECTED:
        raise ValueError(f"key {name}: found {[field]}, expected some of {sorted(_EXPECTED)}")
    found = "no sha256 of" if field == "sha256" else f"{field} {problem['input']!r}, expected"
    raise ValueError(f"key {name}: found {found} {_EXPECTED[field]}")


def _no_name(name: str) -> str:
    return f"found name {name!r}, expected {_EXPECTED['name']}"


def digest(key: str) -> str:
    """What the file holds of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def make(name: str, scopes: list[Scope]) -> tuple[str, str]:
    """A new key, and the entry for the file.

    Raises:
        SettingsInvalid: The file could not be read with such a name.
    """
    if not re.fullmatch(_NAME, name):
        raise SettingsInvalid(_no_name(name))
    key = secrets.token_urlsafe(32)
    listed = ", ".join(f'"{scope}"' for scope in scopes)
    return key, f'[[key]]\nname = "{name}"\nsha256 = "{digest(key)}"\nscopes = [{listed}]\n'
