"""What Ray is told of the service, read from the deployment itself: no cluster is started."""

import pytest

pytest.importorskip("redis", reason="redis-py is not installed: pip install 'smoke-bvm[ray]'")
pytest.importorskip("ray.serve", reason="Ray Serve is not installed: pip install 'smoke-bvm[ray]'")

from pydantic import ValidationError

from service.cluster.deployment import ClusterOptions, build
from service.errors import SettingsInvalid, StartError


def deployed(**options):
    """The one deployment of the application."""
    return build(ClusterOptions(**options))._bound_deployment


def test_several_replicas_that_share_nothing_are_refused():
    with pytest.raises(SettingsInvalid, match="found 2 and no SMOKE_REDIS_URL"):
        build(ClusterOptions(max_replicas=2))


def test_replicas_are_added_by_the_requests_under_way_between_the_least_and_the_most(monkeypatch):
    monkeypatch.setenv("SMOKE_REDIS_URL", "redis://as-the-replicas-have-it")
    scaling = deployed(min_replicas=2, max_replicas=6, target_ongoing_requests=3)._deployment_config.autoscaling_config
    assert (scaling.min_replicas, scaling.initial_replicas, scaling.max_replicas) == (2, 2, 6)
    assert scaling.target_ongoing_requests == 3


def test_replicas_claim_a_share_of_a_gpu_and_so_many_cores():
    assert deployed(num_cpus=2, num_gpus=0.25).ray_actor_options == {"num_cpus": 2, "num_gpus": 0.25}
    with pytest.raises(ValidationError, match="num_gpus"):
        ClusterOptions(num_gpus=1.5)


def test_what_has_no_room_is_told_so_with_the_status_of_the_service():
    smoke = deployed(max_ongoing_requests=5, max_queued_requests=7)
    assert (smoke.max_ongoing_requests, smoke.max_queued_requests) == (5, 7)
    assert smoke.backpressure_config.model_dump() == {"status_code": 429, "retry_after_s": 1}


def test_a_replica_gets_as_long_to_finish_as_a_single_service(monkeypatch):
    monkeypatch.setenv("SMOKE_DRAIN_S", "7")
    assert deployed()._deployment_config.graceful_shutdown_timeout_s == 7


def test_a_release_that_is_none_is_refused_before_any_replica_hears_of_it(tmp_path, release):
    with pytest.raises(StartError, match="manifest"):
        build(ClusterOptions(model_dir=tmp_path))
    assert deployed(model_dir=release)._deployment_config.user_config == {"model_dir": str(release)}
