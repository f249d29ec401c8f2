"""Cameras that speak HTTP: asked with the name and password that they want, by Digest or Basic as they say."""

import ssl
from collections.abc import Generator
from typing import Final

import httpx2

from service.sources.readers.pace import ReadingFailed
from service.sources.spec import SourceSpec

_UNAUTHORIZED: Final = 401


class ChallengedAuth(httpx2.Auth):
    """Name and password for whoever asks for them: by Digest where that is offered, else by Basic; nothing is sent unasked."""

    def __init__(self, username: str, password: str) -> None:
        self._digest = httpx2.DigestAuth(username, password)
        self._basic = httpx2.BasicAuth(username, password)
        self._chosen: httpx2.Auth | None = None

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """See httpx; what a camera wanted once it gets at once from then on."""
        if self._chosen is None:
            response = yield request
            if response.status_code != _UNAUTHORIZED:
                return
            offered = response.headers.get_list("www-authenticate")
            digest = any(challenge.lower().startswith("digest ") for challenge in offered)
            self._chosen = self._digest if digest else self._basic
        yield from self._chosen.auth_flow(request)


def http_client(spec: SourceSpec) -> httpx2.Client:
    """A client for one camera; the environment's proxies are not used."""
    auth = ChallengedAuth(spec.username, spec.password or "") if spec.username else None
    verify = ssl.create_default_context(cafile=spec.ca_file) if spec.ca_file else True
    timeout_s = spec.interval_s + spec.stall_s
    return httpx2.Client(auth=auth, verify=verify, timeout=timeout_s, follow_redirects=True, trust_env=False)


def check_status(answer: httpx2.Response) -> None:
    """Raises ReadingFailed on any status but 200."""
    if answer.status_code != httpx2.codes.OK:
        hint = "; is the password right?" if answer.status_code == _UNAUTHORIZED else ""
        raise ReadingFailed(f"found status {answer.status_code}, expected 200{hint}")
