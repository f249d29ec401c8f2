"""The table of precisions says what was measured."""

from tests.performance.bench.load import Load
from tests.performance.bench.precisions import table


def load(per_s: float) -> Load:
    return Load(per_s, 1e3 / per_s, 2e3 / per_s, 0, 0, 0.01, 200.0)


def test_a_row_has_medians_and_the_spread_of_both():
    found = {(1, "fp32"): [load(10), load(20), load(16)], (1, "int8"): [load(25)]}
    assert table(found).splitlines()[2] == (
        "| 1 | 16.0 frames/s (10.0 to 20.0); p50 62, p99 125 ms | 25.0 frames/s (25.0 to 25.0); p50 40, p99 80 ms |"
    )
