"""The command line `smoke-bvm`: what each command calls. Free of torch.

What takes time to import is imported inside `main`, where Ctrl-C is expected.
"""

import argparse
import os
import select
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Final, Never

from service.cli.parsing.commands import command_line
from service.errors import SOME_FAILED, STOPPED, UNEXPECTED, RequestError, StartError, in_one_line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit code; `service.cli.parsing.help.EXIT_CODES` says what it means.
    """
    _open_closed()
    try:
        try:
            chosen = command_line().parse_args(arguments)
            code = _COMMANDS[chosen.command](chosen)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return _say("stopped", STOPPED)
    except StartError as error:
        return _say(in_one_line(error), error.exit_code)
    except (RequestError, OSError) as error:
        reader_left = _is_readers_leaving(error)
        _drop_unwritten()
        return 0 if reader_left else _say(in_one_line(error), SOME_FAILED)
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        return _say(f"{in_one_line(error)}; with PYTHONDEVMODE=1 it says where", UNEXPECTED)
    return code


def _say(words: str, code: int) -> int:
    print(f"smoke-bvm: {words}", file=sys.stderr)  # noqa: T201 - the message is for the person who started it
    return code


def _is_readers_leaving(error: Exception) -> bool:
    """Whether it says that nobody reads standard output any more, as after `| head`."""
    poll = select.poll()
    poll.register(1, 0)
    return isinstance(error, BrokenPipeError) and any(event & select.POLLERR for _, event in poll.poll(0))


def _drop_unwritten() -> None:
    """What standard output does not take now, Python would write again as it ends, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _open_closed() -> None:
    """Standard files that were closed (`2>&-`) lead nowhere: a socket that got their number would be written to."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdout, sys.stderr = sys.stdout or os.fdopen(1, "w"), sys.stderr or os.fdopen(2, "w")


def _serve(chosen: argparse.Namespace) -> int:
    _heed_signals()
    from service.server.serve import serve
    from service.settings import Settings

    serve(Settings.load(host=chosen.host, port=chosen.port, model_dir=chosen.model_dir, log_format=chosen.log_format))
    return 0


def _heed_signals() -> None:
    """While the service starts, from the imports on, it can be told to end, and SIGHUP waits until it listens."""
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, _end)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})


def _end(_signal: int, _frame: FrameType | None) -> Never:
    """A signal before, or raised again after, uvicorn's own handling of it ends the process in order."""
    raise SystemExit(0)


def _segment(chosen: argparse.Namespace) -> int:
    from service.cli.segment import run_segment

    return run_segment(chosen)


def _archive(chosen: argparse.Namespace) -> int:
    try:
        from service.cli.archive.command import run_archive
    except ImportError as error:
        from service.errors import SettingsInvalid

        raise SettingsInvalid(f"{in_one_line(error)}; `pip install smoke-bvm[ray,cpu]` brings it") from error
    return run_archive(chosen)


def _watch(chosen: argparse.Namespace) -> int:
    from service.cli.watch.command import run_watch

    return run_watch(chosen)


def _replay(chosen: argparse.Namespace) -> int:
    from service.cli.replay import run_replay

    return run_replay(chosen)


def _doctor(chosen: argparse.Namespace) -> int:
    from service.cli.installation.doctor import examine

    return examine(chosen.model_dir, as_json=chosen.json)


def _list_releases(chosen: argparse.Namespace) -> int:
    from service.cli.installation.releases import list_releases

    return list_releases(as_json=chosen.json)


def _show_release(chosen: argparse.Namespace) -> int:
    from service.cli.installation.releases import show_release

    return show_release(chosen.release, as_json=chosen.json)


def _verify_releases(chosen: argparse.Namespace) -> int:
    from service.cli.installation.releases import verify_releases

    return verify_releases(chosen.releases, as_json=chosen.json)


def _completion(chosen: argparse.Namespace) -> int:
    from service.cli.installation.completion import print_completion

    return print_completion(chosen.whole, chosen.shell)


def _key(chosen: argparse.Namespace) -> int:
    """The entry goes to standard output, for `>> keys.toml`; the key itself to the person, once."""
    from service.api.auth import Scope, make

    key, entry = make(chosen.name, [Scope(scope) for scope in chosen.scopes])
    print(entry)  # noqa: T201
    print(f"{key}\nThis is the key of {chosen.name}; the file holds its checksum only.", file=sys.stderr)  # noqa: T201
    return 0


_COMMANDS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "serve": _serve,
    "segment": _segment,
    "archive": _archive,
    "watch": _watch,
    "replay": _replay,
    "doctor": _doctor,
    "list_releases": _list_releases,
    "show_release": _show_release,
    "verify_releases": _verify_releases,
    "completion": _completion,
    "key": _key,
}


if __name__ == "__main__":
    sys.exit(main())
