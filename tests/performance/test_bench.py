"""The bench's own code on tiny settings: the service on the closed-form release, loops, tables and plots; no peers."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.performance.bench import __main__ as command
from tests.performance.bench import systems
from tests.performance.bench.load import Load, check_same, load
from tests.performance.bench.plan import Plan, Scene
from tests.performance.bench.results import Ground, Ratio, Results
from tests.performance.bench.roofline import ROOFLINE, Loop, Pace, measure, table
from tests.performance.bench.systems import OURS, PEERS, Running
from tests.performance.bench.tables import ground_table, systems_table
from tests.pictures import array_of
from tests.tools import program

TINY = Plan(
    scenes=(Scene(64, 48, "frame", 2),),
    rounds=1,
    seconds=2,
    choose_s=1,
    loop_s=0.1,
    folder_frames=2,
)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_tiny_run_measures_the_service_and_writes_tables_plots_and_numbers(release, tmp_path, monkeypatch):
    program("wrk", "wrk")
    monkeypatch.setattr(systems, "PEERS_PYTHON", tmp_path / "none")
    results = command.bench(TINY, release, (), tmp_path)
    (load,) = results.loads[TINY.scenes[0], OURS]
    assert load.per_s > 0
    assert (load.refused, load.broken) == (0, 0)
    assert 0 < load.p50_ms <= load.p99_ms
    assert 0 < load.generator_share < 1
    assert load.memory_mib > 10
    assert results.grounds["64x48", "frame"].one_thread.roofline_per_s > 0
    command.write(results, "a machine\n", tmp_path / "out")
    assert (tmp_path / "out/bench.md").read_text().startswith("a machine\n\n| frame, maps | clients | system |")
    assert len(json.loads((tmp_path / "out/bench.json").read_text())["loads"]) == 1
    assert array_of((tmp_path / "out/bench.png").read_bytes()).shape == (800, 1200, 4)


@pytest.mark.skipif(sys.platform != "linux", reason="what a process does is read from /proc")
def test_a_system_is_left_once_it_is_done_with_the_frames_of_callers_who_hung_up(tmp_path):
    told = '{"answers": 1, "seconds": 1.0, "refused": 0, "broken": 0, "p50_s": 0.1, "p99_s": 0.1}'
    generator = tmp_path / "generator"
    generator.write_text(f"#!/bin/sh\necho '{told}'\n")
    generator.chmod(0o755)
    done = tmp_path / "done"
    work = f"import time, pathlib\nwhile time.process_time() < 1: pass\npathlib.Path({str(done)!r}).touch()\ntime.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", work]) as system:
        try:
            load(Running("http://127.0.0.1/segment", system.pid), tmp_path / "frame.jpg", 1, 1, str(generator))
            assert done.exists()
        finally:
            system.kill()


def a_load(per_s: float, p99_ms: float = 100.0) -> Load:
    return Load(per_s, 50.0, p99_ms, 1, 0, 0.01, 300.0)


def a_run() -> tuple[Scene, Results]:
    scene = Scene(1280, 720, "model", 1)
    results = Results()
    for own, other in ((12.0, 10.0), (9.0, 10.0), (15.0, 10.0)):
        results.add(scene, OURS, a_load(own))
        results.add(scene, "other", a_load(other, 200.0))
    one, all_ = Loop(100.0, {"decode": 0.02, "inference": 0.07, "encode": 0.01}), Loop(40.0, {})
    results.grounds["1280x720", "model"] = Ground(one, all_, 9.0)
    return scene, results


def test_ratios_are_of_the_same_round_and_told_with_their_spread(monkeypatch):
    monkeypatch.setattr("tests.performance.bench.roofline.cores", lambda: 2)
    scene, results = a_run()
    assert results.ratio(scene, "other", "per_s") == Ratio(1.2, 0.9, 1.5)
    own, other = systems_table(results).splitlines()[2:]
    assert own == (
        "| 1280x720, model | 1 | smoke-bvm | 12.0 | 0.60 | 50 ms (1.25 x the loop) | 100 ms | - | - | 3, 0 | 300 MiB | 1.0% |"
    )
    assert "| 1.20 (0.90 to 1.50) | 0.50 (0.50 to 0.50) |" in other


def test_the_roofline_is_what_the_steps_alone_would_let_all_cores_do(monkeypatch):
    monkeypatch.setattr("tests.performance.bench.roofline.cores", lambda: 2)
    _, results = a_run()
    assert ground_table(results).splitlines()[2] == (
        "| 1280x720, model | 20.0 ms | 70.0 ms | 10.0 ms | 20.0 frames/s | 40 ms | 9.0 frames/s, 0.45 of it |"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="CPU time of other processes is read from /proc")
def test_loop_service_and_folder_are_measured_in_turn(release, tmp_path, monkeypatch):
    monkeypatch.setattr(systems, "PEERS_PYTHON", tmp_path / "none")
    found = measure(release, "model", rounds=1, seconds=0.2, clients=2)
    assert list(found) == [ROOFLINE, "loops on every core", "served to 2 clients", "smoke-bvm segment"]
    assert all(len(paces) == 1 for paces in found.values())
    *others, _ = found.values()  # Of the folder a start is taken off, which may take longer than so few frames.
    assert all(pace.per_s > 0 and pace.cpu_s > 0 for (pace,) in others)


def test_shares_of_the_roofline_are_of_the_same_round():
    found = {ROOFLINE: [Pace(20.0, 0.1), Pace(10.0, 0.2)], "served": [Pace(18.0, 0.2), Pace(8.0, 0.2)]}
    assert table(found).splitlines()[-1] == "| served | 13.0 | 0.85 (0.80 to 0.90) | 200.0 ms | 0.75 (0.50 to 1.00) |"


def test_a_system_that_does_other_work_is_no_peer():
    ours = {"mask": np.zeros((4, 4), np.uint8), "total": np.full((4, 4), 9, np.uint8)}
    check_same(ours, ours | {"total": np.full((4, 4), 10, np.uint8)}, "near")
    with pytest.raises(RuntimeError, match=r"far: found total 21.0 levels from ours, expected at most 2"):
        check_same(ours, ours | {"total": np.full((4, 4), 30, np.uint8)}, "far")
    with pytest.raises(RuntimeError, match=r"less: found maps {'mask': \(4, 4\)}, expected {'mask'"):
        check_same(ours, {"mask": ours["mask"]}, "less")


def test_every_peer_has_its_program_and_its_library():
    folder = Path(systems.__file__).parent / "peers"
    wanted = (folder / "requirements.txt").read_text()
    for name, command_line in PEERS.items():
        file = folder / f"{command_line[-1].partition(':')[0].removesuffix('.py')}.py"
        assert file.is_file()
        assert f"{name.lower()}>=" in wanted
