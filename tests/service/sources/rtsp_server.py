"""A real RTSP server: GStreamer's, run by the system's own Python, which has its bindings: rtsp_server.py PORT [USER PASSWORD];
0 takes a free port.

It shows frames of one colour by H.264, red 204 and a key frame each half a second, and says its port when it listens.
"""

import sys

import gi

for name in ("Gst", "GstRtsp", "GstRtspServer"):
    gi.require_version(name, "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

LAUNCH = (
    "( videotestsrc is-live=true pattern=solid-color foreground-color=0xffcc6633 ! video/x-raw,width=64,height=48,framerate=10/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=5 ! rtph264pay name=pay0 )"
)


def main(port: str, *login: str) -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer(service=port, address="127.0.0.1")
    factory = GstRtspServer.RTSPMediaFactory(launch=LAUNCH, shared=True)
    if login:
        asking = GstRtspServer.RTSPAuth()
        asking.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        asking.add_digest(*login, token)
        server.set_auth(asking)
        factory.add_role_from_structure(
            Gst.Structure.from_string("viewer,media.factory.access=true,media.factory.construct=true")[0]
        )
    server.get_mount_points().add_factory("/now", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)  # noqa: T201 - for the test
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(*sys.argv[1:])
