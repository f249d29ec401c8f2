"""A configuration as a command is told it: a TOML file or a preset of `training/configs`, and values that replace those in it."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.config import Config, ConfigError, parse_config

_PRESETS = Path(__file__).parent.parent / "configs"


def read_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read a TOML file and apply overrides such as `generator.optimiser.learning_rate=1e-4`.

    A preset is known by its name and as `training/configs/<name>.toml`, from anywhere; a file that is there comes first.

    Raises:
        ConfigError: No such file, no TOML, an unknown key or an impossible value.
    """
    source = path if path.is_file() else _preset(path)
    try:
        raw = tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: not readable as TOML: {error}") from error
    for override in overrides:
        _apply(raw, override)
    return parse_config(raw, str(source))


def _preset(path: Path) -> Path:
    """The file of the preset that is named. Raises ConfigError where none is: what is only like its name is not meant."""
    preset = _PRESETS / f"{path.stem}.toml"
    named = str(path) == path.stem or path.parent.parts[-2:] == _PRESETS.parts[-2:]
    if not (named and preset.is_file()):
        raise ConfigError(f"{path}: no such file, nor a preset of that name in {_PRESETS}")
    return preset


def _apply(raw: dict[str, Any], override: str) -> None:
    """Set one `section.key=value` in place; the value is TOML, or text where it is no TOML."""
    key, equals, text = override.partition("=")
    if not equals or not all(part.strip() for part in key.split(".")):
        raise ConfigError(f"override {override!r}: expected section.key=value")
    *sections, last = key.strip().split(".")
    target = raw
    for section in sections:
        target = target.setdefault(section, {})
        if not isinstance(target, dict):
            raise ConfigError(f"override {override!r}: {section!r} is a value, not a section")
    target[last] = _value(text.strip())


def _value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
