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
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from starlette.requests import Request

from service.errors import KeyInsufficient, KeyMissing, RateExceeded, SettingsInvalid

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_FIELDS: Final = frozenset({"name", "sha256", "scopes", "requests_per_s"})


class Scope(StrEnum):
    """What a key allows."""

    INFER = "infer"
    METRICS = "metrics"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of the file.

    Attributes:
        name: Whose it is, for the log.
        sha256: Of the key itself, in hexadecimal.
        scopes: What it allows.
        requests_per_s: How often, on average; twice as many may come at once.
    """

    name: str
    sha256: str
    scopes: frozenset[Scope]
    requests_per_s: float = math.inf

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Self:
        """From an entry of the file.

        Raises:
            ValueError: It says something unknown or impossible.
        """
        if unknown := entry.keys() - _FIELDS:
            raise ValueError(f"found {sorted(unknown)}, expected some of {sorted(_FIELDS)}")
        name, sha256 = str(entry.get("name", "")), str(entry.get("sha256", ""))
        _expect_name(name)
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"key {name}: found no sha256 of 64 hexadecimal digits")
        rate = float(entry.get("requests_per_s", math.inf))
        if not rate > 0:
            raise ValueError(f"key {name}: found requests_per_s {rate:g}, expected more than 0")
        return cls(name, sha256, frozenset(Scope(scope) for scope in entry.get("scopes", ())), rate)


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

    def allow(self, offered: str | None, scope: Scope) -> str:
        """Let a caller in; returns the key's name.

        Raises:
            KeyMissing: No key, or an unknown one.
            KeyInsufficient: Its scopes do not reach this far.
            RateExceeded: It was used too often.
        """
        key = self._find(offered or "")
        if key is None:
            raise KeyMissing("found no known API key, expected `Authorization: Bearer KEY` or `X-API-Key: KEY`")
        if scope not in key.scopes:
            raise KeyInsufficient(
                f"found a key for {', '.join(sorted(key.scopes)) or 'nothing'}, expected one for {scope}"
            )
        bucket = self._buckets.get(key.name)
        wait_s = bucket.take(self._clock()) if bucket else 0.0
        if wait_s:
            raise RateExceeded(f"found more than {key.requests_per_s:g} requests/s with this key", math.ceil(wait_s))
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
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("key", [])
        keys = [Key.of(entry) for entry in entries]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise SettingsInvalid(f"SMOKE_API_KEYS_FILE: {path}: {error}") from error
    if not keys or len({key.name for key in keys}) < len(keys):
        raise SettingsInvalid(f"SMOKE_API_KEYS_FILE: {path}: expected [[key]] entries, each with a name of its own")
    return keys


def _expect_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"found name {name!r}, expected at most 64 letters, digits, dots, hyphens and underscores")


def digest(key: str) -> str:
    """What the file holds of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def make(name: str, scopes: list[Scope]) -> tuple[str, str]:
    """A new key, and the entry for the file.

    Raises:
        SettingsInvalid: The file could not be read with such a name.
    """
    try:
        _expect_name(name)
    except ValueError as error:
        raise SettingsInvalid(str(error)) from error
    key = secrets.token_urlsafe(32)
    listed = ", ".join(f'"{scope}"' for scope in scopes)
    return key, f'[[key]]\nname = "{name}"\nsha256 = "{digest(key)}"\nscopes = [{listed}]\n'


def require_scope(scope: Scope) -> Callable[[Request], Awaitable[None]]:
    """A check for a route: without a file of keys everybody passes, else a key of this scope is needed.

    Raises:
        KeyMissing, KeyInsufficient, RateExceeded: See `ApiKeys.allow`; before the body is read.
    """

    async def check(request: Request) -> None:
        keys: ApiKeys | None = request.app.state.keys
        if keys is not None:
            request.state.key = keys.allow(_offered(request), scope)

    return check


def _offered(request: Request) -> str | None:
    kind, _, credentials = request.headers.get("authorization", "").partition(" ")
    return credentials.strip() if kind.lower() == "bearer" else request.headers.get("x-api-key")
