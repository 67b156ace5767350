"""Thrift's compact protocol as bytes that can be changed in places, with all that is not understood kept as it is.

Parquet's footers, page headers and indexes are structs in this protocol. Only those structs are opened that somebody
wants to look into, by a :data:`Shape`; every other value stays the slice of bytes that it was. So what a newer writer
has put there survives, and what was read and not changed is written back byte for byte, however it was encoded.
The bytes are not trusted: lengths are held against what is there, nesting and the number of opened values are bounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from compliance_frames.errors import FooterError

#: Which fields of a struct are opened, and how those within: ``{4: {1: {}}}`` opens field 4, and of it field 1.
#: A field that is opened is a struct, or a list of structs.
Shape: TypeAlias = Mapping[int, "Shape"]

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT, UUID = range(1, 14)
_INTEGERS: Final = (I16, I32, I64)
_FIXED: Final = {TRUE: 1, FALSE: 1, BYTE: 1, DOUBLE: 8, UUID: 16}

#: Structs within structs; Parquet's own are 7 deep.
DEEPEST: Final = 32
#: Structs and fields that are opened in one go, of about 100 bytes each: row groups times columns times 20.
MOST_OPENED: Final = 500_000
_LONGEST_NUMBER: Final = 10  # bytes of a 64-bit integer
_BYTES: Final = tuple(bytes([each]) for each in range(256))


class Field:
    """A field of a struct: the number of its type, its value, and how its own number was written."""

    __slots__ = ("kind", "long", "value")

    def __init__(self, kind: int, value: bytes | Struct | Structs, long: bytes | None = None) -> None:
        self.kind, self.value, self.long = kind, value, long


class Structs(list["Struct"]):
    """A list of structs, and the bytes that said so."""

    def __init__(self, structs: list[Struct], head: bytes = b"") -> None:
        super().__init__(structs)
        self._head, self._read = head, len(structs)

    def head(self) -> bytes:
        """What stands before the elements: as it was read, where there are as many as then."""
        if self._head and len(self) == self._read:
            return self._head
        return bytes([len(self) << 4 | STRUCT]) if len(self) < 15 else bytes([0xF0 | STRUCT]) + _varint(len(self))


class Struct:
    """A struct whose fields are known by their numbers, in the order in which they stood.

    >>> found, end = parsed(bytes([0x15, 0x02, 0x00]))
    >>> found.integer(1), end
    (1, 3)
    >>> found.put(1, 64)
    >>> found.encoded().hex()
    '15800100'
    """

    __slots__ = ("fields",)

    def __init__(self) -> None:
        self.fields: dict[int, Field] = {}

    def __contains__(self, number: int) -> bool:
        return number in self.fields

    def integer(self, number: int) -> int | None:
        """An integer, or None where there is no such field.

        Raises:
            FooterError: the field holds something else.
        """
        field = self.fields.get(number)
        if field is None:
            return None
        if field.kind not in _INTEGERS or not isinstance(field.value, bytes):
            raise FooterError(f"field {number} of a footer is to be an integer, and is of type {field.kind}")
        return _zigzag(field.value)

    def binary(self, number: int) -> bytes | None:
        """Text or bytes, or None where there is no such field."""
        field = self.fields.get(number)
        if field is None:
            return None
        if field.kind != BINARY or not isinstance(field.value, bytes):
            raise FooterError(f"field {number} of a footer is to be text, and is of type {field.kind}")
        return field.value[_number_end(field.value, 0) :]

    def struct(self, number: int) -> Struct | None:
        """A struct that was opened, or None where there is no such field."""
        field = self.fields.get(number)
        if field is None:
            return None
        if not isinstance(field.value, Struct):
            raise FooterError(f"field {number} of a footer is to be a struct, and is of type {field.kind}")
        return field.value

    def structs(self, number: int) -> Structs:
        """A list of structs that was opened, empty where there is no such field."""
        field = self.fields.get(number)
        if field is None:
            return Structs([])
        if field.kind in (LIST, SET) and isinstance(field.value, bytes) and not field.value[0] >> 4:
            return Structs([])  # an empty list, of whatever
        if not isinstance(field.value, Structs):
            raise FooterError(f"field {number} of a footer is to be a list of structs, and is of type {field.kind}")
        return field.value

    def put(self, number: int, value: int | Struct | list[Struct], kind: int = I64) -> None:
        """Change a field, or add it; ``kind`` is the type of an integer that was not there before."""
        field = self.fields.get(number)
        if isinstance(value, int):
            if field is None or _zigzag(_raw(field)) != value:
                self._set(number, kind if field is None else field.kind, _varint(value << 1 ^ value >> 63))
        elif isinstance(value, Struct):
            self._set(number, STRUCT, value)
        else:
            self._set(number, LIST, value if isinstance(value, Structs) else Structs(value))

    def drop(self, *numbers: int) -> None:
        """Take fields out, where they are."""
        for number in numbers:
            self.fields.pop(number, None)

    def copied(self, *numbers: int) -> Struct:
        """Another struct with the same fields, or with these of them; what is within them is shared."""
        made = Struct()
        made.fields = {each: field for each, field in self.fields.items() if not numbers or each in numbers}
        return made

    def encoded(self) -> bytes:
        """The bytes of the struct."""
        pieces: list[bytes] = []
        self._write(pieces)
        return b"".join(pieces)

    def _set(self, number: int, kind: int, value: bytes | Struct | Structs) -> None:
        before = self.fields.get(number)
        self.fields[number] = Field(kind, value, None if before is None else before.long)

    def _write(self, pieces: list[bytes]) -> None:
        last = 0
        for number, field in self.fields.items():
            step, last, value = number - last, number, field.value
            if field.long is not None or not 0 < step <= 15:
                pieces.append(bytes([field.kind]) + (field.long or _varint(number << 1 ^ number >> 63)))
            else:
                pieces.append(_BYTES[step << 4 | field.kind])
            if isinstance(value, bytes):
                pieces.append(value)
            elif isinstance(value, Struct):
                value._write(pieces)
            else:
                pieces.append(value.head())
                for each in value:
                    each._write(pieces)
        pieces.append(b"\0")


def parsed(data: bytes, shape: Shape | None = None, at: int = 0) -> tuple[Struct, int]:
    """The struct that begins somewhere in bytes, and where it ends.

    Args:
        data: the bytes.
        shape: what to open of it.
        at: where it begins.

    Raises:
        CutShort: the bytes end within it.
        FooterError: they are no struct, or one that is nested too deeply or has too much in it.
    """
    reader = _Reader(data, at)
    try:
        return reader.struct(shape or {}, 0), reader.at
    except IndexError:
        raise CutShort("the bytes of a Parquet footer or header end too early") from None


def text_list(raw: bytes) -> tuple[bytes, ...]:
    """The texts of a list that was not opened, as a path in a schema is one.

    >>> text_list(bytes([0x28, 1]) + b"a" + bytes([2]) + b"bc")
    (b'a', b'bc')
    """
    try:
        return tuple(_Reader(raw, 0).texts())
    except IndexError:
        raise CutShort("a list of texts in a footer ends too early") from None


class CutShort(FooterError):
    """The bytes end too early: with more of them it may be a struct."""


class _Reader:
    """One pass over bytes. An index past their end is an ``IndexError``, which :func:`parsed` explains."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at
        self._left = MOST_OPENED

    def struct(self, shape: Shape, depth: int) -> Struct:
        data, found, number = self.data, Struct(), 0
        fields = found.fields
        self._deep(depth)
        while head := data[self.at]:
            self.at += 1
            kind, long = head & 15, None
            if head >> 4:
                number += head >> 4
            else:
                start = self.at
                self.at = _number_end(data, start)
                long = data[start : self.at]
                number = _zigzag(long)
            if number in fields:
                raise FooterError(f"field {number} stands twice in a struct of a footer")
            opened = self._opened(kind, shape[number], depth) if number in shape else None
            start = self.at
            if opened is None and kind in _INTEGERS:  # most of them are
                self.at = _number_end(data, start)
            elif opened is None and kind > FALSE:  # a boolean field is its type
                self._skip(kind, depth)
            fields[number] = Field(kind, data[start : self.at] if opened is None else opened, long)
            self._count_one()
        self.at += 1
        self._count_one()
        return found

    def texts(self) -> Iterator[bytes]:
        kind, size = self._list_head()
        if kind != BINARY and size:
            raise FooterError(f"a list of texts in a footer has elements of type {kind}")
        for _ in range(size):
            length = self._count()
            start = self.at
            self._take(length)
            yield self.data[start : self.at]

    def _opened(self, kind: int, shape: Shape, depth: int) -> Struct | Structs | None:
        """A struct, or a list of structs; None where it is neither."""
        if kind == STRUCT:
            return self.struct(shape, depth + 1)
        if kind not in (LIST, SET) or self.data[self.at] & 15 != STRUCT:
            return None
        start = self.at
        _, size = self._list_head()
        head = self.data[start : self.at]
        return Structs([self.struct(shape, depth + 1) for _ in range(size)], head)

    def _skip(self, kind: int, depth: int) -> None:
        if kind in _INTEGERS:
            self.at = _number_end(self.data, self.at)
        elif kind == BINARY:
            self._take(self._count())
        elif kind == STRUCT:
            self._skip_struct(depth + 1)
        elif kind in (LIST, SET):
            element, size = self._list_head()
            self._skip_all((element,), size, depth)
        elif kind == MAP:
            size = self._count()
            kinds = self._byte() if size else 0
            self._skip_all((kinds >> 4, kinds & 15), size, depth)
        elif kind in _FIXED:
            self._take(_FIXED[kind])
        else:
            raise FooterError(f"a footer has a field of the unknown type {kind}")

    def _skip_struct(self, depth: int) -> None:
        self._deep(depth)
        while head := self._byte():
            if not head >> 4:
                self.at = _number_end(self.data, self.at)
            if head & 15 > FALSE:
                self._skip(head & 15, depth)

    def _skip_all(self, kinds: tuple[int, ...], size: int, depth: int) -> None:
        self._deep(depth)
        if size * len(kinds) > len(self.data) - self.at:  # each takes a byte at least
            raise CutShort(f"a list in a footer says to have {size:,} elements, and is longer than the footer")
        if all(kind in _FIXED for kind in kinds):
            self._take(size * sum(_FIXED[kind] for kind in kinds))
            return
        for _ in range(size):
            for kind in kinds:
                self._skip(kind, depth + 1)

    def _list_head(self) -> tuple[int, int]:
        head = self._byte()
        size = self._count() if head >> 4 == 15 else head >> 4
        if size > len(self.data) - self.at:
            raise CutShort(f"a list in a footer says to have {size:,} elements, and is longer than the footer")
        return head & 15, size

    def _count(self) -> int:
        start = self.at
        self.at = _number_end(self.data, start)
        return _unsigned(self.data[start : self.at])

    def _byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def _take(self, size: int) -> None:
        self.at += size
        if self.at > len(self.data):
            raise IndexError

    def _count_one(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise FooterError(f"a footer has more than {MOST_OPENED:,} fields: it is too large to be edited")

    def _deep(self, depth: int) -> None:
        if depth > DEEPEST:
            raise FooterError(f"a footer is nested more than {DEEPEST} deep")


def _raw(field: Field) -> bytes:
    if not isinstance(field.value, bytes) or field.kind not in _INTEGERS:
        raise FooterError(f"a field of a footer is to be an integer, and is of type {field.kind}")
    return field.value


def _number_end(data: bytes, at: int) -> int:
    """Where a number ends that begins somewhere."""
    end = at
    while data[end] & 0x80:
        end += 1
        if end - at >= _LONGEST_NUMBER:
            raise FooterError("a number in a footer has no end")
    return end + 1


def _unsigned(raw: bytes) -> int:
    if len(raw) == 1:
        return raw[0]
    value = 0
    for shift, byte in enumerate(raw):
        value |= (byte & 127) << 7 * shift
    return value


def _zigzag(raw: bytes) -> int:
    value = _unsigned(raw)
    return value >> 1 ^ -(value & 1)


def _varint(value: int) -> bytes:
    """Digits of seven bits each, the lowest first.

    >>> _varint(300).hex()
    'ac02'
    """
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    made.append(value)
    return bytes(made)
