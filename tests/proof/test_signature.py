"""Whoever signs a certificate is known by their key, and nothing can be changed under the signature."""

from __future__ import annotations

import base64
import os
import pickle
import shutil
import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from compliance_frames.errors import ComplianceFramesError, VerificationError
from compliance_frames.proof.signature import PASSPHRASE_VARIABLE, PublicKey, Signature, SigningKey

OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="there is no openssl on this machine")
PKCS8 = ser.PrivateFormat.PKCS8


def private_pem(key: Any, passphrase: str = "", format: ser.PrivateFormat = PKCS8) -> bytes:
    locked = ser.BestAvailableEncryption(passphrase.encode()) if passphrase else ser.NoEncryption()
    pem: bytes = key.private_bytes(ser.Encoding.PEM, format, locked)
    return pem


def public_pem(key: Any) -> bytes:
    pem: bytes = key.public_key().public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo)
    return pem


def private(path: Path, data: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def test_a_signature_is_of_one_content_by_one_key(key: Ed25519PrivateKey, tmp_path: Path) -> None:
    """It goes into JSON and back, and holds for nothing else."""
    signing = SigningKey.read(private(tmp_path / "key.pem", private_pem(key)))
    (tmp_path / "public.pem").write_bytes(public_pem(key))
    signature = Signature.from_dict(signing.sign(b"content").to_dict())
    signature.check(b"content")
    assert signature.public_key == signing.public_key == PublicKey.read(tmp_path / "public.pem")
    other = SigningKey(Ed25519PrivateKey.generate())
    for wrong in (
        (signature, b"content!"),
        (Signature(other.public_key, signature.value), b"content"),
        (Signature(signature.public_key, other.sign(b"content").value), b"content"),
        (Signature(signature.public_key, b""), b"content"),
        (Signature(PublicKey(b"no key"), signature.value), b"content"),
        (Signature(PublicKey(signature.public_key.der + b"\0"), signature.value), b"content"),
    ):
        with pytest.raises(VerificationError, match="changed after it was signed"):
            wrong[0].check(wrong[1])


@needs_openssl
def test_the_fingerprint_is_the_one_that_openssl_tells(key: Ed25519PrivateKey, tmp_path: Path) -> None:
    """SHA-256 of the key as X.509 has it: what people compare can be computed without this package."""
    pem = private(tmp_path / "key.pem", private_pem(key))
    der = subprocess.run(["openssl", "pkey", "-in", pem, "-pubout", "-outform", "DER"], capture_output=True, check=True)
    assert SigningKey.read(pem).public_key.fingerprint == sha256(der.stdout).hexdigest()


@needs_openssl
def test_openssl_finds_the_signature_good_too(key: Ed25519PrivateKey, tmp_path: Path) -> None:
    """Somebody who trusts no line of this package checks it all the same."""
    (tmp_path / "content").write_bytes(b'{"a":1}')
    (tmp_path / "signature").write_bytes(SigningKey(key).sign(b'{"a":1}').value)
    (tmp_path / "public.pem").write_bytes(public_pem(key))
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-rawin"]
    files = ["-in", "content", "-sigfile", "signature"]
    done = subprocess.run([*command, *files], capture_output=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr


def test_a_signing_key_shows_nothing_of_itself(key: Ed25519PrivateKey) -> None:
    """Not to printers, not to a pickle."""
    signing = SigningKey(key)
    raw = key.private_bytes(ser.Encoding.Raw, ser.PrivateFormat.Raw, ser.NoEncryption())
    for shown in (repr(signing), str(signing), f"{signing}"):
        assert raw.hex() not in shown
        assert base64.b64encode(raw).decode() not in shown
        assert signing.public_key.fingerprint in shown
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(signing)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o777])
def test_a_key_that_others_can_read_is_refused(mode: int, key: Ed25519PrivateKey, tmp_path: Path) -> None:
    """It says how to close the file, and that the key may be known already."""
    path = private(tmp_path / "key.pem", private_pem(key), mode)
    with pytest.raises(ComplianceFramesError, match=r"can be read by others: chmod 600 .*make another"):
        SigningKey.read(path)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_passphrase_comes_from_the_environment_or_is_asked_for(
    key: Ed25519PrivateKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is never told in a message, and a wrong one is."""
    path = private(tmp_path / "key.pem", private_pem(key, "correct horse"))
    with pytest.raises(ComplianceFramesError, match=PASSPHRASE_VARIABLE):
        SigningKey.read(path)
    assert SigningKey.read(path, ask=lambda: "correct horse").public_key == SigningKey(key).public_key
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "correct horse")
    SigningKey.read(path)
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "battery staple")
    with pytest.raises(ComplianceFramesError, match="its passphrase is wrong, or it is no private key") as caught:
        SigningKey.read(path)
    assert "battery" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: rsa.generate_private_key(65537, 2048), "RSA"),
        (lambda: ec.generate_private_key(ec.SECP256R1()), "ECC?|EllipticCurve"),
        (ed448.Ed448PrivateKey.generate, "Ed448"),
    ],
)
def test_a_key_of_another_kind_is_named(make: Any, kind: str, tmp_path: Path) -> None:
    """Certificates are signed with one kind of key; it says which, and how to make one."""
    key = make()
    (tmp_path / "public.pem").write_bytes(public_pem(key))
    for read in (
        lambda: SigningKey.read(private(tmp_path / "key.pem", private_pem(key))),
        lambda: PublicKey.read(tmp_path / "public.pem"),
    ):
        with pytest.raises(ComplianceFramesError, match=rf"of another kind \(({kind})\).*openssl genpkey -alg"):
            read()


def test_what_is_no_key_is_told_and_not_quoted(key: Ed25519PrivateKey, tmp_path: Path) -> None:
    """A public key for a private one, SSH's own format, rubbish, nothing, far too much."""
    ssh = private_pem(key, format=ser.PrivateFormat.OpenSSH)
    for data in (public_pem(key), ssh, b"s3cret", b"", b"-----BEGIN PRIVATE KEY-----\ns3cret\n", b"x" * 100_000):
        with pytest.raises(ComplianceFramesError) as caught:
            SigningKey.read(private(tmp_path / "key.pem", data))
        assert "s3cret" not in str(caught.value)
        assert "key.pem" in str(caught.value)
    with pytest.raises(ComplianceFramesError, match=r"no public key in a PEM file.*-pubout"):
        PublicKey.read(private(tmp_path / "key.pem", private_pem(key)))
    with pytest.raises(ComplianceFramesError, match="nowhere cannot be read: No such file"):
        SigningKey.read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"algorithm": "Ed448", "public_key": "", "value": ""},
        {"algorithm": "Ed25519", "public_key": "?", "value": ""},
        {"algorithm": "Ed25519", "public_key": 1, "value": ""},
        {"algorithm": "Ed25519", "public_key": "é", "value": ""},
        {"algorithm": "Ed25519", "public_key": "", "value": "", "more": ""},
    ],
)
def test_what_is_no_signature_is_refused(content: dict[str, Any]) -> None:
    """Before any of it reaches a library of cryptography."""
    with pytest.raises(ValueError, match="its signature"):
        Signature.from_dict(content)


def test_without_the_library_a_signature_is_not_passed_over(key: Ed25519PrivateKey, tmp_path: Path) -> None:
    """Where it cannot be checked, nothing calls the certificate good; one sentence tells what to install."""
    pem = private(tmp_path / "key.pem", private_pem(key))
    told = SigningKey.read(pem).sign(b"content").to_dict()
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from compliance_frames.errors import ComplianceFramesError\n"
        "from compliance_frames.proof.signature import PublicKey, Signature, SigningKey\n"
        f"told = {told!r}\n"
        f"for do in (lambda: SigningKey.read({str(pem)!r}), lambda: PublicKey.read({str(pem)!r}),\n"
        "           lambda: Signature.from_dict(told).check(b'content')):\n"
        "    try: do()\n"
        "    except ComplianceFramesError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.count("pip install 'compliance-frames[sign]'") == 3
