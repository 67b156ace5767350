"""How a command ends when it cannot do what was asked: one sentence, and an exit code that says what kind."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import rich_click as click

from compliance_frames.console import Display
from compliance_frames.errors import ComplianceFramesError, VerificationError, exit_code

_PACKAGE: Final = Path(__file__).parents[1]
_MOST_PROBLEMS: Final = 20

#: Commands that keep what they have done so far.
_GO_ON: Final = {"check", "clean", "run"}
_NOT_ON_A_COMMAND_LINE: Final = (
    "a token does not belong on a command line, where others can read it: put it in the environment variable "
    "X_BEARER_TOKEN, hand it over with --token-fd, or keep it in the keyring"
)


@dataclass(frozen=True)
class Failure:
    """What is said of an error.

    Attributes:
        kind: the error's class, for programs.
        sentence: what happened and what to do next.
        code: the exit code.
        more: one line for each thing that belongs to it.
    """

    kind: str
    sentence: str
    code: int
    more: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The error for programs.

        >>> Failure("AuthError", "there is no token", 4).to_dict()
        {'error': {'type': 'AuthError', 'message': 'there is no token', 'exit_code': 4}}
        """
        told: dict[str, Any] = {"type": self.kind, "message": self.sentence, "exit_code": self.code}
        return {"error": told | ({"problems": list(self.more)} if self.more else {})}


def failure_of(error: BaseException) -> Failure:
    """What to say of an error.

    >>> failure_of(FileNotFoundError(2, "No such file or directory", "fates.csv")).sentence
    'fates.csv: No such file or directory'
    >>> failure_of(KeyboardInterrupt()).code
    130
    """
    kind = type(error).__name__
    if isinstance(error, VerificationError):
        return Failure(kind, str(error), exit_code(error), error.problems)
    if isinstance(error, ComplianceFramesError):
        return Failure(kind, str(error), exit_code(error))
    if isinstance(error, click.ClickException):
        return Failure("UsageError", _usage(error), error.exit_code)
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return Failure("KeyboardInterrupt", "stopped", 130)
    if isinstance(error, OSError) and error.strerror:
        where = f"{os.fspath(error.filename)}: " if isinstance(error.filename, str | os.PathLike) else ""
        return Failure(kind, f"{where}{error.strerror}", 1)
    return Failure(kind, f"unexpected {kind} at {_place(error)}; run it again with --debug to see the traceback", 1)


def fail(error: BaseException, args: Sequence[str]) -> int:
    """Tell people and programs of an error, and give the exit code."""
    failure = failure_of(error)
    if failure.code != 130 and wants_traceback(args):
        traceback.print_exception(error)
    if _is_broken_pipe(error):
        return failure.code  # whoever read has gone: nobody is there to be told
    if failure.code == 130 and _GO_ON.intersection(args[:1]):
        failure = replace(failure, sentence="stopped; nothing is lost: the same command goes on where it stopped")
    display = Display(as_json="--json" in args)
    hidden = len(failure.more) - _MOST_PROBLEMS
    shown = [f"- {problem}" for problem in failure.more[:_MOST_PROBLEMS] if problem != failure.sentence]
    display.error(failure.sentence, more=[*shown, *([f"… and {hidden:,} more"] if hidden > 0 else [])])
    display.answer(failure.to_dict())
    return failure.code


def wants_traceback(args: Sequence[str]) -> bool:
    """Whether the user wants to see where an error came from."""
    return "--debug" in args or os.environ.get("COMPLIANCE_FRAMES_DEBUG", "") not in {"", "0"}


def _usage(error: click.ClickException) -> str:
    """A usage error as one sentence, with the command that explains it."""
    if isinstance(error, click.NoSuchOption) and "token" in error.option_name:
        return _NOT_ON_A_COMMAND_LINE
    said = error.format_message()
    path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "compliance-frames"
    return f"{said}{'' if said.endswith(('.', '?')) else '.'} See {path} --help"


def _place(error: BaseException) -> str:
    """The last line of this package that an error passed: enough to find a bug, and no word of anybody's data.

    >>> _place(ValueError())
    'an unknown place'
    """
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_ours(frame.filename)]
    if not frames:
        return "an unknown place"
    return f"{Path(frames[-1].filename).relative_to(_PACKAGE.parent)}:{frames[-1].lineno}"


def _is_ours(filename: str) -> bool:
    return Path(filename).is_relative_to(_PACKAGE)


def _is_broken_pipe(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno == errno.EPIPE


def discard_stdout() -> None:
    """Send the rest to nowhere, so that the interpreter's last flush does not complain about a reader that left."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
