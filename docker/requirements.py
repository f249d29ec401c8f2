"""Print what an extra of the project needs, without the project itself, so that an image can install it in a layer of its own."""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def requirements(project: dict[str, Any], extra: str) -> Iterator[str]:
    """The project's own dependencies, then those of the extra; `smoke-bvm[other]` in it stands for those of that extra.

    Raises:
        KeyError: The project has no such extra.
    """
    yield from project["dependencies"]
    yield from _of_extra(project, extra)


def _of_extra(project: dict[str, Any], extra: str) -> Iterator[str]:
    for requirement in project["optional-dependencies"][extra]:
        inner = re.fullmatch(rf"{re.escape(project['name'])}\[([\w,-]+)\]", requirement)
        if inner is None:
            yield requirement
        else:
            for name in inner[1].split(","):
                yield from _of_extra(project, name)


def main(file: str, extra: str) -> None:
    """One requirement a line."""
    project = tomllib.loads(Path(file).read_text(encoding="utf-8"))["project"]
    print(*requirements(project, extra), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
