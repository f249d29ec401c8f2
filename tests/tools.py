"""System programs that some tests need: found, or the test is skipped with a reason; with SMOKE_TEST_REQUIRE_ALL=1 it fails."""

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import pytest

REQUIRE_ALL = os.environ.get("SMOKE_TEST_REQUIRE_ALL") == "1"
"""Read when imported: no SMOKE_* variable reaches a test."""


def program(name: str, package: str) -> str:
    """The path of a program, on the PATH or beside this interpreter."""
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        missing(f"no {name} here: it comes with {package}")
    return found


def missing(reason: str) -> NoReturn:
    """Skip the test, or the file that asks as it is imported, or let it fail where nothing may be missing."""
    if REQUIRE_ALL:
        pytest.fail(reason)
    pytest.skip(reason, allow_module_level=True)
