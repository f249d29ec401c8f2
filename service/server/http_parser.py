"""HTTP/1.1 alone: a request that offers to go on in another protocol is served as if it did not.

Java's own client offers h2c with the first request of each connection, and curl does with `--http2`. The parser takes such a request
to end with its headers, and its body for the other protocol's: a frame would be found empty.
"""

from collections.abc import Callable

import httptools


class PlainParser(httptools.HttpRequestParser):
    """A parser for uvicorn's protocol.

    Args:
        protocol: What is called back; passes over a message for which `should_upgrade()` holds.
        head: Gives the last message's line and headers, without the offer.
    """

    def __init__(self, protocol: object, head: Callable[[], bytes]) -> None:
        super().__init__(protocol)
        self._head = head

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]
        """Parse, and begin again without the offer where there is one. Raises httptools.HttpParserError on what is no HTTP/1.1."""
        try:
            super().feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            if self.get_method() == b"CONNECT":
                raise httptools.HttpParserError("found CONNECT, expected a request to this server") from offer
            self.feed_data(self._head() + data[offer.args[0] :])


def without_offer(method: bytes, url: bytes, version: str, headers: list[tuple[bytes, bytes]]) -> bytes:
    """A message's line and headers, as they would be of a client that speaks HTTP/1.1 alone."""
    lines = [b"%s %s HTTP/%s" % (method, url, version.encode())]
    lines += [b"%s: %s" % header for header in headers if header[0] != b"upgrade"]
    return b"\r\n".join([*lines, b"", b""])
