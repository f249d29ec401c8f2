"""A Dockerfile's instructions, as far as the tests need them."""

import shlex
from pathlib import Path
from typing import NamedTuple


class Instruction(NamedTuple):
    """As `COPY --from=build /a /b`: its word, and what follows it."""

    word: str
    rest: str

    @property
    def sources(self) -> list[str]:
        """What a COPY takes from the build context; nothing, if it takes from another stage."""
        words = shlex.split(self.rest)
        if any(word.startswith("--from") for word in words):
            return []
        return [word for word in words[:-1] if not word.startswith("--")]


def stages(path: Path) -> list[list[Instruction]]:
    """Instructions by stage; each stage opens with its FROM."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    found: list[list[Instruction]] = []
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            found.append([])
        if word:
            found[-1].append(Instruction(word, " ".join(rest.split())))
    return found
