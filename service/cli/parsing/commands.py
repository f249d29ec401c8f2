"""The parser of `smoke-bvm`: each command's arguments; `command` of what is parsed says which one was chosen.

What takes time to import is imported inside the functions, where Ctrl-C is expected.
"""

import argparse
from pathlib import Path

from service.cli.parsing.help import CommandParser
from service.cli.parsing.types import (
    counting_number,
    natural_number,
    open_fraction,
    output_names,
    port_number,
    positive_seconds,
)


def command_line() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = CommandParser(prog="smoke-bvm", description="Find wildfire smoke in camera frames.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {_version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, add_options, does in _COMMANDS:
        own = commands.add_parser(name, help=does)
        own.set_defaults(command=name)
        add_options(own)
    commands.choices["completion"].set_defaults(whole=parser)
    return parser


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("smoke-bvm")
    except PackageNotFoundError:
        return "(not installed)"


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1, or SMOKE_HOST)")
    parser.add_argument(
        "--port", type=port_number, help="port to listen on, 0 for a free one (default 8000, or SMOKE_PORT)"
    )
    _add_log_format(parser)
    _add_model(parser)


def _add_segment(parser: argparse.ArgumentParser) -> None:
    _add_inputs(parser)
    _add_written(parser)
    _add_maps(parser)
    _add_threshold(parser)
    parser.add_argument(
        "--resume",
        action="store_true",
        help="leave out pictures that DIR has the answer to, by this model and as asked for",
    )
    _add_tiles(parser)
    _add_model(parser)


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "inputs",
        nargs="+",
        type=Path,
        metavar="IMAGE|FOLDER|VIDEO",
        help="pictures, folders searched for them, or videos, of which frames are cut into DIR/frames",
    )
    parser.add_argument(
        "--every",
        type=positive_seconds,
        default=10.0,
        metavar="SECONDS",
        help="between two frames of a video (default 10)",
    )


def _add_written(parser: argparse.ArgumentParser) -> None:
    from service.pipeline.options import ALL_OUTPUTS, DEFAULT_OUTPUTS, OVERLAY, parse_outputs

    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the reports and maps go")
    parser.add_argument("--tree", action="store_true", help="make folders below DIR as they are below FOLDER")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write a line on each picture to this table as well")
    parser.add_argument(
        "--outputs",
        type=output_names,
        default=parse_outputs(f"{DEFAULT_OUTPUTS},{OVERLAY}"),
        metavar="LIST",
        help=f"comma list of {', '.join(ALL_OUTPUTS)} (default {DEFAULT_OUTPUTS},{OVERLAY})",
    )
    parser.add_argument(
        "--format",
        choices=("yolo", "coco", "labelme"),
        action="append",
        default=[],
        help="write the regions for annotation tools as well, below DIR/FORMAT; can be given more than once",
    )


