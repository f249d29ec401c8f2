"""The alarm of one camera, told frame by frame with a clock that the test owns."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.cameras.alarm import AlarmState, Arrival, CameraAlarm
from service.cameras.clock import Stamp
from service.cameras.evidence import AlarmPolicy, RegionObservation

HERE = (0.4, 0.4, 0.5, 0.5)
THERE = (0.8, 0.1, 0.9, 0.2)
POLICY = AlarmPolicy(frames=5, hits=3.0, window_s=900.0, hold=0.5, cooldown_s=600.0)
WARY = POLICY.model_copy(update={"doubted": 0.25})


def smoke(box=HERE, confidence=1.0, *, doubted=False) -> list[RegionObservation]:
    return [RegionObservation(box, confidence, doubted)]


def show(
    watch: CameraAlarm, *frames, policy: AlarmPolicy = POLICY, start_s: float = 60.0, every_s: float = 60.0
) -> list[AlarmState]:
    """One frame a minute, each a list of sightings; the states after each."""
    states = []
    for number, sightings in enumerate(frames):
        now_s = max(watch.newest_s, start_s - every_s) + every_s if number or watch.newest_s > 0 else start_s
        watch.observe(Stamp(now_s, now_s), sightings, policy)
        states.append(watch.state)
    return states


def test_smoke_that_stays_is_suspected_then_an_alarm_and_clears_when_it_is_gone():
    watch = CameraAlarm()
    assert show(watch, [], smoke(), smoke(), smoke()) == [
        AlarmState.CLEAR,
        AlarmState.SUSPECTED,
        AlarmState.SUSPECTED,
        AlarmState.ALARM,
    ]
    assert show(watch, [], [], [], []) == [AlarmState.ALARM, AlarmState.ALARM, AlarmState.ALARM, AlarmState.CLEAR]


def test_the_score_is_the_evidence_over_what_an_alarm_takes():
    watch = CameraAlarm()
    scores = []
    for sightings in (smoke(), smoke(confidence=0.25), [], smoke(doubted=True)):
        show(watch, sightings, policy=WARY)
        scores.append((watch.score, watch.frames))
    assert scores == [
        (1 / 3, 1),
        (pytest.approx(1.5 / 3), 2),
        (pytest.approx(1.5 / 3), 2),
        (pytest.approx(1.75 / 3), 3),
    ]


def test_two_of_the_last_frames_are_not_three():
    watch = CameraAlarm()
    states = show(watch, smoke(), smoke(), [], [], [], smoke(), smoke())
    assert AlarmState.ALARM not in states


def test_smoke_here_and_there_does_not_add_up():
    watch = CameraAlarm()
    states = show(watch, smoke(HERE), smoke(THERE), smoke(HERE), smoke(THERE))
    assert states == [AlarmState.SUSPECTED] * 4
    assert watch.frames == 2


def test_a_plume_that_leans_with_the_wind_is_still_at_its_place():
    leaning = [smoke((0.4 + shift, 0.4, 0.5 + shift, 0.5)) for shift in (0.0, 0.03, 0.06)]
    assert show(CameraAlarm(), *leaning)[-1] is AlarmState.ALARM


def test_an_alarm_lasts_on_half_of_what_raised_it_and_a_camera_without_one_does_not_get_it():
    watch = CameraAlarm()
    show(watch, smoke(), smoke(), smoke())
    assert show(watch, [], smoke(), [], smoke(), []) == [AlarmState.ALARM] * 5
    assert show(CameraAlarm(), smoke(), [], smoke(), [])[-1] is AlarmState.SUSPECTED


def test_smoke_that_the_gate_doubts_raises_an_alarm_as_any():
    states = show(CameraAlarm(), *[smoke(doubted=True)] * 3)
    assert states == [AlarmState.SUSPECTED, AlarmState.SUSPECTED, AlarmState.ALARM]


def test_smoke_that_stays_and_that_the_gate_doubts_waits_for_review_where_a_rule_says_so():
    watch = CameraAlarm()
    states = show(watch, *[smoke(doubted=True)] * 5, policy=WARY)
    assert states == [
        AlarmState.SUSPECTED,
        AlarmState.SUSPECTED,
        AlarmState.REVIEW,
        AlarmState.REVIEW,
        AlarmState.REVIEW,
    ]
    assert watch.score == pytest.approx(5 * 0.25 / 3)


def test_review_becomes_an_alarm_once_the_gate_lets_it_pass():
    watch = CameraAlarm()
    show(watch, *[smoke(doubted=True)] * 3, policy=WARY)
    assert show(watch, smoke(), smoke(), smoke(), policy=WARY)[-1] is AlarmState.ALARM


def test_one_alarm_is_raised_once_and_one_more_at_another_place():
    watch = CameraAlarm()
    both = smoke(HERE) + smoke(THERE)
    raised = [watch.observe(Stamp(t, t), s, POLICY).raised for t, s in enumerate([smoke()] * 4 + [both] * 4, 1)]
    assert raised == [False, False, True, False, False, False, True, False]


def test_after_an_alarm_its_place_cools_down_and_another_does_not():
    policy = AlarmPolicy(frames=5, hits=3.0, cooldown_s=600.0)
    watch = CameraAlarm()
    show(watch, *[smoke()] * 3, *[[]] * 4, policy=policy)
    assert watch.state is AlarmState.CLEAR
    assert show(watch, *[smoke()] * 5, policy=policy) == [AlarmState.SUSPECTED] * 5
    assert show(watch, *[smoke(THERE)] * 3, policy=policy)[-1] is AlarmState.ALARM


def test_when_the_cooldown_is_over_the_same_place_alarms_again():
    watch = CameraAlarm()
    show(watch, *[smoke()] * 3, *[[]] * 4)
    states = show(watch, *[smoke()] * 12)
    assert states.index(AlarmState.ALARM) == 9


def test_frames_older_than_the_window_do_not_count():
    watch = CameraAlarm()
    show(watch, smoke(), smoke(), [], every_s=300.0)
    assert show(watch, [], smoke(), every_s=300.0)[-1] is AlarmState.SUSPECTED
    assert watch.frames == 2


@pytest.mark.parametrize("every_s", [460.0, 600.0, 900.0, 1_800.0])
def test_a_camera_that_sends_rarely_alarms_after_as_many_frames_as_any_other(every_s):
    states = show(CameraAlarm(), *[smoke()] * 3, every_s=every_s)
    assert states == [AlarmState.SUSPECTED, AlarmState.SUSPECTED, AlarmState.ALARM]


def test_frames_that_are_more_than_an_hour_old_do_not_count_however_rarely_they_come():
    assert AlarmState.ALARM not in show(CameraAlarm(), *[smoke()] * 9, every_s=1_801.0)


def test_a_late_frame_changes_nothing():
    watch = CameraAlarm()
    show(watch, smoke(), smoke())
    before = (watch.state, watch.score, watch.newest_s)
    assert watch.observe(Stamp(90.0, 130.0), smoke(), POLICY).arrival is Arrival.LATE
    assert (watch.state, watch.score, watch.newest_s) == before


def test_the_same_instant_again_is_a_duplicate():
    watch = CameraAlarm()
    for _ in range(4):
        verdict = watch.observe(Stamp(60.0, 61.0), smoke(), POLICY)
    assert verdict.arrival is Arrival.DUPLICATE
    assert watch.frames == 1


def test_a_frame_from_the_future_does_not_blind_the_camera():
    watch = CameraAlarm()
    assert watch.observe(Stamp(1e9, 100.0), smoke(), POLICY).arrival is Arrival.AHEAD
    assert watch.observe(Stamp(100.0, 101.0), smoke(), POLICY).arrival is Arrival.COUNTED


def test_a_camera_whose_clock_is_set_back_is_believed_after_a_window_without_a_frame_that_counts():
    watch = CameraAlarm()
    watch.observe(Stamp(10_000.0, 10_000.0), smoke(), POLICY)
    assert watch.observe(Stamp(6_400.0, 10_060.0), smoke(), POLICY).arrival is Arrival.LATE
    assert watch.observe(Stamp(7_300.0, 10_901.0), smoke(), POLICY).arrival is Arrival.COUNTED
    assert watch.newest_s == 7_300.0


def test_without_its_own_time_a_frame_counts_as_taken_when_it_came():
    watch = CameraAlarm()
    verdicts = [watch.observe(Stamp(None, 60.0), smoke(), POLICY) for _ in range(3)]
    assert [verdict.arrival for verdict in verdicts] == [Arrival.COUNTED] * 3
    assert watch.state is AlarmState.ALARM


def test_a_restored_alarm_stays_until_the_window_is_full_and_does_not_rise_again():
    watch = CameraAlarm(AlarmState.ALARM, since_s=10.0, places=[HERE], restored=True)
    assert show(watch, [], [], [], []) == [AlarmState.ALARM] * 4
    assert watch.restored
    assert show(watch, []) == [AlarmState.CLEAR]
    assert not watch.restored


def test_a_restored_alarm_that_is_seen_again_is_confirmed_and_keeps_its_beginning():
    watch = CameraAlarm(AlarmState.ALARM, since_s=10.0, places=[HERE], restored=True)
    raised = [watch.observe(Stamp(t, t), smoke(), POLICY).raised for t in (60.0, 120.0, 180.0)]
    assert raised == [False, False, False]
    assert (watch.state, watch.since_s, watch.restored) == (AlarmState.ALARM, 10.0, False)


@given(st.lists(st.sampled_from([0.0, 0.55, 0.65, 0.75, 0.85, 0.95]), min_size=3, max_size=12))
def test_an_alarm_says_above_which_threshold_it_would_not_have_been_raised(probabilities):
    lasting = AlarmPolicy(frames=5, hits=3.0, hold=0.0, cooldown_s=0.0)

    def raised(threshold: float) -> CameraAlarm:
        watch = CameraAlarm()
        seen = [[RegionObservation(HERE, p, False, p)] if p >= threshold else [] for p in probabilities]
        show(watch, *seen, policy=lasting)
        return watch

    watch = raised(0.5)
    would = [threshold for threshold in set(probabilities) - {0.0} if raised(threshold).state is AlarmState.ALARM]
    assert watch.silent_above == max(would, default=0.0)


def test_another_alarm_says_it_anew():
    watch, weak = CameraAlarm(), [RegionObservation(HERE, 0.9, False, 0.6)]
    show(watch, *[[RegionObservation(HERE, 0.9, False, 0.9)]] * 4)
    assert watch.silent_above == 0.9
    show(watch, *[[]] * 4)
    assert (watch.state, watch.silent_above) == (AlarmState.CLEAR, 0.9)
    show(watch, *[[]] * 10, *[weak] * 3)
    assert (watch.state, watch.silent_above) == (AlarmState.ALARM, 0.6)


def test_a_state_says_since_when():
    watch = CameraAlarm()
    show(watch, [], smoke(), smoke(), smoke(), smoke())
    assert watch.since_s == 240.0
    assert math.isfinite(watch.newest_s)


SIGHTINGS = st.lists(
    st.builds(RegionObservation, st.sampled_from([HERE, THERE]), st.floats(0.0, 1.0), st.booleans()), max_size=3
)
FRAMES = st.lists(st.tuples(st.integers(0, 3_000), SIGHTINGS), max_size=40)


@given(FRAMES)
def test_whatever_comes_an_alarm_needs_its_evidence_and_frames_that_do_not_count_change_nothing(frames):
    watch, arrived_s = CameraAlarm(), 3_000.0
    for captured_s, sightings in frames:
        arrived_s += 1.0
        before = (watch.state, watch.since_s, watch.score, watch.frames, watch.newest_s)
        verdict = watch.observe(Stamp(float(captured_s), arrived_s), sightings, POLICY)
        if verdict.arrival is not Arrival.COUNTED:
            assert (watch.state, watch.since_s, watch.score, watch.frames, watch.newest_s) == before
            continue
        assert watch.frames <= POLICY.frames
        assert not verdict.raised or watch.score >= 1.0
        assert (watch.state is not AlarmState.ALARM) or watch.score >= POLICY.hold
        assert (watch.state is not AlarmState.CLEAR) or watch.score == 0.0 or not sightings
