"""Sign a certificate with a key of one's own, and check who signed one: Ed25519, by the ``cryptography`` library."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from compliance_frames.errors import ComplianceFramesError, VerificationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ALGORITHM: Final = "Ed25519"
PASSPHRASE_VARIABLE: Final = "COMPLIANCE_FRAMES_KEY_PASSPHRASE"  # noqa: S105 - the variable's name, not its value
_LARGEST_KEY_FILE: Final = 64 * 1024
_MAKE_ONE: Final = "openssl genpkey -algorithm ed25519 -out key.pem"


@dataclass(frozen=True)
class PublicKey:
    """Whose signature is believed.

    Attributes:
        der: the key as X.509 writes it (SubjectPublicKeyInfo), as ``openssl pkey -pubout -outform DER`` does.

    >>> PublicKey(bytes(44)).fingerprint[:8]
    '85759b38'
    """

    der: bytes

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key, in hexadecimal: short enough to be read out on the telephone."""
        return hashlib.sha256(self.der).hexdigest()

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> PublicKey:
        """The key of a PEM file.

        Raises:
            ComplianceFramesError: it cannot be read, is no public key, one of another kind, or there is no library.
        """
        with _library():
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
            from cryptography.hazmat.primitives.serialization import load_pem_public_key
        data = _content(Path(path), private=False)
        with _unreadable(path, "public key"):
            key = load_pem_public_key(data)
        return cls(_der(key)) if isinstance(key, Ed25519PublicKey) else _wrong_kind(path, key)


@dataclass(frozen=True)
class Signature:
    """Who vouches for a content.

    Attributes:
        public_key: of whom.
        value: 64 bytes that only the owner of the private key could make for this content.
    """

    public_key: PublicKey
    value: bytes

    def check(self, content: bytes) -> None:
        """See that the signature is of this content.

        Raises:
            VerificationError: it is not.
            ComplianceFramesError: the library is missing.
        """
        with _library():
            from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
            from cryptography.hazmat.primitives.serialization import load_der_public_key
        try:
            key = load_der_public_key(self.public_key.der)
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError
            key.verify(self.value, content)
        except (InvalidSignature, UnsupportedAlgorithm, ValueError):
            raise VerificationError(
                "the signature is not of this content: something was changed after it was signed"
            ) from None

    def to_dict(self) -> dict[str, str]:
        """The signature as JSON has it."""
        told = {"public_key": self.public_key.der, "value": self.value}
        return {"algorithm": ALGORITHM, **{name: base64.b64encode(data).decode() for name, data in told.items()}}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Signature:
        """The signature that JSON tells of.

        Raises:
            ValueError: it is none, or of another kind.
        """
        if set(content) != {"algorithm", "public_key", "value"} or content["algorithm"] != ALGORITHM:
            raise ValueError(f"its signature is none of {ALGORITHM}")
        try:
            key, value = (base64.b64decode(content[name], validate=True) for name in ("public_key", "value"))
        except (binascii.Error, TypeError, ValueError):
            raise ValueError("its signature is not written in Base64") from None
        return cls(PublicKey(key), value)


class SigningKey:
    """A private key, of which nothing is shown but the fingerprint of its public half.

    Args:
        key: of the ``cryptography`` library.
    """

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    def __repr__(self) -> str:
        return f"SigningKey(fingerprint={self.public_key.fingerprint!r})"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a SigningKey is not pickled: it would be written where it can be read")

    @property
    def public_key(self) -> PublicKey:
        """What others check its signatures with."""
        return PublicKey(_der(self._key.public_key()))

    def sign(self, content: bytes) -> Signature:
        """Vouch for a content."""
        return Signature(self.public_key, self._key.sign(content))

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, ask: Callable[[], str] | None = None) -> SigningKey:
        """The key of a PEM file that only its owner can read.

        Args:
            path: of the file.
            ask: gives the passphrase of a key that has one; taken from ``COMPLIANCE_FRAMES_KEY_PASSPHRASE`` when None.

        Raises:
            ComplianceFramesError: others can read the file, it is no private key or one of another kind, the passphrase
                is missing or wrong, or the library is not installed.
        """
        with _library():
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
            from cryptography.hazmat.primitives.serialization import load_pem_private_key
        data = _content(Path(path), private=True)
        passphrase = _passphrase(path, ask) if b"ENCRYPTED" in data else None
        with _unreadable(path, "private key", passphrase):
            key = load_pem_private_key(data, passphrase)
        return cls(key) if isinstance(key, Ed25519PrivateKey) else _wrong_kind(path, key)


def _passphrase(path: str | os.PathLike[str], ask: Callable[[], str] | None) -> bytes:
    said = os.environ.get(PASSPHRASE_VARIABLE) or (ask() if ask else "")
    if not said:
        raise ComplianceFramesError(
            f"the key {os.fspath(path)} has a passphrase: put it into the environment variable {PASSPHRASE_VARIABLE}"
        )
    return said.encode()


def _content(path: Path, *, private: bool) -> bytes:
    """What stands in a key's file; of a private one, only if nobody else can read it."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if private and stat.S_IMODE(mode) & 0o077:
                raise ComplianceFramesError(
                    f"the private key {path} can be read by others: chmod 600 {path}; if they are not trusted, "
                    f"make another: {_MAKE_ONE}"
                )
            data = file.read(_LARGEST_KEY_FILE + 1)
    except OSError as error:
        raise ComplianceFramesError(f"the key {path} cannot be read: {error.strerror or error}") from error
    if len(data) > _LARGEST_KEY_FILE:
        raise ComplianceFramesError(f"{path} is no key: no key is of that size")
    return data


def _der(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der


@contextmanager
def _unreadable(path: str | os.PathLike[str], what: str, passphrase: bytes | None = None) -> Iterator[None]:
    """Say what a file should have been. The library's words are not passed on: they may quote what it read."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        yield
    except (ValueError, TypeError, UnsupportedAlgorithm):
        wrong = "its passphrase is wrong, or it" if passphrase else "it"
        raise ComplianceFramesError(
            f"{os.fspath(path)} cannot be used: {wrong} is no {what} in a PEM file. {_how_to_make(what)}"
        ) from None


def _how_to_make(what: str) -> str:
    public = "openssl pkey -in key.pem -pubout -out public.pem"
    return f"One is made by: {_MAKE_ONE if what == 'private key' else public}"


def _wrong_kind(path: str | os.PathLike[str], key: object) -> NoReturn:
    kind = type(key).__name__.lstrip("_").removesuffix("PrivateKey").removesuffix("PublicKey")
    raise ComplianceFramesError(
        f"{os.fspath(path)} is a key of another kind ({kind}); certificates are signed with {ALGORITHM}: {_MAKE_ONE}"
    )


@contextmanager
def _library() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("cryptography"):
            raise
        raise ComplianceFramesError(
            "signatures need the cryptography library, which is not installed: pip install 'compliance-frames[sign]'"
        ) from None
