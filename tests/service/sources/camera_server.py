"""A camera that speaks HTTP: snapshots and MJPEG, with a password if it wants one; it can be broken in many ways."""

import base64
import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REALM, NONCE = "camera", "c0ffee"
MULTIPART = "multipart/x-mixed-replace; boundary=frame"


class Camera:
    """What it shows and how it behaves; `picture` and `behaviour` may be changed at any time.

    Behaviours: `well`; `failing` answers 503; `login` sends a page; `garbage` sends bytes that are no picture; `silent` accepts and
    sends nothing; `cut` ends streams after a picture; `slow` sends one every two seconds; `endless` sends one that never ends.
    """

    def __init__(self, picture: bytes, scheme: str = "", username: str = "viewer", password: str = "geheim") -> None:
        self.picture = picture
        self.behaviour = "well"
        self.scheme, self.username, self.password = scheme, username, password
        self.asked: list[str] = []
        self.authorizations: list[str] = []
        self.port = 0
        self.parts = 0

    def url(self, path: str = "/now.jpg") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def lets_in(self, method: str, path: str, authorization: str) -> bool:
        if not self.scheme:
            return True
        if self.scheme == "basic":
            given = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            return authorization == f"Basic {given}"
        fields = dict(re.findall(r'(\w+)="?([^",]*)"?', authorization.removeprefix("Digest ")))
        first = digest(f"{self.username}:{REALM}:{self.password}")
        counted = f"{NONCE}:{fields.get('nc')}:{fields.get('cnonce')}:auth"
        expected = digest(f"{first}:{counted}:{digest(f'{method}:{path}')}")
        return authorization.startswith("Digest ") and fields.get("response") == expected

    @property
    def challenges(self) -> list[str]:
        basic = [f'Basic realm="{REALM}"']
        return basic if self.scheme == "basic" else [*basic, f'Digest realm="{REALM}", qop="auth", nonce="{NONCE}"']


def digest(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@contextmanager
def serving(camera: Camera, port: int = 0) -> Iterator[Camera]:
    """The camera's server while the context lasts; a second one on the same port is the camera that is back."""

    gone = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer(self, camera, gone)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    camera.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield camera
    finally:
        gone.set()
        server.shutdown()
        server.server_close()
        thread.join()


def answer(handler: BaseHTTPRequestHandler, camera: Camera, gone: threading.Event) -> None:
    if gone.is_set():
        handler.close_connection = True
        return
    authorization = handler.headers.get("Authorization", "")
    camera.asked.append(handler.path)
    camera.authorizations.append(authorization)
    if not camera.lets_in("GET", handler.path, authorization):
        handler.send_response(401)
        for challenge in camera.challenges:
            handler.send_header("WWW-Authenticate", challenge)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
    elif camera.behaviour == "silent":
        handler.close_connection = True
        gone.wait(60)
    elif camera.behaviour == "failing":
        whole(handler, 503, "text/plain", b"busy")
    elif camera.behaviour == "login":
        whole(handler, 200, "text/html", b"<html>Please log in</html>")
    elif handler.path.startswith("/stream"):
        stream(handler, camera, gone)
    else:
        body = b"\x00garbage" * 99 if camera.behaviour == "garbage" else camera.picture
        whole(handler, 200, "image/jpeg", body)


def whole(handler: BaseHTTPRequestHandler, status: int, kind: str, body: bytes) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def stream(handler: BaseHTTPRequestHandler, camera: Camera, gone: threading.Event) -> None:
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Content-Type", MULTIPART)
    handler.end_headers()
    while not gone.is_set():
        if camera.behaviour == "silent":
            gone.wait(60)
        body = b"\x00garbage" * 999 if camera.behaviour == "garbage" else camera.picture
        head = b"" if camera.behaviour == "garbage" else part_head(body)
        if camera.behaviour == "endless":
            head, body = (part_head(b"") if not camera.parts else b""), b"\xff" * 2**16
        try:
            handler.wfile.write(head + body + b"\r\n")
        except OSError:
            return
        if camera.behaviour == "cut":
            return
        camera.parts += 1
        if camera.behaviour != "endless":
            gone.wait(2.0 if camera.behaviour == "slow" else 0.05)


def part_head(body: bytes) -> bytes:
    return b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(body)
