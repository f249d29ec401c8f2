"""How far apart two names are, so that a misspelt one can be told from another."""

from collections.abc import Iterable
from typing import NamedTuple


class Neighbour(NamedTuple):
    """A name, and by how many letters another differs from it."""

    name: str
    letters: int


def closest(word: str, names: Iterable[str]) -> Neighbour:
    """The name that a word is nearest to, whatever their case."""
    found = (Neighbour(name, distance(word.upper(), name.upper())) for name in names)
    return min(found, key=lambda neighbour: neighbour.letters)


def distance(one: str, other: str) -> int:
    """How many letters must be put in, left out or replaced to make one of the other (Levenshtein)."""
    row = list(range(len(other) + 1))
    for number, letter in enumerate(one, 1):
        diagonal, row[0] = row[0], number
        for column, wanted in enumerate(other, 1):
            diagonal, row[column] = (
                row[column],
                min(row[column] + 1, row[column - 1] + 1, diagonal + (letter != wanted)),
            )
    return row[-1]
