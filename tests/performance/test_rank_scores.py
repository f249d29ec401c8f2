"""The table of the ranking's score, from frames whose errors are known."""

from tests.performance.rank_scores import Seen, table


def test_a_score_that_follows_the_errors_has_them_first():
    seen = [
        Seen(1.0, 0.4, 0.16, False, 1.0),
        Seen(0.5, 0.3, 0.25, True, 1.0),
        Seen(0.25, 0.2, 0.25, True, 1.0),
        Seen(0.25, 0.1, 0.04, True, 1.0),
    ]
    seen += [Seen(0.0, 0.05, 0.01, True, 1.0)] * 5 + [Seen(0.0, 0.0, 0.0, True, 1.0)]
    lines = table(seen).splitlines()
    assert lines[3] == "| root of their share x mean (rank) | 0.94 | 100% | 1 of 1 |"
    assert (
        lines[-1]
        == "sure everywhere: 1 of 10 frames, 1 of them with smoke, more novel than the others with an AUROC of nan"
    )
