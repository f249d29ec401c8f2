"""The table of the graph's cost, from times that are known."""

from tests.performance.graph_speed import table


def test_a_graph_is_compared_with_the_bare_encoder_of_the_same_round():
    taken = {"bare": [10.0, 20.0, 40.0], "whole": [30.0, 40.0, 80.0]}
    assert table({1: taken, 2: {"bare": [10.0], "whole": [25.0]}}).splitlines() == [
        "| graph | 1 thread | 2 threads |",
        "| --- | --- | --- |",
        "| bare | 1.00 (20 ms) | 1.00 (10 ms) |",
        "| whole | 2.00 (40 ms) | 2.50 (25 ms) |",
    ]
