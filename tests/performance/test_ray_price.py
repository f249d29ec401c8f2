"""The table of what Ray costs: medians of each system, and ratios within a round."""

from tests.performance.ray_price import Round, table


def test_a_slow_round_falls_on_both_and_leaves_the_ratio_as_it_is():
    alone = [Round(10.0, 100.0, 200.0, 20.0), Round(20.0, 200.0, 400.0, 10.0), Round(10.0, 100.0, 200.0, 20.0)]
    on_ray = [Round(15.0, 150.0, 200.0, 10.0), Round(30.0, 300.0, 400.0, 5.0), Round(25.0, 150.0, 200.0, 10.0)]
    lines = table(alone, on_ray).splitlines()
    assert lines[2:] == [
        "| one process, two threads | 10.0 ms | 100 ms | 200 ms | 20.0 |",
        "| two replicas on Ray | 25.0 ms | 150 ms | 200 ms | 10.0 |",
        "| ratio | 1.50 (1.50 to 2.50) | 1.50 (1.50 to 1.50) | 1.00 (1.00 to 1.00) | 0.50 (0.50 to 0.50) |",
    ]