def _add_maps(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--resolution", choices=("model", "frame"), default="model", help="of the maps (default model)")
    parser.add_argument(
        "--encoding",
        choices=("png", "npz"),
        default="png",
        help="of the maps: 8-bit pictures, or the model's own floats for numpy (default png)",
    )


def _add_archive(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER|s3://...", help="where the pictures lie, in whatever folders below")
    parser.add_argument(
        "--out", required=True, metavar="DIR|s3://...", help="where findings and masks go; what is there is kept"
    )
    parser.add_argument(
        "--cluster",
        default="local",
        metavar="ADDRESS",
        help="Ray cluster that works on them, HOST:PORT or auto (default: the cores of this machine)",
    )
    parser.add_argument(
        "--block",
        type=counting_number,
        default=64,
        metavar="N",
        help="pictures whose findings are one file, and as many as a kill costs a core (default 64)",
    )
    parser.add_argument(
        "--resolution", choices=("model", "frame"), default="model", help="of the masks (default model)"
    )
    _add_threshold(parser)
    _add_tiles(parser)
    _add_model(parser)


def _add_watch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("cameras", type=Path, metavar="CAMERAS.toml", help="which cameras, from where, how often")
    parser.add_argument("--server", metavar="URL", help="post frames there (default: the model runs in this process)")
    parser.add_argument(
        "--key-file", type=Path, metavar="FILE", help="the server's API key (default: the variable SMOKE_API_KEY)"
    )
    parser.add_argument(
        "--metrics-port",
        type=port_number,
        metavar="PORT",
        help="serve /metrics there, 0 for a free one (default: nowhere)",
    )
    parser.add_argument("--metrics-host", default="127.0.0.1", metavar="HOST", help="address of it (default 127.0.0.1)")
    _add_log_format(parser)
    _add_model(parser)


def _add_replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folders", nargs="+", type=Path, metavar="FOLDER", help="frames of one camera, in order of names"
    )
    parser.add_argument(
        "--interval", type=positive_seconds, required=True, metavar="SECONDS", help="between two frames"
    )
    parser.add_argument(
        "--repeat",
        type=natural_number,
        default=0,
        metavar="N",
        help="each picture N times, as a smoke-free camera of its own",
    )
    parser.add_argument(
        "--jitter", type=natural_number, default=4, metavar="PX", help="how far it shakes then (default 4)"
    )
    threshold = parser.add_mutually_exclusive_group()
    _add_threshold(threshold)
    threshold.add_argument(
        "--false-alarm-rate",
        type=float,
        metavar="RATE",
        help="take the threshold that the release certifies for this rate (default SMOKE_FALSE_ALARM_RATE)",
    )
    parser.add_argument("--timeline", action="store_true", help="print a line on every frame, not on alarms alone")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the numbers as JSON")
    _add_model(parser)


def _add_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="whose it is; appears in the log")
    parser.add_argument(
        "--scopes",
        nargs="+",
        choices=("infer", "metrics", "operator", "admin"),
        default=["infer"],
        help="what it allows",
    )


def _add_log_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--log-format", choices=("auto", "text", "json"), help="of the log (default auto, or SMOKE_LOG_FORMAT)"
    )


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    _add_json(parser)
    _add_model(parser)


def _add_models(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="list|show|verify")
    listed = actions.add_parser("list", help="those that are installed")
    _add_json(listed)
    listed.set_defaults(command="list_releases")
    shown = actions.add_parser("show", help="what one promises")
    shown.add_argument("release", nargs="?", help="name, or folder (default: the newest installed one)")
    _add_json(shown)
    shown.set_defaults(command="show_release")
    verified = actions.add_parser("verify", help="hold files and golden frame against what was released")
    verified.add_argument("releases", nargs="*", metavar="RELEASE", help="names, or folders (default: all installed)")
    _add_json(verified)
    verified.set_defaults(command="verify_releases")


def _add_completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))


def _add_threshold(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--threshold", type=open_fraction, help="probability that counts as smoke (default: the model's)"
    )


def _add_tiles(parser: argparse.ArgumentParser) -> None:
    from models.tile_layout import TILES

    parser.add_argument("--tiles", choices=TILES, help="look at overlapping tiles beside the whole frame")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, for a script to read")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model-dir", type=Path, metavar="DIR", help="release folder (default: the newest installed one)"
    )


_COMMANDS = (
    ("serve", _add_serve, "answer POST /segment over HTTP"),
    ("segment", _add_segment, "segment picture files, without a server"),
    ("archive", _add_archive, "segment an archive of pictures over many cores or machines, by Ray"),
    ("watch", _add_watch, "read cameras, and tell of smoke"),
    ("replay", _add_replay, "show recordings to the model and the alarm, and count"),
    ("key", _add_key, "make an API key for the service"),
    ("doctor", _add_doctor, "say whether `serve` would start here, how fast, and what to do if not"),
    ("models", _add_models, "list, show and verify the releases that are there"),
    ("completion", _add_completion, "print what a shell reads to complete commands"),
)
"""Name, what adds its options, and what it does, in the order of the help."""
