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
