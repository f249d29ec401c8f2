"""The batch of a step: a function of seed and step, of the sources and sizes that were asked for."""

import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from models.geometry import Box, fit
from training.commands.config_file import read_config
from training.config import Data, Source, Stage
from training.data.batches import Batch, Batches, _Source, unused_frames
from training.data.files import DataError
from training.data.folders import read_frames
from training.data.frames import Frame, load_image
from training.data.transmission import transmission

STAGES = (Stage(steps=5, batch=3, size_px=64), Stage(steps=2, batch=2, size_px=48, whole=True))


def views(mix: Mapping[Source, float], **others: float) -> Data:
    smoke = {"smoke_length": (0.3, 0.6), "transplant_size": (0.2, 0.4)}
    return Data.model_validate({"mix": mix, "squashed_px": (64, 96), "smoke_centred": 1.0, **smoke, **others})


def whole(batch: int, size_px: int = 64) -> tuple[Stage]:
    return (Stage(steps=1, batch=batch, size_px=size_px, whole=True),)


def batches(data: Path, mix: Mapping[Source, float], seed: int = 1, stages: tuple[Stage, ...] = STAGES) -> Batches:
    return Batches(read_frames(data, "train"), views(mix), stages, seed)


def equal(one: Batch, other: Batch) -> bool:
    return all(map(torch.equal, one[:4], other[:4])) and one.files == other.files


def test_a_batch_is_a_function_of_seed_and_step_alone(data):
    mix = {"real_smoke": 0.5, "rendered": 0.5}
    forwards = [batches(data, mix)[step] for step in range(7)]
    one = batches(data, mix)
    backwards = [one[step] for step in reversed(range(7))][::-1]
    assert all(map(equal, forwards, backwards))
    assert not equal(forwards[0], forwards[1])
    assert not equal(forwards[0], batches(data, mix, seed=2)[0])


def test_neither_torchs_nor_pythons_random_state_has_a_say(data):
    torch.manual_seed(1)
    first = batches(data, {"real_smoke": 1.0})[0]
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert equal(first, batches(data, {"real_smoke": 1.0})[0])
    assert torch.equal(state, torch.get_rng_state())


def test_the_parts_of_a_batch_are_the_batch(data):
    frames, shares = read_frames(data, "train"), views({"real_smoke": 0.5, "rendered": 0.5})
    stages = (Stage(steps=2, batch=6, size_px=48), Stage(steps=1, batch=12, size_px=48))
    whole, first, last = (
        Batches(frames, shares, stages, 1, parts, own) for parts, own in ((1, (0,)), (3, (0, 1)), (3, (2,)))
    )
    assert (len(whole), len(first), len(last)) == (3, 6, 3)
    for step in range(3):
        parts = first[2 * step], first[2 * step + 1], last[step]
        together = Batch(
            *(torch.cat(planes) for planes in list(zip(*parts, strict=True))[:4]),
            [file for part in parts for file in part.files],
        )
        assert equal(together, whole[step])


def test_stages_follow_each_other_with_their_own_sizes(data):
    drawn = batches(data, {"real_smoke": 1})
    assert len(drawn) == 7
    assert [tuple(drawn[step].image.shape) for step in (0, 4, 5, 6)] == [(3, 3, 64, 64)] * 2 + [(2, 3, 48, 48)] * 2
    assert drawn[0].mask.shape == (3, 1, 64, 64)
    assert drawn[0].image.dtype == torch.uint8
    assert drawn[0].mask.unique().tolist() == [0.0, 1.0]
    assert len(drawn[0].files) == 3
    with pytest.raises(IndexError, match="step beyond the last stage"):
        drawn[7]


@pytest.mark.parametrize("kind", ["real_smoke", "rendered", "transplanted"])
def test_smoke_has_a_mask(data, kind):
    drawn = batches(data, {kind: 1.0}, stages=whole(24))[0]
    assert (drawn.mask.sum((1, 2, 3)) > 0).float().mean() > 0.9


@pytest.mark.parametrize("kind", ["clear", "hard_negative"])
def test_smoke_free_frames_have_none(data, kind):
    assert not batches(data, {kind: 1.0})[0].mask.any()


def test_rendered_smoke_lies_on_smoke_free_frames(data):
    files = [Path(file).stem for file in batches(data, {"rendered": 1.0}, stages=whole(16))[0].files]
    assert {stem.rpartition("-")[2] for stem in files} == {"4", "5"}


def test_transplanted_smoke_lies_on_landscapes_with_and_without_smoke_of_their_own(data):
    drawn = batches(data, {"transplanted": 1.0}, stages=whole(40))[0]
    kinds = [Path(file).stem.rpartition("-")[2] for file in drawn.files]
    assert set(kinds) == {"0", "1", "2", "3", "4"}  # those with smoke of their own, and the clear one
    on_clear = torch.tensor([kind == "4" for kind in kinds])
    assert drawn.mask[on_clear].sum((1, 2, 3)).count_nonzero() >= 0.7 * on_clear.sum()


