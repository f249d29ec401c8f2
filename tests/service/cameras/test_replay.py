"""Recordings whose outcome can be counted by hand."""

from service.cameras.alarm import AlarmState
from service.cameras.evidence import AlarmPolicy, RegionObservation
from service.cameras.replay import ReplayFrame, add_up, compare, replay, watch

FIRE = (0.4, 0.4, 0.5, 0.5)
CLOUD = (0.8, 0.1, 0.9, 0.2)
POLICY = AlarmPolicy(frames=5, hits=3.0)


def seen(*boxes, truth=(), doubted=False) -> ReplayFrame:
    return ReplayFrame(tuple(RegionObservation(box, 0.9, doubted) for box in boxes), bool(truth), tuple(truth))


def test_the_time_to_detection_runs_from_the_first_smoke_to_the_first_true_alarm():
    frames = [seen()] * 4 + [seen(truth=[FIRE])] * 2 + [seen(FIRE, truth=[FIRE])] * 4
    outcome = replay(frames, 60.0, POLICY)
    assert (outcome.alarms, outcome.false_alarms, outcome.detected_s) == (1, 0, 4 * 60.0)
    assert outcome.hours == 10 / 60


def test_an_alarm_where_nobody_saw_smoke_is_false_and_detects_nothing():
    frames = [seen(CLOUD)] * 5 + [seen(CLOUD, truth=[FIRE])] * 3
    outcome = replay(frames, 60.0, POLICY)
    assert (outcome.alarms, outcome.false_alarms, outcome.detected_s) == (1, 1, None)
    assert outcome.smoke


def test_a_fire_is_found_although_a_false_alarm_lasts_elsewhere():
    frames = [seen(CLOUD)] * 5 + [seen(CLOUD, FIRE, truth=[FIRE])] * 3
    outcome = replay(frames, 60.0, POLICY)
    assert (outcome.alarms, outcome.false_alarms, outcome.detected_s) == (2, 1, 2 * 60.0)


def test_an_alarm_on_frames_with_smoke_that_nobody_drew_a_box_around_is_true():
    labelled = ReplayFrame((RegionObservation(FIRE, 0.9, doubted=False),), smoke=True)
    outcome = replay([seen()] * 2 + [labelled] * 5, 60.0, POLICY)
    assert (outcome.alarms, outcome.false_alarms, outcome.detected_s) == (1, 0, 2 * 60.0)
    boxed = replay([seen()] * 2 + [seen(CLOUD, truth=[FIRE])] * 5, 60.0, POLICY)
    assert (boxed.alarms, boxed.false_alarms, boxed.detected_s) == (1, 1, None)


def test_a_frame_that_could_not_be_read_takes_its_time_and_changes_nothing():
    frames = [seen(), None, seen(FIRE, truth=[FIRE]), None, seen(FIRE, truth=[FIRE]), seen(FIRE, truth=[FIRE])]
    outcome = replay(frames, 60.0, POLICY)
    assert (outcome.frames, outcome.hours, outcome.alarms, outcome.false_alarms) == (4, 6 / 60, 1, 0)
    assert outcome.detected_s == 3 * 60.0
    assert [step.number for step in watch(frames, 60.0, POLICY)] == [0, 2, 4, 5]


def test_a_step_says_when_an_alarm_came_and_whether_it_was_right():
    unlabelled = ReplayFrame((RegionObservation(FIRE, 0.9, doubted=False),))
    for frame, right in ((seen(FIRE, truth=[FIRE]), True), (seen(FIRE), False), (unlabelled, None)):
        (raised,) = (step for step in watch([frame] * 5, 60.0, POLICY) if step.raised)
        assert (raised.number, raised.state, raised.score, raised.right) == (2, AlarmState.ALARM, 1.0, right)


def test_without_labels_nothing_is_called_false():
    assert replay([ReplayFrame((RegionObservation(FIRE, 0.9, doubted=False),))] * 5, 60.0, POLICY).false_alarms is None


def test_a_policy_that_is_wary_of_doubt_turns_alarms_into_reviews_and_the_plain_count_adds_up_what_is_apart():
    doubted = [seen(CLOUD, doubted=True)] * 7
    wandering = [seen(FIRE), seen(CLOUD), seen(FIRE), seen(CLOUD), seen(FIRE)]
    wary = AlarmPolicy(frames=5, hits=3.0, window_s=86_400.0, doubted=0.25)
    totals = compare([doubted, wandering], 1800.0, wary)
    found = {name: (total.alarms, total.false_alarms_per_hour, total.reviews) for name, total in totals.items()}
    # Twelve frames, six hours; three of the last five at one place raise an alarm on the fifth.
    assert found["alarm"] == (1, 1 / 6, 1)
    assert found["plain k of n"] == (2, 2 / 6, 0)
    apart = compare([[seen(FIRE), seen(CLOUD), seen((0.1, 0.8, 0.2, 0.9)), seen()]], 60.0, POLICY)
    assert (apart["alarm"].alarms, apart["plain k of n"].alarms) == (0, 1)


def test_a_line_adds_up_several_cameras():
    fire = replay([seen(FIRE, truth=[FIRE])] * 4, 900.0, POLICY)
    calm = replay([seen()] * 8, 900.0, POLICY)
    total = add_up([fire, calm])
    assert (total.cameras, total.frames, total.hours) == (2, 12, 3.0)
    assert (total.fires, total.detected, total.median_detection_s) == (1, 1, 1_800.0)
    assert add_up([]).false_alarms_per_hour is None


def test_a_line_speaks_of_camera_days_and_minutes():
    fire = replay([seen()] + [seen(FIRE, truth=[FIRE])] * 4, 900.0, AlarmPolicy(frames=5, hits=3.0, window_s=86_400))
    cloud = replay([seen(CLOUD)] * 19, 900.0, AlarmPolicy(frames=5, hits=3.0, window_s=86_400))
    total = add_up([fire, cloud])
    # Six camera-hours are a quarter of a camera-day: two alarms there are eight a day, one of two is false.
    assert (total.hours, total.alarms, total.false_alarms) == (6.0, 2, 1)
    assert (total.alarms_per_camera_day, total.false_alarms_per_camera_day) == (8.0, 4.0)
    assert total.median_detection_minutes == 30.0
    unlabelled = replay([ReplayFrame((RegionObservation(FIRE, 0.9, doubted=False),))] * 5, 60.0, POLICY)
    assert add_up([unlabelled]).alarms_per_camera_day == 1 / (5 / 60 / 24)
    assert add_up([unlabelled]).false_alarms_per_camera_day is None
    assert add_up([]).alarms_per_camera_day is None
