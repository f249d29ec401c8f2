"""The card says what was used and what was measured."""

from tests.training.conftest import tiny
from training.release.model_card import model_card

PARITY = {"probability": 3.2e-7, "total": 1e-6}


def test_the_card_counts_steps_and_views():
    card = model_card("smoke-tiny-0.1.0", tiny(), 0.3125, PARITY, {})
    # 18 steps of 4 views and 6 of 2; 12 steps of the estimator.
    assert "24 steps" in card
    assert "84 views" in card
    assert "then 12 steps for g_gamma" in card


def test_the_card_names_configuration_encoder_threshold_and_parity():
    card = model_card("smoke-tiny-0.1.0", tiny(), 0.3125, PARITY, {})
    assert card.startswith("# smoke-tiny-0.1.0\n")
    for words in (tiny().sha256(), "`test_efficientnet`", "0.312", "probability 3.2e-07, total 1.0e-06", "64 x 64"):
        assert words in card


def test_a_remark_stands_in_the_recipe():
    card = model_card("x-0.1.0", tiny(), 0.5, PARITY, {}, "Interrupted at step 7.")
    assert "Interrupted at step 7." in card[card.index("## Recipe") : card.index("## Measured")]


def test_a_card_without_an_evaluation_says_so():
    assert "Not evaluated" in model_card("x-0.1.0", tiny(), 0.5, PARITY, {})


def test_the_card_names_decoys_where_views_had_some():
    assert "Into 0.5 of the views pale things" in model_card("x-0.1.0", tiny("data.decoys=0.5"), 0.5, PARITY, {})
    assert "decoys" not in model_card("x-0.1.0", tiny("data.decoys=0"), 0.5, PARITY, {})


def test_the_card_says_when_the_estimator_learnt():
    beside = tiny("estimator.joint_every=8", "estimator.stages=[]")
    card = model_card("x-0.1.0", beside, 0.5, PARITY, {})
    assert "g_gamma beside it, one step in 8\n" in card
    assert "on the frozen" not in card


def test_the_card_of_an_estimator_that_learnt_alone_from_an_ensemble_says_so():
    alone = tiny(
        "generator.stages=[]", "initial=a.ckpt", "estimator.joint_every=8", 'estimator.members=["b.ckpt", "c.ckpt"]'
    )
    card = model_card("x-0.1.0", alone, 0.5, PARITY, {})
    assert "an ensemble of 3 networks" in card
    assert "Monte Carlo samples" not in card
    assert "one step in" not in card
