"""The table from equations to code names what is there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = (ROOT / "training/README.md").read_text(encoding="utf-8")


def test_every_equation_names_code_that_is_there():
    named = re.findall(r"`((?:models|training)/[\w/]+\.py):(\w+)`", TABLE)
    assert len(named) > 12
    for path, name in named:
        body = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
        assert name in {node.name for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef)}, path


def test_the_tree_names_every_package():
    tree = TABLE.split("```")[1]
    packages = {path.parent.name for path in (ROOT / "training").glob("*/__init__.py")}
    assert packages == {line.split("/")[0] for line in tree.splitlines() if re.match(r"\w+/ ", line)}
