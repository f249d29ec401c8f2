"""Fed to the image's own Python: who it runs as, what it holds, and whether it serves a frame; see `docker/check-image`."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request

from models.manifest import Manifest, newest_release

_COMPILERS = ("cc", "gcc", "g++", "clang", "ld", "make", "nvcc")
_READY_S = 120.0
_SEGMENT = "http://127.0.0.1:8000/segment?outputs=mask"


def check_contents() -> None:
    """Neither root, nor torch, nor a compiler, nor a writable program."""
    assert os.getuid() != 0, "found root, expected a user without rights"
    assert importlib.util.find_spec("torch") is None, "found torch, expected none"
    found = [name for name in _COMPILERS if shutil.which(name)]
    assert not found, f"found {found}, expected no compiler"
    writable = [folder for folder in ("/", "/opt/smoke-bvm", "/opt/venv", "/etc") if os.access(folder, os.W_OK)]
    assert not writable, f"found {writable} writable, expected the state folder only"
    assert os.access("/var/lib/smoke-bvm", os.W_OK), "found the state folder read-only"


def check_service() -> None:
    """It becomes ready, answers the golden frame of its release, and ends in order."""
    release = newest_release()
    golden = (release / Manifest.read(release).golden.frame).read_bytes()
    server = subprocess.Popen(["smoke-bvm", "serve"])
    try:
        started_s = time.monotonic()
        while subprocess.run(["python", "/opt/healthcheck.py"], stderr=subprocess.DEVNULL, check=False).returncode:
            assert server.poll() is None, f"the service ended with {server.returncode}"
            assert time.monotonic() - started_s < _READY_S, "the service did not become ready"
            time.sleep(0.5)
        print(f"ready after {time.monotonic() - started_s:.1f} s")
        request = urllib.request.Request(_SEGMENT, golden, {"Content-Type": "image/png"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            reply = json.load(answer)
        print(json.dumps({key: reply[key] for key in ("model", "smoke")}))
    finally:
        server.send_signal(signal.SIGTERM)
    assert server.wait(60) == 0, f"the service ended with {server.returncode}, expected 0"


if __name__ == "__main__":
    check_contents()
    print(f"user {os.getuid()}, no torch, no compiler, programs read-only")
    check_service()
    print(
        subprocess.run(["du", "-sxm", "/"], capture_output=True, text=True, check=False).stdout.split()[0],
        "MB unpacked",
    )
