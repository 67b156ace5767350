"""What a flagged ID means for the rows it stands in: the one place where a reason becomes a treatment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, get_args

from compliance_frames.errors import PolicyError
from compliance_frames.schemas import TREATMENTS, JobType, Treatment


@dataclass(frozen=True)
class Policy:
    """A treatment for each reason: drop the row, null its places, or keep it.

    A policy is a value: :meth:`treat` gives another one. It decides by *reason*, never by action: the service
    lists ``scrub_geo`` under the action ``delete`` too, and whole rows would go where only a place was to go.

    Attributes:
        treatments: reason to ``"drop"``, ``"scrub_geo"`` or ``"keep"``; read-only.

    >>> Policy.default().treatment("tweets", "delete", "scrub_geo")
    'scrub_geo'
    >>> Policy.default().treat(protected="keep").treatment("users", "delete", "protected")
    'keep'
    """

    treatments: Mapping[str, Treatment] = field(default_factory=lambda: dict(TREATMENTS))

    def __post_init__(self) -> None:
        for reason, treatment in self.treatments.items():
            if treatment not in get_args(Treatment):
                choices = ", ".join(get_args(Treatment))
                raise PolicyError(f"reason {reason!r} cannot be treated by {treatment!r}; choose one of {choices}")
        object.__setattr__(self, "treatments", MappingProxyType(dict(sorted(self.treatments.items()))))

    @classmethod
    def default(cls) -> Policy:
        """Drop for every known reason but ``scrub_geo``, which nulls the places and keeps the row.

        >>> Policy.default().treatments["bounced"]
        'drop'
        """
        return cls()

    def treat(self, **reasons: Treatment) -> Policy:
        """The same policy but for the reasons given.

        >>> Policy.default().treat(withheld="drop").treatment("tweets", "delete", "withheld")
        'drop'
        """
        return Policy({**self.treatments, **reasons})

    def treatment(self, type: JobType, action: str, reason: str) -> Treatment:
        """What to do with the rows of an ID that was flagged so.

        Raises:
            PolicyError: the reason is not known here; the message holds the line that settles it.
        """
        if reason in self.treatments:
            return self.treatments[reason]
        raise PolicyError(
            f"the service flagged {type} with the reason {reason!r} (action {action!r}), which this policy does not "
            f"know. Decide what becomes of their rows, for instance policy={_spelled(reason)} "
            f"(command line: --treat {reason}=drop)"
        )

    def __hash__(self) -> int:
        return hash(tuple(self.treatments.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return Policy, (dict(self.treatments),)


def _spelled(reason: str) -> str:
    """The call that settles a reason, also one that is no Python name.

    >>> _spelled("new_reason")
    'Policy.default().treat(new_reason="drop")'
    """
    named = f'{reason}="drop"' if reason.isidentifier() else f'**{{"{reason}": "drop"}}'
    return f"Policy.default().treat({named})"