def test_sources_come_in_their_shares_whatever_these_sum_to(data):
    many = batches(data, {"real_smoke": 6, "clear": 2, "hard_negative": 0}, stages=whole(400, 16))[0]
    kinds = Counter(Path(file).stem.rpartition("-")[2] for file in many.files)
    assert kinds["5"] == 0
    assert 70 < kinds["4"] < 130


@pytest.mark.parametrize("source", ["real_smoke", "clear", "hard_negative", "synthetic", "rendered", "transplanted"])
def test_a_source_without_frames_is_refused_by_name(data, source):
    only = [
        frame
        for frame in read_frames(data, "train")
        if source == "synthetic" or frame.kind not in (source, *free(source))
    ]
    with pytest.raises(DataError, match=f"the configuration asks for .*{source}.* What goes with these: --set"):
        Batches(only, views({source: 1.0}), STAGES, 1)


def free(source: str) -> tuple[str, ...]:
    return {"rendered": ("clear", "hard_negative"), "transplanted": ("real_smoke", "clear")}.get(source, ())


def test_without_smoke_to_lift_there_is_none_to_transplant(data):
    smoke_free = [frame for frame in read_frames(data, "train") if frame.kind == "clear"]
    with pytest.raises(
        DataError, match="the configuration asks for 'transplanted smoke', that is for frames with smoke to lift"
    ):
        Batches(smoke_free, views({"transplanted": 1.0}), STAGES, 1)


@pytest.mark.parametrize(
    "kinds",
    [
        ("real_smoke",),
        ("clear",),
        ("hard_negative",),
        ("real_smoke", "hard_negative"),
        ("real_smoke_box", "clear"),
        ("real_smoke_box", "real_smoke_scribble", "hard_negative"),
        ("synthetic", "hard_negative"),
    ],
)
@pytest.mark.parametrize("preset", ["paper", "embedded"])
def test_a_refusal_for_want_of_frames_names_settings_that_go(preset, kinds):
    frames = [Frame(Path(f"{kind}.png"), None, kind, "cam") for kind in kinds]
    with pytest.raises(DataError) as refused:
        Batches(frames, read_config(Path(preset)).data, STAGES, 1)
    settings = [word for word in shlex.split(str(refused.value).partition("these: ")[2]) if word != "--set"]
    goes = read_config(Path(preset), settings).data
    Batches(frames, goes, STAGES, 1)
    weak = {"real_smoke_box", "real_smoke_scribble", "synthetic", "real_smoke"} & set(kinds)
    assert weak <= goes.mix.keys()


def test_frames_that_no_source_with_a_share_draws_from_are_told():
    kinds = ("real_smoke", "real_smoke_box", "real_smoke_box", "clear", "hard_negative", "synthetic")
    frames = [Frame(Path(f"{number}.png"), None, kind, "cam") for number, kind in enumerate(kinds)]
    assert unused_frames({"transplanted": 1.0, "synthetic": 0.0}, frames) == {
        "real_smoke_box": 2,
        "hard_negative": 1,
        "synthetic": 1,
    }
    assert unused_frames({"real_smoke": 1.0, "rendered": 0.1, "real_smoke_box": 0.1}, frames) == {"synthetic": 1}


def test_as_many_views_get_distractors_as_were_asked_for_and_no_mask_changes(data):
    frames, stages = read_frames(data, "train"), whole(200)
    calm, some, all_ = (
        Batches(frames, views({"real_smoke": 1.0}, strength=0.0, decoys=share), stages, seed=3)[0]
        for share in (0.0, 0.4, 1.0)
    )
    changed = [(one.image != calm.image).flatten(1).any(1) for one in (some, all_)]
    assert changed[1].float().mean() > 0.3
    assert int(changed[0].sum()) == pytest.approx(0.4 * int(changed[1].sum()), rel=0.3)
    for one in (some, all_):
        assert one.files == calm.files
        assert torch.equal(one.mask, calm.mask)
        assert torch.equal(one.image * one.mask, calm.image * calm.mask)


def test_distractors_without_landscapes_to_take_them_from_are_refused(data):
    skies = [frame for frame in read_frames(data, "train") if frame.kind == "hard_negative"]
    with pytest.raises(DataError, match="'decoys', that is for landscapes to take pale things from"):
        Batches(skies, views({"hard_negative": 1.0}, decoys=0.1), STAGES, 1)


def test_a_source_without_a_share_needs_no_frames(data):
    assert len(batches(data, {"real_smoke": 1.0, "synthetic": 0.0})) == 7


