"""A real Mosquitto on the loopback, and what it holds."""

import asyncio
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import aiomqtt

MOSQUITTO = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")

PATIENCE_S = 60.0
CONFIG = "homeassistant/binary_sensor/smoke_ridge/config"
STATE = "smoke/camera/ridge/state"
AVAILABILITY = "smoke/camera/ridge/availability"


class Mosquitto:
    """A broker process on a port of its own; a password where one is given."""

    def __init__(self, folder: Path, port: int, password: str | None = None, *more: str) -> None:
        lines = [f"listener {port} 127.0.0.1", "persistence false", *more]
        lines += (
            ["allow_anonymous true"] if password is None else ["allow_anonymous false", f"password_file {folder}/users"]
        )
        if password is not None:
            (folder / "users").touch(mode=0o600)
            subprocess.run(["mosquitto_passwd", "-b", str(folder / "users"), "smoke", password], check=True)
        # Started by root it would become the user mosquitto, who may not read the test's folder.
        (folder / "mosquitto.conf").write_text("\n".join([*lines, "user root"]) + "\n")
        assert MOSQUITTO, "mosquitto is required"
        self.port = port
        command = [MOSQUITTO, "-c", str(folder / "mosquitto.conf")]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._await_port()

    def _await_port(self) -> None:
        for _ in range(1200):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("mosquitto did not start")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


async def retained(port: int, wanted: Callable[[dict[str, bytes]], bool]) -> dict[str, bytes]:
    """What a subscriber is told until it has heard what is wanted."""
    found: dict[str, bytes] = {}
    async with aiomqtt.Client("127.0.0.1", port) as client, asyncio.timeout(PATIENCE_S):
        await client.subscribe("#")
        async for message in client.messages:
            found[message.topic.value] = message.payload
            if wanted(found):
                return found
    return found


async def held(port: int, wanted: Callable[[dict[str, bytes]], bool]) -> dict[str, bytes]:
    """All that the broker holds, once it is what is wanted: what is retained comes before what is published after subscribing."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found: dict[str, bytes] = {}
            async with aiomqtt.Client("127.0.0.1", port) as client:
                await client.subscribe("#")
                await client.publish("end")
                async for message in client.messages:
                    if message.topic.value == "end":
                        break
                    if message.retain:
                        found[message.topic.value] = message.payload
            if wanted(found):
                return found


async def heard(port: int, state: str | None, availability: str = "online", status: str = "online") -> dict[str, bytes]:
    """Wait until the broker holds this of `ridge`; None for a state that is cleared."""

    def fits(found: dict[str, bytes]) -> bool:
        told = found.get(STATE) or b""
        now = json.loads(told)["state"] if told else None
        rest = (found.get(AVAILABILITY, b"").decode(), found.get("smoke/status", b"").decode())
        return (now, *rest) == (state, availability, status)

    return await retained(port, fits)
