"""The file of cameras: what it says is what is read; what is wrong with it is said, and never a password."""

import pytest

from service.errors import SettingsInvalid
from service.sources.cameras_file import read_sources

SECRET = "geheim%23"


@pytest.fixture
def read(tmp_path):
    """Read a text: `read(text, NAME="value")`."""

    def parse(text: str, **environment: str):
        file = tmp_path / "cameras.toml"
        file.write_text(text)
        return read_sources(file, environment)

    return parse


def test_each_camera_is_a_source_with_the_defaults_of_the_file(read):
    first, second = read("""
        [default]
        interval_s = 60
        [camera.ridge]
        kind = "rtsp"
        url = "rtsp://10.0.0.7/stream1"
        transport = "udp"
        [camera.valley]
        kind = "folder"
        path = "/srv/valley"
        interval_s = 5
        """)
    assert (first.camera_id, first.kind, first.address, first.interval_s) == (
        "ridge",
        "rtsp",
        "rtsp://10.0.0.7/stream1",
        60,
    )
    assert (first.transport, first.stall_s, first.view) == ("udp", 30, "")
    assert (second.camera_id, second.address, second.interval_s, second.transport) == (
        "valley",
        "/srv/valley",
        5,
        "tcp",
    )


def test_a_camera_that_turns_is_a_source_for_each_view(read):
    sources = read("""
        [camera.mast]
        kind = "snapshot"
        stall_s = 7
        view.east.url = "http://mast/east.jpg"
        view.west = {url = "http://mast/west.jpg", stall_s = 8}
        """)
    assert [(source.camera_id, source.view, source.address[-8:], source.stall_s) for source in sources] == [
        ("mast", "east", "east.jpg", 7),
        ("mast", "west", "west.jpg", 8),
    ]


def test_secrets_come_from_the_environment_and_from_files(read, tmp_path):
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    one, two = read(
        f"""
        [camera.one]
        kind = "snapshot"
        url = "https://one/now.jpg?token=${{TOKEN}}"
        username = "${{NAME}}"
        password = "${{WORD}}"
        [camera.two]
        kind = "rtsp"
        url = "rtsp://two/1"
        username = "viewer"
        password_file = "{tmp_path / "secret"}"
        """,
        TOKEN="t0ken",
        NAME="somebody",
        WORD=SECRET,
    )
    assert (one.address, one.username, one.password) == ("https://one/now.jpg?token=t0ken", "somebody", SECRET)
    assert (two.username, two.password) == ("viewer", SECRET)


def test_no_text_of_a_source_holds_a_secret(read):
    (source,) = read(
        '[camera.one]\nkind = "mjpeg"\nurl = "http://one/${PATH_}/s?pw=${WORD}"\nusername = "u"\npassword = "${WORD}"\n',
        WORD=SECRET,
        PATH_="hidden",
    )
    said = f"{source!r} {source.shown} " + source.redacted(f"u:{SECRET}@one and u:geheim%2523@one {source.address}")
    assert "geheim" not in said
    assert "hidden" not in said
    assert source.shown == "http://one/***/s"


RTSP = '[camera.a]\nkind = "rtsp"\nurl = "rtsp://a/1"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "found no camera, expected items [camera.ID]"),
        ("[camera", "Expected ']'"),
        ("[cameras.a]", "found ['cameras'], expected [default] and [camera.ID]"),
        ("[camera.a]\nkind = 'rtps'", "camera.a.kind: found 'rtps', expected one of rtsp, mjpeg"),
        ("[camera.a]\nurl = 'rtsp://a/1'", "camera.a.kind: found nothing, expected one of rtsp, mjpeg"),
        ("[camera.a]\nkind = 'rtsp'", "camera.a: found neither url nor path, expected url for kind 'rtsp'"),
        ("[camera.a]\nkind = 'folder'\nurl = 'http://a'", "camera.a: found url, expected path for kind 'folder'"),
        ("[camera.a]\nkind = 'rtsp'\nurl = 'http://a/1'", "found url http://a, expected rtsp or rtsps://HOST"),
        ("[camera.a]\nkind = 'mjpeg'\nurl = 'a/1'", "found url ://, expected http or https://HOST"),
        (RTSP + "interval_s = 0", "camera.a.interval_s: found 0, expected seconds from 0.1 to 86400"),
        (RTSP + "stall_s = 'long'", "camera.a.stall_s: found 'long', expected seconds from 1 to 3600"),
        (RTSP + "intervall_s = 5", "camera.a: found ['intervall_s'], expected some of ca_file, interval_s,"),
        (RTSP + "[default]\nkind = 'rtsp'", "default: found ['kind'], expected some of"),
        (RTSP + "[camera.'a b']\n", "camera.a b: found 'a b', expected up to 64 letters"),
        (RTSP + "ca_file = '/gone'", "camera.a.ca_file: found no file /gone, expected one of certificates"),
        (RTSP + "view = 'east'", "camera.a.view: found 'east', expected items [camera.ID.view.NAME]"),
        (RTSP + "password = '${GONE}'", "camera.a.password: found no variable GONE in the environment"),
        (RTSP + "password_file = '/gone'", "camera.a.password_file: found /gone: No such file or directory"),
    ],
)
def test_what_is_wrong_is_said_with_file_key_found_and_expected(read, text, words):
    with pytest.raises(SettingsInvalid) as refused:
        read(text)
    assert "cameras.toml: " in str(refused.value)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        RTSP + f"password = '{SECRET}'",
        RTSP + "password = 314159",
        RTSP + f"pasword = '{SECRET}'",
        f"[default]\npassword = '{SECRET}'\n" + RTSP,
        f"[camera.a]\nkind = 'rtsp'\nurl = 'rtsp://viewer:{SECRET}@a/1'",
        f"[camera.a]\nkind = 'rtsp'\nurl = 'http://a/1?pw={SECRET}'",
        RTSP + f"username = '{SECRET}'\npassword = '${{GONE}}'",
    ],
)
def test_a_password_in_plain_words_is_refused_and_not_repeated(read, text):
    with pytest.raises(SettingsInvalid) as refused:
        read(text)
    assert "geheim" not in str(refused.value)
    assert "314159" not in str(refused.value)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(
        SettingsInvalid, match=r"gone\.toml: No such file or directory, expected a TOML file of cameras"
    ):
        read_sources(tmp_path / "gone.toml", {})
