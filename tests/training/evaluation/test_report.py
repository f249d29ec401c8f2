"""The Markdown form: numbers as measured, dashes where there is nothing to measure."""

import json
from pathlib import Path

import pytest

from tests.training.evaluation.red_smoke import predictor, read_red, write_frame, write_manifest
from training.evaluation.evaluate import _without_nan, evaluate
from training.evaluation.report import headline, markdown
from training.metrics.calibration import Calibration


@pytest.fixture
def report(tmp_path: Path) -> dict:
    """Three cameras: a and b with smoke that is found, c with none and half of its frames an alarm; and the model is calibrated."""
    frames = [write_frame(tmp_path, f"{group}{number}", group) for group in "ab" for number in range(2)]
    frames += [write_frame(tmp_path, f"c{level}", "c", kind="clear", background=level) for level in (0, 200)]
    model = predictor(read_red, threshold=0.5)._replace(calibration=Calibration())
    found = evaluate(model, write_manifest(tmp_path, frames), "val").report
    return found | {"calibration": {"temperature": 1.5, "shift": -0.25}}


def cells(text: str, name: str) -> list[list[str]]:
    lines = (line for line in text.splitlines() if line.startswith(f"| {name} |"))
    return [[cell.strip() for cell in line.strip("|").split("|")][1:] for line in lines]


def test_a_row_holds_what_was_measured_with_counts(report):
    assert cells(markdown(report), "one threshold for all") == [
        ["0.500", "1.000", "1.000", "1.000", "1.000", "0.00000", "0.25000", "4 of 4", "4 of 4", "1 of 2"]
    ]


def test_what_cannot_be_measured_is_a_dash(report):
    text = markdown(report)
    assert cells(text, "c") == [["0.500", *["-"] * 8, "1 of 2"]]
    assert cells(text, "a")[0][-2:] == ["2 of 2", "-"]
    assert cells(text, "under 0.1 %") == [["0.500", *["-"] * 9]]


def test_rows_have_as_many_cells_as_the_header_of_their_table(report):
    for table in markdown(report).split("\n\n"):
        widths = {line.count("|") for line in table.splitlines() if line.startswith("|")}
        assert len(widths) <= 1, table


def test_the_headline_comes_first_and_fits_a_page(report):
    text = headline(report)
    assert markdown(report).startswith(text)
    assert text.startswith("# a fake on split `val`")
    assert len(text.splitlines()) < 30
    assert cells(text, "F-beta")[0][0].startswith("1.000 [1.000, 1.000]")
    assert cells(text, "smoke-free frames with an alarm")[0][0].startswith("1 of 2")


@pytest.mark.parametrize("form", ["temperature", "two temperatures and shift", "as shown"])
def test_the_headline_gives_the_error_of_the_form_that_the_model_has_even_where_another_does_better(report, form):
    table = report["calibration_table"]
    for name in ("temperature", "two temperatures and shift"):
        table[name]["nll"] = 0.02 if name == form else 0.01
    row = next(line for line in headline(report | {"calibrated_by": form}).splitlines() if "ECE, all pixels" in line)
    assert row.split("|")[3].strip() == (form if form == "as shown" else f"{form}, fitted on the other camera groups")
    assert f"{table[form]['ece']:.4f}" in row


def test_a_subset_is_named(report):
    report["subset"] = {"file": "difficult.txt", "frames": 100}
    assert "subset `difficult.txt` (100 frames)" in headline(report)


def test_the_interval_stands_below_its_row(report):
    lines = markdown(report).splitlines()
    (index,) = (index for index, line in enumerate(lines) if line.startswith("| one threshold for all |"))
    assert lines[index + 1].startswith("| 95 % interval | | [1.000, 1.000] |")


def test_a_report_reads_the_same_after_it_was_a_file(report, tmp_path):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(_without_nan(report)))
    assert markdown(json.loads(path.read_text())) == markdown(report)


def test_a_model_without_the_entropy_loss_stands_beside_the_other(report):
    report["beside"] = {"model": "plain", "split": "val", "calibration_table": report["calibration_table"]}
    text = markdown(report)
    assert cells(text, "with L_c: raw") == cells(text, "without L_c (plain): raw") != []
    assert len(cells(text, "without L_c (plain): temperature")) == 1


def test_no_gate_is_said_in_words_and_a_gate_with_its_weights(report):
    report["gate"]["gate"] = None
    text = markdown(report)
    assert "None is released: fitted on the other camera groups" in text
    assert "The service marks such a region" not in text
    assert cells(text, "a gate; none is released")
    assert not cells(text, "the gate")
    report["gate"]["gate"] = {"weights": {"epistemic": 12.5, "one_minus_probability": -0.5}, "limit": 1.25}
    assert "when +12.50 epistemic -0.50 1 - probability is at least 1.250. The service marks such a region" in markdown(
        report
    )


@pytest.mark.parametrize(
    ("interval", "answer"), [([0.1, 0.3], "yes"), ([-0.3, -0.1], "no"), ([-0.1, 0.3], "not shown")]
)
def test_the_claim_is_answered_by_its_interval(report, interval, answer):
    report["doubt"] |= {"epistemic_minus_confidence": 0.05, "epistemic_minus_confidence_interval": interval}
    assert f"at 0.500 {answer}: AUROC +0.05" in markdown(report)


def test_one_pass_against_sampling_is_a_table_where_it_was_measured(report):
    agreement = {
        "estimator": {"spearman": 0.9, "pearson": 0.8, "error_nats": 0.01},
        "trivial": {"spearman": 0.5, "pearson": 0.4, "error_nats": 0.2},
    }
    assert "samples" not in markdown(report)
    report["sampling_free"] = {
        "frames": 3,
        "samples": 50,
        "pixels": 1200,
        **dict.fromkeys(("total", "aleatoric", "epistemic"), agreement),
        "mean_absolute_difference": 0.001,
        "f_beta": {"deployed": 0.7, "sampled": 0.6, "deployed_mean": 0.65, "sampled_mean": 0.55},
        "energy_distance": {"deployed": 0.812, "sampled": 0.734},
        "seconds": {"deployed": 0.1, "sampled": 2.0, "ratio": 20.0},
        "nested": {
            "masks": 10,
            "latents": 5,
            "aleatoric": {"flat": 0.2, "nested": 0.201, "distance": 0.001},
            "epistemic": {"flat": 0.05, "nested": 0.049, "distance": 0.00125},
        },
    }
    text = markdown(report)
    assert "| epistemic | g_gamma | 0.900 | 0.800 | 0.0100 |" in text
    assert "one pass 0.812, samples 0.734" in text
    assert "| epistemic | trivial | 0.500 | 0.400 | 0.2000 |" in text
    assert "1,200 pixels" in text
    assert "One pass takes 100 ms, sampling 2000 ms: 20.0 times" in text
    assert "epistemic 0.0490 against 0.0500; mean distance 0.00125 nats" in text
    assert "Spearman 0.900" in headline(report)


def test_what_a_rate_costs_stands_in_a_table(report):
    # One smoke-free camera, half of its frames an alarm up to the level of its background, 200 / 255.
    text = markdown(report)
    assert "What a threshold does to 2 smoke-free frames of 1 camera groups" in text
    assert cells(text, "0.500") == [["50.0%", "99.9%", "100.0%"]]
    assert cells(text, "0.969") == [["0.0%", "95.0%", "100.0%"]]
