"""The page at / for people: static files of this package. It asks this service and nobody else, and runs no script but its own."""

from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_INDEX: Final = "index.html"
_TYPES: Final = {".css": "text/css", ".jpg": "image/jpeg", ".js": "text/javascript", ".svg": "image/svg+xml"}


def page_routes() -> list[BaseRoute]:
    """The page, and each file that it loads; all addresses in it are relative, for a proxy may show it below a path of its own."""
    loaded = sorted(file for file in _folder().rglob("*") if file.suffix in _TYPES)
    return [Route("/", _page), *(Route(f"/page/{_name(file)}", _sends(file)) for file in loaded)]


def _folder() -> Path:
    return Path(str(files("service.web"))) / "static"


async def _page(_: Request) -> Response:
    return FileResponse(_folder() / _INDEX, media_type="text/html", headers={"Content-Security-Policy": _POLICY})


def _name(file: Path) -> str:
    return file.relative_to(_folder()).as_posix()


def _sends(file: Path) -> Callable[[Request], Awaitable[Response]]:
    async def send(_: Request) -> Response:
        return FileResponse(file, media_type=_TYPES[file.suffix])

    return send
