"""A file with a key for each scope, and a caller who may have one."""

import pytest

from service.api.auth import Scope, digest
from tests.pictures import file_of, plume

BODY = file_of(plume())
KEYS = "".join(
    f'[[key]]\nname = "{scope}-key"\nsha256 = "{digest(scope)}"\nscopes = ["{scope}"]\n' for scope in Scope
) + (f'[[key]]\nname = "slow"\nsha256 = "{digest("slow")}"\nscopes = ["infer"]\nrequests_per_s = 0.001\n')


@pytest.fixture
def keys_file(tmp_path):
    path = tmp_path / "keys.toml"
    path.write_text(KEYS)
    return path


def status(client, method: str, path: str, key: str | None, port: int = 8000) -> int:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return client.request(method, f"http://testserver:{port}{path}", headers=headers, content=BODY).status_code
