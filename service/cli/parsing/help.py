"""What `--help` teaches: examples of each command, and what exit codes mean. A test runs the examples."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

from service.errors import USAGE

EXAMPLES: Final[Mapping[str, Sequence[str]]] = {
    "serve": (
        "smoke-bvm serve                                       # on http://127.0.0.1:8000, with the newest release",
        "smoke-bvm serve --port 9000 --log-format json",
        "SMOKE_API_KEYS_FILE=keys.toml smoke-bvm serve --host 0.0.0.0",
    ),
    "segment": (
        "smoke-bvm segment photo.jpg --out answer              # answer/photo.json, photo.mask.png, photo.overlay.jpg, ...",
        "smoke-bvm segment FOLDER --out answer --tree --csv answer/summary.csv --resume",
        "smoke-bvm segment FOLDER --out answer --format labelme --format coco",
        "smoke-bvm segment film.mp4 --out answer --every 5     # a frame for every 5 s of it",
        "smoke-bvm segment photo.jpg --out answer --outputs total,epistemic --encoding npz",
    ),
    "archive": (
        "smoke-bvm archive FOLDER --out findings               # findings/findings/*.parquet, findings/masks/...",
        "smoke-bvm archive s3://cameras/2026 --out s3://cameras/found --cluster auto",
    ),
    "watch": (
        "smoke-bvm watch cameras.toml                          # the model in this process",
        "smoke-bvm watch cameras.toml >> alarms.jsonl",
        "smoke-bvm watch cameras.toml --server http://127.0.0.1:8000 --key-file camera_key --metrics-port 9100",
    ),
    "replay": (
        "smoke-bvm replay north-3 --interval 60 --timeline     # a folder of one camera's frames, one a minute",
        "smoke-bvm replay north-3 --interval 60 --out numbers.json",
    ),
    "key": (
        "smoke-bvm key gateway --scopes infer >> keys.toml     # the key itself is shown once, on standard error",
        "smoke-bvm key maintainer --scopes metrics admin >> keys.toml",
    ),
    "doctor": ("smoke-bvm doctor", "smoke-bvm doctor --json"),
    "models": ("smoke-bvm models list", "smoke-bvm models show", "smoke-bvm models verify --json"),
    "completion": ('eval "$(smoke-bvm completion bash)"                   # in ~/.bashrc; zsh and tcsh as well',),
}
EXIT_CODES: Final = (
    "exit codes: 0 well; 1 some files could not be read or answered; 2 called wrongly, or an impossible setting; 3 the model cannot be "
    "used;\n4 the provider is not to be had; 5 the address is taken; 70 a fault in the program; 130 stopped by Ctrl-C"
)


class CommandParser(argparse.ArgumentParser):
    """A parser whose help ends with examples, and whose errors are one sentence with a way out."""

    def __init__(self, **chosen: object) -> None:
        super().__init__(**{"formatter_class": argparse.RawDescriptionHelpFormatter, **chosen})  # type: ignore[arg-type]
        examples = EXAMPLES.get(self.prog.split()[-1], ())
        shown = "".join(f"  {line}\n" for line in examples)
        self.epilog = (f"examples:\n{shown}\n" if shown else "") + EXIT_CODES

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where to look; ends with 2."""
        self.exit(USAGE, f"{self.prog}: {message}; `{self.prog} --help` shows how, with examples\n")
