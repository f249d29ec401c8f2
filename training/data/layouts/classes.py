"""Which of the classes that an annotation names is smoke."""

from collections.abc import Iterable

from training.data.files import DataError


def is_smoke(name: str) -> bool:
    """Whether the word smoke is in it, whatever its case."""
    return "smoke" in name.lower()


def smoke_classes(names: Iterable[str], where: object) -> set[str]:
    """Those that say smoke; where there is but one class, that one.

    Raises:
        DataError: There are several, and none says smoke.
    """
    known = set(names)
    chosen = {name for name in known if is_smoke(name)} or (known if len(known) == 1 else set())
    if known and not chosen:
        raise DataError(
            f"{where}: found the classes {', '.join(sorted(known))}; expected one with smoke in its name, or only one"
        )
    return chosen
