"""How a command line's words become values: durations, treatments, and the options that commands share."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import rich_click as click

from compliance_frames.console import Display
from compliance_frames.names import leads_into

if TYPE_CHECKING:
    from compliance_frames.corpus.policy import Policy
    from compliance_frames.service.secret import Secret

_Command = TypeVar("_Command", bound=Callable[..., Any])

_UNITS: Final = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_DURATION: Final = re.compile(r"\s*(\d+(?:\.\d+)?)([wdhms])", re.ASCII)
_DESCRIPTOR: Final = re.compile(r"0|[3-9]|[1-9][0-9]{1,3}")  # 1 and 2 are what is written to
_TREATMENTS: Final = ("drop", "scrub_geo", "keep")


def duration(text: str) -> timedelta:
    """A duration as people write it.

    Raises:
        ValueError: it is none.

    >>> duration("7d"), duration("1h30m")
    (datetime.timedelta(days=7), datetime.timedelta(seconds=5400))
    """
    pieces = _DURATION.findall(text)
    if not pieces or _DURATION.sub("", text).strip():
        raise ValueError(f"{text!r} is no duration: write 7d, 36h, 90m, 45s or 1d12h")
    try:
        return sum((timedelta(**{_UNITS[unit]: float(count)}) for count, unit in pieces), timedelta())
    except OverflowError:
        raise ValueError(f"{text!r} is longer than any calendar") from None


class Duration(click.ParamType[timedelta]):
    """The type of an option that takes a duration."""

    name = "duration"

    def __init__(self, *, positive: bool = False) -> None:
        self.positive = positive

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The duration that a text spells."""
        if isinstance(value, timedelta):
            return value
        try:
            length = duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if self.positive and not length:
            self.fail(f"{value!r} is no time at all", param, ctx)
        return length


