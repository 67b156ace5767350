"""The command line: arguments in, functions called, tables out."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import Final

import rich_click as click

from compliance_frames import __version__
from compliance_frames.cli import asking, cleaning, naming, proving, taking_in, trying
from compliance_frames.cli.failing import discard_stdout, fail

_EXIT_CODES: Final = (
    "Exit codes: 0 done, 2 usage, 3 verification failed, 4 the service refused, "
    "5 the corpus or an ID column is not usable, 1 anything else."
)
_HELP: Final = {
    "text_markup": "rich",
    "style_commands_table_column_width_ratio": (1, 5),
    "options_table_column_types": ["required", "opt_all_metavar", "help"],
    "options_table_help_sections": ["help", "default"],
    "text_paragraph_linebreaks": "\n\n",
    "max_width": 100,
    "command_groups": {
        "compliance-frames": [
            {"name": "All of it", "commands": ["run", "demo"]},
            {"name": "The steps", "commands": ["ingest", "columns", "check", "plan", "clean", "verify", "report"]},
            {"name": "The service", "commands": ["jobs", "emulate"]},
        ]
    },
}


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EXIT_CODES)
@click.rich_config(help_config=_HELP)
@click.version_option(__version__, prog_name="compliance-frames")
def commands() -> None:
    """Bring stored Twitter/X corpora back into line with what people chose.

    Asks the batch compliance service what became of the tweets and authors of a Parquet dataset, writes a cleaned
    copy, and proves that what had to go is gone. Every step can be run again and goes on where it stopped.

    The token is read from [bold]X_BEARER_TOKEN[/], from [bold]--token-fd[/] or from the keyring, the service's address
    from [bold]COMPLIANCE_FRAMES_BASE_URL[/].

    \b
    Example:
      compliance-frames demo                 see it in seconds, without a token
      compliance-frames run corpus/ clean/   check, plan, clean, verify, report
    """


for _command in (
    *(cleaning.run, taking_in.ingest, naming.show_columns, asking.check, cleaning.plan, cleaning.clean),
    *(proving.verify, proving.report, asking.jobs, trying.demo, trying.emulate),
):
    commands.add_command(_command)


def main(args: Sequence[str] | None = None) -> int:
    """Run a command and give its exit code; no error passes as a traceback unless ``--debug`` asks for it.

    >>> main(["--version"])
    compliance-frames, version ...
    0
    """
    given = list(sys.argv[1:] if args is None else args)
    _print_anything()
    _choose_allocator()
    try:
        code = commands.main(given, prog_name="compliance-frames", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError as error:
        discard_stdout()
        return fail(error, given)
    except SystemExit as leaving:  # help without a command
        return int(leaving.code or 0)
    except BaseException as error:
        return fail(error, given)
    return code if isinstance(code, int) else 0


def _print_anything() -> None:
    """A dash or a foreign file name is printed in some way on every terminal, and ends no run."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _choose_allocator() -> None:
    """Have Arrow take memory from jemalloc, unless somebody has chosen: its usual one keeps more of what was freed.

    Only a process that has not loaded Arrow yet can choose, and only where Arrow is built with it.
    """
    if sys.platform == "linux" and "pyarrow" not in sys.modules:
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
