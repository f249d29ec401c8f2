"""Two servers share their cameras in Redis: one is killed, then Redis is."""

import pytest

pytest.importorskip("redis", reason="redis-py is not installed: pip install 'smoke-bvm[redis]'")

from tests.pictures import file_of, plume
from tests.redis_server import redis_server

PASSWORD = "no more than a test's"


def post(server, minute: int):
    query = f"outputs=&camera_id=ridge&captured_at=2026-05-01T12:{minute:02}:00Z"
    with server.client() as client:
        reply = client.post(f"/segment?{query}", content=file_of(plume()))
    assert reply.status_code == 200, reply.text
    return reply.json()["alarm"]


def test_an_alarm_outlives_the_server_that_raised_it_and_no_frame_waits_for_redis(start, tmp_path):
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    with redis_server(tmp_path, PASSWORD) as redis:
        shared = {"SMOKE_REDIS_URL": redis.url, "SMOKE_REDIS_PASSWORD_FILE": str(tmp_path / "password")}
        first, second = start(**shared), start(**shared)
        states = [post(server, minute) for minute, server in enumerate((first, second, first))]
        assert [alarm["state"] for alarm in states] == ["suspected", "suspected", "alarm"]
        assert post(second, 2)["arrival"] == "duplicate"
        first.process.kill()
        assert post(second, 3)["id"] == states[-1]["id"]
        redis.kill()
        alarm = post(second, 4)
        assert (alarm["state"], alarm["arrival"], alarm["id"]) == ("unknown", "unknown", None)
        with second.client() as client:
            assert client.post("/cameras/ridge/acknowledge?by=anna").status_code == 503
            assert 'smoke_camera_store_connected{store="redis"} 0.0' in client.get("/metrics").text
        assert second.stop() == 0
    assert any("Redis fails" in entry["message"] for entry in second.log)