class Fraction(click.ParamType[float]):
    """The type of an option that takes a part of a whole: ``10%`` or ``0.1``."""

    name = "part"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The part that a text spells."""
        try:
            part = float(str(value).removesuffix("%")) / (100 if str(value).endswith("%") else 1)
        except ValueError:
            part = 0
        if not 0 < part <= 1:
            self.fail(f"{value!r}: write a part of a whole, as 10% or 0.1", param, ctx)
        return part


class Treat(click.ParamType[tuple[str, str]]):
    """The type of ``--treat``: a reason and what becomes of its rows."""

    name = "reason=treatment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """The pair that a text spells."""
        reason, equals, treatment = value.partition("=")
        if not (equals and reason and treatment in _TREATMENTS):
            self.fail(f"{value!r}: write REASON=TREATMENT, where the treatment is {_one_of(_TREATMENTS)}", param, ctx)
        return reason, treatment


class TokenDescriptor(click.ParamType["Secret"]):
    """The type of ``--token-fd``: the number of an open file, which is read at once. What it was given is not told."""

    name = "n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Secret:
        """The token in the file of that number."""
        from compliance_frames.service.tokens import token_from_descriptor

        if not _DESCRIPTOR.fullmatch(str(value)):
            self.fail("the number of an open file is wanted, as in --token-fd 3 3< FILE; no token", param, ctx)
        return token_from_descriptor(int(value))


def _one_of(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def policy_of(treat: Sequence[tuple[str, str]]) -> Policy:
    """The default policy with the treatments told on the command line.

    Raises:
        click.UsageError: one reason was told two treatments.

    >>> policy_of([("protected", "keep")]).treatments["protected"]
    'keep'
    """
    from compliance_frames.corpus.policy import Policy

    told = dict(treat)
    for reason, treatment in treat:
        if told[reason] != treatment:
            raise click.UsageError(f"--treat says both {reason}={treatment} and {reason}={told[reason]}; give one.")
    return Policy.default().treat(**told)  # type: ignore[arg-type]  # Treat has checked them


def geo_of(geo: Sequence[str], no_geo: bool) -> list[str] | None:
    """What was told of geo columns: their names, that there are none, or nothing.

    Raises:
        click.UsageError: both.

    >>> geo_of(["place"], no_geo=False), geo_of([], no_geo=True), geo_of([], no_geo=False)
    (['place'], [], None)
    """
    if geo and no_geo:
        raise click.UsageError("--geo names columns and --no-geo says that there are none; give one of them.")
    return list(geo) if geo or no_geo else None


class Decorator(Protocol):
    """What gives a command an option, or several."""

    def __call__(self, command: _Command, /) -> _Command:
        """The command with its options."""


def keep_apart(path: Path | None, option: str, *datasets: Path) -> None:
    """See that what a command writes beside a dataset does not land inside of it, where it would be taken for data.

    Raises:
        click.UsageError: it would.

    >>> keep_apart(Path("corpus.ledger"), "--ledger", Path("corpus"))
    """
    for dataset in datasets:
        if path is not None and leads_into(path, dataset) and not dataset.is_file():
            raise click.UsageError(f"{option} {path} lies inside the dataset {dataset}; give a path outside of it.")


def together(*options: Decorator) -> Decorator:
    """Several options as one decorator, shown in the order in which they are given."""

    def decorate(command: _Command, /) -> _Command:
        return functools.reduce(lambda inner, option: option(inner), reversed(options), command)

    return decorate


def _display(_ctx: click.Context, _option: click.Parameter, as_json: bool) -> Display:
    return Display(as_json=as_json)


# Every path is taken as it is: whoever reads it knows best what is wrong with it.
PATH: Final[Any] = click.Path(path_type=Path)

#: ``--json`` and ``--debug``, on every command; the command gets a ``display``.
output: Final[Decorator] = together(
    click.option(
        "--json",
        "display",
        is_flag=True,
        callback=_display,
        help="Print one JSON object on stdout at the end; everything for people goes to stderr.",
    ),
    click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        help="Show the traceback of an error. Also: COMPLIANCE_FRAMES_DEBUG=1.",
    ),
)

ledger: Final[Decorator] = click.option(
    "--ledger",
    type=PATH,
    required=True,
    metavar="DIR",
    help="Directory that remembers what was asked and what came back. Made when it is not there.",
)

asking: Final[Decorator] = together(
    click.option(
        "--chunk-size",
        type=click.IntRange(min=1),
        default=5_000_000,
        show_default=True,
        metavar="N",
        help="IDs per compliance job. Few large jobs are quicker than many small ones.",
    ),
    click.option(
        "--max-age",
        type=Duration(),
        metavar="DURATION",
        help="Ask again what was answered longer ago than this: 7d, 36h, 90m.",
    ),
    click.option(
        "--references/--no-references",
        default=True,
        help="Ask about tweets and users, too, that rows retweet, quote, reply to or hold. [dim](default)[/]",
    ),
    click.option(
        "--timeout",
        type=Duration(positive=True),
        metavar="DURATION",
        help="Stop waiting for jobs after this time. They go on, and the same command picks them up.",
    ),
    click.option("--poll", type=Duration(positive=True), default="5s", hidden=True),
    click.option(
        "--allow-damaged",
        is_flag=True,
        help="Take a column of IDs that looks rounded by a float all the same.",
    ),
)

token: Final[Decorator] = click.option(
    "--token-fd",
    "token",
    type=TokenDescriptor(),
    metavar="N",
    help="Read the token from an open file: --token-fd 3 3< FILE. [dim](default: X_BEARER_TOKEN, or the keyring)[/]",
)

wait: Final[Decorator] = click.option(
    "--wait", is_flag=True, help="Wait for another run with the same ledger or destination to end."
)

treating: Final[Decorator] = together(
    click.option(
        "--treat",
        type=Treat(),
        multiple=True,
        metavar="REASON=TREATMENT",
        help="What becomes of rows flagged for a reason: drop, scrub_geo or keep. Repeatable.",
    ),
    click.option("--geo", multiple=True, metavar="COLUMN", help="Column that holds a place. Repeatable."),
    click.option("--no-geo", is_flag=True, help="Say that no column holds a place."),
    click.option(
        "--unchecked",
        type=click.Choice(["error", "keep", "drop"]),
        help="What becomes of rows whose ID was never asked. [dim](default: error; keep where no ledger tells)[/]",
    ),
    click.option(
        "--others",
        type=click.Choice(["copy", "leave"]),
        default="copy",
        show_default=True,
        help="What becomes of files without tweets in them: they go over as they are, or are left out.",
    ),
    click.option(
        "--bad-lines",
        type=click.Choice(["error", "keep", "drop"]),
        default="error",
        show_default=True,
        help="What becomes of lines of raw files that cannot be read, or hold no tweet's ID.",
    ),
    click.option(
        "--rewrite", multiple=True, metavar="FILE", help="File of CORPUS to make anew in any case. Repeatable."
    ),
)

writing: Final[Decorator] = together(
    click.option(
        "--update",
        is_flag=True,
        help="Bring a cleaned copy that is there up to date: only what is new is made.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        metavar="N",
        help="Threads that clean files. [dim](default: one for each core)[/]",
    ),
    click.option(
        "--zstd-level",
        type=click.IntRange(max=22),
        metavar="N",
        help="Level of what is compressed with zstd; 1 is quickest. [dim](default: that of each source file)[/]",
    ),
)

output_file: Final[Decorator] = click.option(
    "-o", "--output", type=PATH, metavar="FILE", help="Where to write it. [dim](default: DEST.report.html)[/]"
)

sign_key: Final[Decorator] = click.option(
    "--sign-key",
    type=PATH,
    metavar="FILE",
    help="Sign the certificate with your Ed25519 key (PEM, mode 0600). "
    "[dim](a passphrase is asked for, or taken from COMPLIANCE_FRAMES_KEY_PASSPHRASE)[/]",
)
