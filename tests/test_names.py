"""One word, one thing: among what can be imported together, no public name is defined in two files."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SIDES = [("training", "models"), ("service", "models")]
ALLOWED = {
    "router": "each file of routes has one, as FastAPI has it",
}
"""Names that may be defined in several files, each with the reason."""


def public_names(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found = [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
        else:
            found = []
        yield from (name for name in found if not name.startswith("_"))


def defined_twice(root: Path, packages: tuple[str, ...]) -> dict[str, list[str]]:
    places: dict[str, list[str]] = defaultdict(list)
    for path in (path for package in packages for path in sorted((root / package).rglob("*.py"))):
        for name in set(public_names(path)):
            places[name].append(str(path.relative_to(root)))
    return {name: files for name, files in places.items() if len(files) > 1}


@pytest.mark.parametrize("packages", SIDES, ids="+".join)
def test_no_public_name_is_defined_twice(packages: tuple[str, ...]):
    assert {name: files for name, files in defined_twice(ROOT, packages).items() if name not in ALLOWED} == {}


def test_every_exception_is_still_needed():
    needed = {name for packages in SIDES for name in defined_twice(ROOT, packages)}
    assert ALLOWED.keys() - needed == set()


def test_a_name_that_two_files_define_is_seen(tmp_path: Path):
    for package, text in {
        "one": "A, B = 1, 2\ndef _own(): ...\n",
        "two": "class B: ...\nC: int = 3\n_own = 4\n",
    }.items():
        (tmp_path / package).mkdir()
        (tmp_path / package / "part.py").write_text(text)
    assert defined_twice(tmp_path, ("one", "two")) == {"B": ["one/part.py", "two/part.py"]}
