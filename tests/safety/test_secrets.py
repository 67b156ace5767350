"""The token: where it may come from, and where it never goes."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from compliance_frames import sample
from compliance_frames.cli import main
from compliance_frames.emulator import Emulator
from compliance_frames.errors import AuthError
from compliance_frames.service.secret import SignedUrl, hide_in_logs, redacted
from compliance_frames.service.tokens import KEYRING, token_from, token_from_descriptor

TOKEN = "canary-token-0123456789"

#: A run of the command line that tells of each child process it begins, and of its own command line.
WATCHED = """
import sys
from pathlib import Path
BEGINS = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.spawn", "os.system")
began = []
sys.addaudithook(lambda event, args: began.append((event, args)) if event in BEGINS else None)
from compliance_frames.cli import main
code = main(sys.argv[1:])
print("cmdline", Path("/proc/self/cmdline").read_bytes(), "environ", Path("/proc/self/environ").read_bytes())
print("began", began)
sys.exit(code)
"""


def run_with_token_in_a_file(folder: Path, *args: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
    """The command line with the token in file descriptor 3, opened by the shell."""
    (folder / "token").write_text(token + "\n")
    command = 'exec "$0" -c "$1" "${@:2}" --token-fd 3 3< token'
    return subprocess.run(
        ["bash", "-c", command, sys.executable, WATCHED, *args],
        cwd=folder, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip


def test_a_whole_run_takes_the_token_from_a_file_and_begins_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of processes shows no token, in no environment either; there is no child that could inherit it."""
    sample.corpus(tmp_path / "corpus", rows=200, days=1)
    with Emulator(bearer_token=TOKEN, seed=1, processing=timedelta(0)) as service:
        monkeypatch.setenv("COMPLIANCE_FRAMES_BASE_URL", service.base_url)
        ran = run_with_token_in_a_file(tmp_path, "run", "corpus", "clean", "--poll", "1s", "--json")
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "began []" in ran.stdout
    assert "cmdline" in ran.stdout
    assert TOKEN not in ran.stdout + ran.stderr


@pytest.mark.parametrize("told", ["s3cret", "-1", "1", "2", "3.0", "99999"])
def test_what_is_no_descriptor_is_refused_and_not_repeated(told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Who puts the token itself there does not find it in the log of the run as well."""
    assert main(["check", "x", "--ledger", "l", f"--token-fd={told}"]) == 2
    seen = capsys.readouterr()
    assert "3< FILE" in seen.err
    assert told == "2" or told not in seen.out + seen.err.replace("--token-fd 3", "").replace("3<", "")


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "empty"), (b"AA AA", "no token does"), (b"A" * 9000, "no token does"), (b"\xff", "no")]
)
def test_what_a_descriptor_holds_is_checked_and_not_repeated(content: bytes, words: str) -> None:
    """An empty, a torn or an endless file is one sentence, and the descriptor is closed."""
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    with pytest.raises(AuthError, match=words) as caught:
        token_from_descriptor(reading)
    assert "AA" not in str(caught.value)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reading)
    with pytest.raises(AuthError, match="cannot be read"):
        token_from_descriptor(reading)


def test_the_keyring_is_asked_where_the_environment_holds_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment comes first; a keyring that is locked or broken is one that holds nothing."""
    import keyring
    from keyring.backend import KeyringBackend
    from keyring.errors import KeyringLocked

    class Kept(KeyringBackend):
        priority = 1  # type: ignore[assignment]
        held: Any = "from-keyring"

        def get_password(self, service: str, username: str) -> str | None:
            assert (service, username) == KEYRING
            if isinstance(self.held, Exception):
                raise self.held
            return self.held

        def set_password(self, service: str, username: str, password: str) -> None:
            raise NotImplementedError

    kept, before = Kept(), keyring.get_keyring()
    keyring.set_keyring(kept)
    try:
        assert token_from(None).reveal() == "from-keyring"
        monkeypatch.setenv("X_BEARER_TOKEN", "from-environment")
        assert token_from(None).reveal() == "from-environment"
        monkeypatch.delenv("X_BEARER_TOKEN")
        for kept.held in (None, "", KeyringLocked("locked"), RuntimeError("no bus")):
            with pytest.raises(AuthError, match=r"X_BEARER_TOKEN.*--token-fd.*keyring set compliance-frames"):
                token_from(None)
    finally:
        keyring.set_keyring(before)


def test_the_keyring_is_not_loaded_where_it_is_not_needed() -> None:
    """It may ask the user to unlock it: who has a token is not bothered."""
    code = "import sys, compliance_frames.service.tokens as t; t.token_from('AAAA'); sys.exit('keyring' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "line",
    [
        "PUT https://storage.googleapis.com/b/o?X-Goog-Algorithm=a&X-Goog-Signature=canary HTTP/1.1",
        "GET /b/o?GoogleAccessId=a&Expires=1&Signature=canary",
        "[(b'Location', b'https://storage.googleapis.com/b/o?x=1&upload_id=canary')]",
        "[(b'X-GUploader-UploadID', b'canary-_0'), (b'Date', b'now')]",
        "x-guploader-uploadid: canary",
        "upload_id=canary",
        "Authorization: Bearer canary",
        "https://s3.example/b?X-Amz-Signature=canary",
    ],
)
@pytest.mark.parametrize("logger", ["httpx", "httpcore", "httpcore.http11", "httpcore.proxy", "httpcore.socks"])
def test_logs_are_cut_where_a_secret_begins(line: str, logger: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the libraries log, at any level: what makes a URL a credential is cut out of it."""
    hide_in_logs()
    with caplog.at_level(logging.DEBUG, logger=logger):
        logging.getLogger(logger).debug("%s", line)
    assert "…" in caplog.text
    assert "canary" not in caplog.text
    assert "canary" not in redacted(line)


@pytest.mark.parametrize("url", ["https://[bad", "https://a\x1b[31m.example/", "https://u:canary@a.example/", "", "\0"])
def test_a_url_that_is_none_has_a_repr_all_the_same(url: str) -> None:
    """Showing it raises nothing, colours no terminal and tells no password."""
    assert repr(SignedUrl(url)) == "SignedUrl('…')"
