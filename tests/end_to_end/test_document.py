"""The OpenAPI document is true: generated requests, sensible and not, get answers that it announces, and no 5xx."""

import subprocess
import sys

import pytest

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# A deadline of a millisecond, which the document allows, is not always kept: the one 5xx that a caller can ask for.
CONFIGURATION = """[checks.not_a_server_error]
expected-statuses = ["2xx", "4xx", "504"]
"""


@pytest.mark.slow
def test_generated_requests_get_only_announced_answers(server, tmp_path):
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    document = f"{server.url}/openapi.json"
    # A stream that never ends is no answer to wait for; tests/end_to_end/test_events.py reads it.
    options = [
        "--exclude-path",
        "/events",
        "--checks",
        CHECKS,
        "--phases",
        "fuzzing",
        "--max-examples",
        "20",
        "--generation-deterministic",
    ]
    tested = subprocess.run(
        [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run", document, *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert tested.returncode == 0, tested.stdout[-4000:] + tested.stderr[-2000:]
