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
_STRUCT_ONLY: Final = (STRUCT,)
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
        return bytes([len(self) << 4 | STRUCT]) if len(self) < 15 else bytes([0xF0 | STRUCT]) + varint(len(self))


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

    def raw(self, number: int) -> bytes | None:
        """The bytes of a field that was not opened, or None where there is no such field."""
        field = self.fields.get(number)
        return None if field is None or not isinstance(field.value, bytes) else field.value

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
                self._set(number, kind if field is None else field.kind, varint(value << 1 ^ value >> 63))
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
                pieces.append(bytes([field.kind]) + (field.long or varint(number << 1 ^ number >> 63)))
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
        data, at, found, number = self.data, self.at, Struct(), 0
        fields = found.fields
        if depth > DEEPEST:
            raise _too_deep()
        while head := data[at]:
            at += 1
            kind, long = head & 15, None
            if head > 15:
                number += head >> 4
            else:
                start = at
                at = _number_end(data, start)
                long = data[start:at]
                number = _zigzag(long)
            if number in fields:
                raise FooterError(f"field {number} stands twice in a struct of a footer")
            value, start = None, at
            if number in shape:
                self.at = at
                value = self._opened(kind, shape[number], depth)
            if value is not None:
                at = self.at
            elif I16 <= kind <= I64 and data[at] < 0x80:  # most of them are, and small ones
                at += 1
            elif kind > FALSE:  # a boolean field is its type
                at = _end(data, at, kind, depth)
            fields[number] = Field(kind, data[start:at] if value is None else value, long)
            self._left -= 1
            if self._left < 0:
                raise FooterError(f"a footer has more than {MOST_OPENED:,} fields: it is too large to be edited")
        self._left -= 1
        self.at = at + 1
        return found

    def texts(self) -> Iterator[bytes]:
        kind, size, self.at = _list_head(self.data, self.at)
        if kind != BINARY and size:
            raise FooterError(f"a list of texts in a footer has elements of type {kind}")
        for _ in range(size):
            length, start = _count(self.data, self.at)
            self.at = _within(self.data, start + length)
            yield self.data[start : self.at]

    def _opened(self, kind: int, shape: Shape, depth: int) -> Struct | Structs | None:
        """A struct, or a list of structs; None where it is neither."""
        if kind == STRUCT:
            return self.struct(shape, depth + 1)
        if kind not in (LIST, SET) or self.data[self.at] & 15 != STRUCT:
            return None
        start = self.at
        _, size, self.at = _list_head(self.data, start)
        head = self.data[start : self.at]
        return Structs([self.struct(shape, depth + 1) for _ in range(size)], head)


def _end(data: bytes, at: int, kind: int, depth: int) -> int:
    """Where a value ends that begins somewhere. Most of a footer is passed over here, and most of it is numbers."""
    if I16 <= kind <= I64:
        return at + 1 if data[at] < 0x80 else _number_end(data, at)
    if kind == BINARY:
        size = data[at]
        if size > 0x7F:
            size, at = _count(data, at)
            return _within(data, at + size)
        return _within(data, at + 1 + size)
    if kind == STRUCT:
        return _struct_end(data, at, depth + 1)
    if kind in (LIST, SET):
        element, size, at = _list_head(data, at)
        return _elements_end(data, at, (element,), size, depth)
    if kind == MAP:
        size, at = _count(data, at)
        kinds = data[at] if size else 0
        return _elements_end(data, at + bool(size), (kinds >> 4, kinds & 15), size, depth)
    if kind in _FIXED:
        return _within(data, at + _FIXED[kind])
    raise FooterError(f"a footer has a field of the unknown type {kind}")


def _struct_end(data: bytes, at: int, depth: int) -> int:
    if depth > DEEPEST:
        raise _too_deep()
    while head := data[at]:
        at += 1
        if head < 16:
            at = _number_end(data, at)
        kind = head & 15
        if kind > FALSE:
            at = at + 1 if I16 <= kind <= I64 and data[at] < 0x80 else _end(data, at, kind, depth)
    return at + 1


def _elements_end(data: bytes, at: int, kinds: tuple[int, ...], size: int, depth: int) -> int:
    if depth > DEEPEST:
        raise _too_deep()
    if size * len(kinds) > len(data) - at:  # each takes a byte at least
        raise CutShort(f"a list in a footer says to have {size:,} elements, and is longer than the footer")
    if kinds == _STRUCT_ONLY:
        for _ in range(size):
            at = _struct_end(data, at, depth + 2)
    elif all(kind in _FIXED for kind in kinds):
        at = _within(data, at + size * sum(_FIXED[kind] for kind in kinds))
    else:
        for _ in range(size):
            for kind in kinds:
                at = _end(data, at, kind, depth + 1)
    return at


def _list_head(data: bytes, at: int) -> tuple[int, int, int]:
    """The type of a list's elements, how many they are, and where they begin."""
    head = data[at]
    size, at = _count(data, at + 1) if head >> 4 == 15 else (head >> 4, at + 1)
    if size > len(data) - at:
        raise CutShort(f"a list in a footer says to have {size:,} elements, and is longer than the footer")
    return head & 15, size, at


def _count(data: bytes, at: int) -> tuple[int, int]:
    """A number without a sign, and where it ends."""
    if data[at] < 0x80:
        return data[at], at + 1
    end = _number_end(data, at)
    return unsigned(data[at:end]), end


def _within(data: bytes, end: int) -> int:
    if end > len(data):
        raise IndexError
    return end


def _too_deep() -> FooterError:
    return FooterError(f"a footer is nested more than {DEEPEST} deep")


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


def unsigned(raw: bytes) -> int:
    """The number of which :func:`varint` gives the digits."""
    if len(raw) == 1:
        return raw[0]
    value = 0
    for shift, byte in enumerate(raw):
        value |= (byte & 127) << 7 * shift
    return value


def _zigzag(raw: bytes) -> int:
    value = unsigned(raw)
    return value >> 1 ^ -(value & 1)


def varint(value: int) -> bytes:
    """Digits of seven bits each, the lowest first.

    >>> varint(300).hex()
    'ac02'
    """
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    made.append(value)
    return bytes(made)
