"""Answers read within bounds: of bytes, of what they unpack to, of time, whatever the other side says of them."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from compliance_frames.errors import ChecksumError, TransferError

if TYPE_CHECKING:
    import httpx

BLOCK: Final = 2**16
#: Times the packed size: JSON lines shrink 10 to 20 times, a bomb 1,000 times.
MOST_UNPACKED: Final = 200
_MOST_MEMBERS: Final = 10_000
_PATIENCE: Final = 120.0  # seconds for an answer of some kilobytes that comes by the drop
_GZIP: Final = 31  # of zlib: a gzip header and trailer


def content_of(response: httpx.Response, most: int) -> bytes | None:
    """The content of an answer that is being streamed; None where it is longer than that, broken, or takes too long.

    The library would unpack whole blocks, by any method that it knows: here it unpacks nothing.
    """
    packing = response.headers.pop("content-encoding", "identity").strip().lower()
    blocks = _in_time(response.iter_bytes(BLOCK))
    if packing == "gzip":
        blocks = inflated(blocks, most=most)
    elif packing != "identity":
        return None
    content = bytearray()
    try:
        for block in blocks:
            content += block
            if len(content) > most:
                return None
    except (ChecksumError, TransferError, TimeoutError):
        return None
    return bytes(content)


def inflated(blocks: Iterable[bytes], *, most: int) -> Iterator[bytes]:
    """What gzip members unpack to, a little at a time.

    Raises:
        ChecksumError: they are not whole, or no gzip at all.
        TransferError: there is more of it than ``most`` bytes, or there are more members than any writer makes.

    >>> import gzip
    >>> b"".join(inflated([gzip.compress(b"{}")], most=100))
    b'{}'
    """
    member, members, size = None, 0, 0
    try:
        for block in blocks:
            while block:
                if member is None:
                    block = block.lstrip(b"\0")  # padding, as gzip itself bears it
                    if not block:
                        break
                    member, members = zlib.decompressobj(_GZIP), members + 1
                content = member.decompress(block, BLOCK)
                size += len(content)
                if size > most or members > _MOST_MEMBERS:
                    raise TransferError("The download unpacks to more than any result file would; it is refused.")
                yield content
                block = member.unused_data if member.eof else member.unconsumed_tail
                member = None if member.eof else member
    except zlib.error:
        raise _not_whole() from None
    if member is not None:
        raise _not_whole()


def _in_time(blocks: Iterable[bytes]) -> Iterator[bytes]:
    ends = time.monotonic() + _PATIENCE
    for block in blocks:
        if time.monotonic() > ends:
            raise TimeoutError
        yield block


def _not_whole() -> ChecksumError:
    return ChecksumError("The download says that it is gzip, and is not whole.")
