"""The container's health check: exit code 0 while `/health/ready` answers 200; reads where the service listens from its settings."""

import os
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping

_ANY_ADDRESS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104


def address(settings: Mapping[str, str]) -> str:
    """Where the probe is, as the service's own settings have it."""
    scheme = "https" if settings.get("SMOKE_TLS_CERT_FILE") else "http"
    host = settings.get("SMOKE_HOST", "")
    return f"{scheme}://{_ANY_ADDRESS.get(host, host)}:{settings.get('SMOKE_PORT') or 8000}/health/ready"


def ready(url: str, timeout_s: float = 4.0) -> bool:
    """Ask once. The certificate names the outside, not this loopback, and is not checked; a proxy is not asked."""
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusting))
    try:
        with opener.open(url, timeout=timeout_s) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError) as error:
        print(f"{url}: {error}", file=sys.stderr)
        return False


if __name__ == "__main__":
    sys.exit(not ready(address(os.environ)))
