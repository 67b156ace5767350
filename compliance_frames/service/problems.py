"""The service's problem documents as errors, matched by the end of their type: its host has moved once already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compliance_frames.errors import ApiError, AuthError, ConflictError, RateLimitError, ServiceError
from compliance_frames.service.retry import reset_at
from compliance_frames.service.secret import redacted
from compliance_frames.service.tokens import TOKEN_VARIABLE


def error_of(status: int, document: Any, headers: Mapping[str, str], doing: str) -> ApiError:
    """The error that an answer stands for.

    Args:
        status: the HTTP status; a 200 may hold problems too.
        document: the answer's JSON, or None where it had none.
        headers: the answer's headers.
        doing: what was asked, in words that fit "The service … while" (e.g. ``creating a job``).

    >>> error = error_of(401, {"title": "Unauthorized", "detail": "Unauthorized"}, {}, "creating a job")
    >>> type(error).__name__, error.status
    ('AuthError', 401)
    """
    problem = document if isinstance(document, dict) else {}
    detail = _detail(problem)
    said = f' It says: "{detail}"' if detail else ""
    kind = str(problem.get("type", ""))
    if kind.endswith("/problems/conflict") and 400 <= status < 500:
        return ConflictError(f"Another job holds the one job slot, while {doing}.{said}", status=status, detail=detail)
    if status == 401:
        return AuthError(
            f"The service does not accept the bearer token (401), while {doing}. Check {TOKEN_VARIABLE}: it must be "
            f"an app-only bearer token that is still valid.{said}",
            status=status,
            detail=detail,
        )
    if status == 403:
        return AuthError(
            f"The service refuses access (403), while {doing}. The app behind the token needs access to the batch "
            f"compliance endpoints, and the token must be app-only.{said}",
            status=status,
            detail=detail,
        )
    if status == 429:
        when = reset_at(headers)
        until = f" It resets at {when:%H:%M:%S} UTC." if when else ""
        message = f"The rate limit of the service did not clear, while {doing}.{until} Run again later: it goes on."
        return RateLimitError(message, status=status, detail=detail, reset_at=when)
    if status >= 500 or status == 408:
        message = f"The service failed (HTTP {status}), while {doing}.{said} Run again later: it goes on."
        return ServiceError(message, status=status, detail=detail)
    return ApiError(f"The service refused (HTTP {status}), while {doing}.{said}", status=status, detail=detail)


def _detail(problem: dict[str, Any]) -> str:
    errors = problem.get("errors")
    inner = [
        str(error.get("message") or error.get("detail") or error.get("title") or "")
        for error in (errors if isinstance(errors, list) else [])
        if isinstance(error, dict)
    ]
    words = [str(problem.get("detail") or problem.get("title") or ""), *inner]
    return redacted(" ".join(word for word in words if word))[:500]
