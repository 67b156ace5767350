"""Read Thrift's compact protocol, in which Parquet writes footers, page headers and indexes.

It is written anew here, to share nothing with the cleaning. The bytes are not trusted: lengths are held against what is
there, nesting is bounded, nothing is allocated on the word of a number.
"""

from __future__ import annotations

from typing import Any, Final

_DEEPEST: Final = 24


class ThriftError(ValueError):
    """Bytes that are no struct."""


class CutShort(ThriftError):
    """The bytes end too early: with more of them it may be a struct."""


def parsed(data: bytes, at: int = 0) -> tuple[dict[int, Any], int]:
    """The struct that bytes begin with, by the numbers of its fields, and where it ends.

    Structs are dictionaries, texts are bytes, maps are lists of pairs.

    Raises:
        ThriftError: they do not begin with one.

    >>> parsed(bytes([0x15, 0x04, 0x18, 0x02, 0x68, 0x69, 0x00]))
    ({1: 2, 2: b'hi'}, 7)
    """
    reader = _Compact(data, at)
    return reader.struct(), reader.at


class _Compact:
    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self.at = at

    def struct(self, depth: int = 0) -> dict[int, Any]:
        found: dict[int, Any] = {}
        field = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            field = field + step if step else self._zigzag()
            found[field] = kind == 1 if kind in (1, 2) else self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (4, 5, 6):
            return self._zigzag()
        if kind == 8:
            return self._take(self._varint())
        if depth > _DEEPEST:
            raise ThriftError("its parts are nested too deeply")
        if kind == 12:
            return self.struct(depth + 1)
        if kind in (9, 10):
            return self._list(depth)
        if kind in (1, 2, 3):  # within a list, a boolean is a byte
            return self._byte()
        if kind == 7:
            return self._take(8)
        if kind == 11:
            return self._map(depth)
        raise ThriftError(f"it has a field of the unknown type {kind}")

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        size = self._counted(self._varint() if head >> 4 == 15 else head >> 4)
        return [self._value(head & 15, depth + 1) for _ in range(size)]

    def _map(self, depth: int) -> list[Any]:
        size = self._counted(self._varint())
        kinds = self._byte() if size else 0
        return [(self._value(kinds >> 4, depth + 1), self._value(kinds & 15, depth + 1)) for _ in range(size)]

    def _counted(self, size: int) -> int:
        """A number of elements, each of which takes a byte at least."""
        if size > len(self._data) - self.at:
            raise CutShort("a list in it is longer than all of it")
        return size

    def _byte(self) -> int:
        at = self.at
        try:
            byte = self._data[at]
        except IndexError:
            raise CutShort("the bytes end within it") from None
        self.at = at + 1
        return byte

    def _take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self._data):
            raise CutShort("the bytes end within it")
        taken = self._data[self.at : end]
        self.at = end
        return taken

    def _varint(self) -> int:
        value = self._byte()
        if value < 128:  # as most are
            return value
        value &= 127
        for shift in range(7, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ThriftError("a number in it has no end")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