def test_a_camera_is_drawn_with_the_root_of_its_number_of_frames(data):
    frame = next(frame for frame in read_frames(data, "train") if frame.kind == "clear")
    frames = [Frame(frame.image, None, "clear", "many")] * 90
    rare = Frame(next(data.glob("img/cam-b-4.png")), None, "clear", "few")
    drawn = Batches([*frames, *[rare] * 10], views({"clear": 1.0}), whole(600, 16), 3)[0]
    share = sum(file == str(rare.image) for file in drawn.files) / 600
    # sqrt(10) / (sqrt(10) + sqrt(90)) = 1/4, and not 1/10.
    assert share == pytest.approx(0.25, abs=0.06)


def test_a_frame_of_weight_three_is_drawn_three_times_as_often(data):
    frame = next(frame for frame in read_frames(data, "train") if frame.kind == "clear")
    heavy = Frame(next(data.glob("img/cam-b-4.png")), None, "clear", "two", weight=3.0)
    drawn = Batches([frame, heavy], views({"clear": 1.0}), whole(600, 16), 3)[0]
    assert sum(file == str(heavy.image) for file in drawn.files) / 600 == pytest.approx(0.75, abs=0.06)


def test_the_transmission_is_that_of_the_frame_before_its_light_changed(data):
    frames, stages = read_frames(data, "train"), whole(6)
    calm = Batches(frames, views({"real_smoke": 1.0}, strength=0.0), stages, seed=3)[0]
    lit = Batches(frames, views({"real_smoke": 1.0}), stages, seed=3)[0]
    assert not torch.equal(calm.image, lit.image)
    assert torch.equal(calm.transmission, lit.transmission)
    for image, found in zip(calm.image, calm.transmission, strict=True):
        # Frames and views are 64 px wide here, so that nothing is resampled between the two.
        expected = transmission(image.permute(1, 2, 0).contiguous().numpy())
        assert np.abs(found[0].numpy() - expected).mean() < 0.05


def test_a_view_with_boxes_is_whole_smoke_free_by_its_mask_and_unknown_in_and_near_them(data):
    frame = replace(read_frames(data, "train")[0], mask=None, kind="real_smoke_box", boxes=(Box(32, 24, 32, 24),))
    drawn = Batches([frame], views({"real_smoke_box": 1.0}), (Stage(steps=1, batch=8, size_px=48),), 1)[0]
    assert not drawn.mask.any()
    for known in drawn.known[:, 0]:
        # A third of the width and of the height, and a quarter of that on either side, at any flip.
        assert 0.45 < (known == 0).any(0).float().mean() < 0.6
        assert 0.45 < (known == 0).any(1).float().mean() < 0.6
        assert known[0].all()
        assert known[-1].all()


@pytest.mark.parametrize(("close_ups", "least", "most"), [(0.0, 1.0, 1.0), (0.5, 0.2, 0.8), (1.0, 0.0, 0.0)])
def test_so_many_of_the_whole_frames_are_close_ups_and_none_of_those_with_boxes(data, close_ups, least, most):
    stages = (Stage(steps=1, batch=24, size_px=64, whole=True, close_ups=close_ups),)
    plain = {"strength": 0.0, "decoys": 0.0}
    frames = read_frames(data, "train")
    smoke = [frame for frame in frames if frame.kind == "real_smoke"]
    boxed = [replace(frame, mask=None, kind="real_smoke_box", boxes=(Box(0, 0, 9, 9),)) for frame in smoke]
    fitted = [fit(load_image(frame.image), 64) for frame in frames]

    def share_whole(source: Source, of: list[Frame]) -> float:
        drawn = Batches(of, views({source: 1.0}, **plain), stages, 1)[0].image.permute(0, 2, 3, 1).numpy()
        either = [(image, image[:, ::-1]) for image in fitted]
        return float(np.mean([any(np.array_equal(view, one) for pair in either for one in pair) for view in drawn]))

    assert least <= share_whole("real_smoke", frames) <= most
    assert share_whole("real_smoke_box", boxed) == 1.0


def test_a_stage_of_crops_has_no_close_ups():
    with pytest.raises(ValidationError, match="close_ups need whole frames"):
        Stage(steps=1, batch=2, size_px=64, close_ups=0.5)


def test_all_is_known_where_there_is_a_mask(data):
    assert batches(data, {"real_smoke": 1.0})[0].known.all()


@pytest.mark.parametrize(("balance", "share"), [(0.0, 0.8), (0.5, 2 / 3), (1.0, 0.5)])
def test_a_group_is_drawn_as_often_as_the_balance_says(data, balance, share):
    few, *_ = read_frames(data, "train")
    many = [replace(few, group="many") for _ in range(4)]
    frames, drawn = [replace(few, group="few"), *many], Counter()
    source, rng = _Source(frames, balance), np.random.default_rng(1)
    drawn.update(source.draw(rng).group for _ in range(2000))
    assert drawn["many"] / 2000 == pytest.approx(share, abs=0.04)
