"""A camera that moves a ball, as an RTSP server of GStreamer; Debian's own python3 runs it.

    /usr/bin/python3 -I rtsp_server_process.py --port 0 --size 320x240 --fps 25 [--credentials user:password]

prints `ready PORT` when clients can connect to rtsp://127.0.0.1:PORT/camera, and ends with its
standard input. With --check it prints the Debian packages that are missing and exits.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

MOUNT = "/camera"
ROLE = "viewer"
PACKAGE_OF_ELEMENT = {
    "videotestsrc": "gstreamer1.0-plugins-base",
    "appsink": "gstreamer1.0-plugins-base",
    "rtph264pay": "gstreamer1.0-plugins-good",
    "matroskamux": "gstreamer1.0-plugins-good",
    "h264parse": "gstreamer1.0-plugins-bad",
    "rtpbin": "gstreamer1.0-plugins-good",
    "x264enc": "gstreamer1.0-plugins-ugly",
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="print what is missing, start nothing")
    parser.add_argument("--port", default="0", help="0: a free one")
    parser.add_argument("--size", default="320x240", help="WIDTHxHEIGHT, both even")
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--pattern", default="ball", help="of videotestsrc; `snow` makes a heavy stream")
    parser.add_argument("--record", help="take a video from a client into this Matroska file, show none")
    parser.add_argument("--credentials", help="user:password; without it everyone may look")
    parser.add_argument("--authentication", choices=["basic", "digest"], default="basic")
    return parser.parse_args()


def missing_packages() -> list[str]:
    """Debian packages without which the server cannot run."""
    try:
        import gi
    except ImportError:
        return ["python3-gi"]
    try:
        gi.require_version("Gst", "1.0")
        gi.require_version("GstRtspServer", "1.0")
    except ValueError:
        return ["gir1.2-gst-rtsp-server-1.0"]
    from gi.repository import Gst

    Gst.init(None)
    return sorted(
        {package for name, package in PACKAGE_OF_ELEMENT.items() if not Gst.ElementFactory.find(name)}
    )


def launch_line(size: str, fps: int, pattern: str) -> str:
    """The pipeline: every frame differs, a key frame each second, no frame waits for a later one."""
    width, height = size.split("x")
    return (
        f"( videotestsrc is-live=true pattern={pattern}"
        f" ! video/x-raw,format=I420,width={width},height={height},framerate={fps}/1"
        f" ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max={fps}"
        " ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
    )


def record_line(path: str) -> str:
    """The pipeline of a server that takes a video."""
    return (
        "( rtph264depay name=depay0 ! h264parse ! matroskamux streamable=true"
        f" ! filesink location={path} sync=false buffer-mode=unbuffered )"
    )


def camera_server(options: argparse.Namespace) -> Any:
    from gi.repository import GstRtspServer

    factory = GstRtspServer.RTSPMediaFactory()
    if options.record:
        factory.set_launch(record_line(options.record))
        factory.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
    else:
        factory.set_launch(launch_line(options.size, options.fps, options.pattern))
        factory.set_shared(True)  # like a camera: who comes second sees the same picture at the same time
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(options.port)
    server.get_mount_points().add_factory(MOUNT, factory)
    if options.credentials:
        require_credentials(server, factory, options.credentials, options.authentication)
    return server


def require_credentials(server: Any, factory: Any, credentials: str, method: str) -> None:
    from gi.repository import GstRtsp, GstRtspServer

    user, password = credentials.split(":", 1)
    token = GstRtspServer.RTSPToken.new()
    token.set_string("media.factory.role", ROLE)
    auth = GstRtspServer.RTSPAuth.new()
    if method == "basic":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    permissions = GstRtspServer.RTSPPermissions.new()
    for permission in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role(ROLE, permission, True)
    factory.set_permissions(permissions)
    server.set_auth(auth)


def main() -> int:
    options = parse_arguments()
    missing = missing_packages()
    if options.check or missing:
        print(" ".join(missing))
        return 1 if missing else 0
    from gi.repository import GLib

    server = camera_server(options)
    if server.attach(None) == 0:
        print(f"port {options.port} of 127.0.0.1 is taken", file=sys.stderr)
        return 1
    print("ready", server.get_bound_port(), flush=True)
    loop = GLib.MainLoop()
    # The parent holds the other end: its death, however it comes, ends the camera too.
    GLib.io_add_watch(sys.stdin.fileno(), GLib.PRIORITY_DEFAULT, GLib.IOCondition.HUP, lambda *_: loop.quit())
    loop.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
