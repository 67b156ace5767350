"""The whole emulator on a port of this computer, for as long as a ``with`` block or a command lasts."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from compliance_frames.emulator.answers import TRANSPORT
from compliance_frames.emulator.app import Api
from compliance_frames.emulator.bucket import Bucket
from compliance_frames.emulator.clock import Clock
from compliance_frames.emulator.fates import Fates
from compliance_frames.emulator.faults import Faults
from compliance_frames.emulator.jobs import Job, Jobs, SlotTaken
from compliance_frames.emulator.work import Action
from compliance_frames.emulator.worker import Worker
from compliance_frames.errors import ComplianceFramesError
from compliance_frames.progress import GLANCE
from compliance_frames.schemas import JobType

_LOOPBACK = "127.0.0.1"
_REMEMBERED = 100_000
_GRACE = 5


class Answered(NamedTuple):
    """One request and its answer's status; None where the answer was lost. Paths come without their query."""

    method: str
    path: str
    status: int | None


class Emulator:
    """The compliance service and its storage on loopback, faithful to recorded exchanges.

    Args:
        port: the port on 127.0.0.1; 0 takes any that is free.
        bearer_token: the token it accepts; left out, a random one.
        fates: what became of which ID; left out, ``Fates(seed)``.
        seed: of the default fates.
        processing: how long a job takes once its upload is whole: a time, or a function of the number of IDs.
        upload_window: how long after its creation a job's upload may begin (counted, as by the real service, from the
            whole second of its creation).
        download_window: how long after its creation a job's results can be fetched.
        rate_limit: requests that each endpoint grants in a window.
        rate_window: how long such a window lasts.
        latency: how long the network takes for a request and its answer.
        persist_less: the most bytes of a part of a resumable upload that the storage keeps; None for all.
        scrub_action: the ``action`` of results whose reason is ``scrub_geo``; the documentation has had both.
        faults: what goes wrong, where and how often.
        data_dir: where bodies are kept; left out, a temporary directory that vanishes at the end.

    Raises:
        ComplianceFramesError: a number makes no sense, or the port is taken.

    >>> with Emulator() as service:
    ...     service.base_url.rpartition(":")[0], service.jobs
    ('http://127.0.0.1', [])
    """

    def __init__(
        self,
        *,
        port: int = 0,
        bearer_token: str | None = None,
        fates: Fates | None = None,
        seed: int = 0,
        processing: timedelta | Callable[[int], timedelta] = timedelta(0),
        upload_window: timedelta = timedelta(minutes=15),
        download_window: timedelta = timedelta(days=7),
        rate_limit: int = 150,
        rate_window: timedelta = timedelta(minutes=15),
        latency: timedelta = timedelta(0),
        persist_less: int | None = None,
        scrub_action: Action = "delete",
        faults: Faults | None = None,
        data_dir: Path | str | None = None,
    ) -> None:
        if persist_less is not None and persist_less < 1:
            raise ComplianceFramesError(f"persist_less={persist_less}: no upload would ever end; give 1 or more.")
        self.bearer_token = bearer_token or secrets.token_urlsafe(32)
        self.faults = faults or Faults()
        self._fates = fates or Fates(seed)
        self._clock = Clock()
        self._port, self._data_dir = port, data_dir
        self._rate_limit, self._rate_window, self._latency = rate_limit, rate_window, latency
        self._persist_less, self._scrub_action = persist_less, scrub_action
        self._requests: deque[Answered] = deque(maxlen=_REMEMBERED)
        self._jobs = Jobs(
            self._clock,
            processing=processing if callable(processing) else lambda _: processing,
            upload_window=upload_window,
            download_window=download_window,
        )
        self._origin = ""
        self._bucket: Bucket | None = None
        self._stop: Callable[[], None] | None = None

    def __repr__(self) -> str:
        return f"Emulator({self._origin or 'not started'})"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """Where it is: ``http://127.0.0.1:PORT``.

        Raises:
            ComplianceFramesError: it was not started.
        """
        if not self._origin:
            raise ComplianceFramesError("The emulator was not started; use it as `with Emulator() as service:`.")
        return self._origin

    @property
    def jobs(self) -> list[Job]:
        """All jobs as of now, oldest first."""
        return self._jobs.all()

    @property
    def requests(self) -> list[Answered]:
        """What was asked and how it was answered, oldest first; no secrets."""
        return list(self._requests)

    @property
    def uploads(self) -> dict[int, Path]:
        """The last whole upload of each job that had one: a file of IDs."""
        kept = self._bucket.uploads if self._bucket else {}
        return {job: upload.path for job, upload in kept.items()}

    @property
    def most_live(self) -> dict[JobType, int]:
        """The most jobs of each type that were ever live at once."""
        return dict(self._jobs.most_live)

    def advance(self, by: timedelta) -> None:
        """Let time pass for the service: windows end, URLs run out, limits reset, jobs complete."""
        self._clock.advance(by)

    def occupy(
        self,
        type: JobType,
        *,
        name: str | None = "somebody-else",
        age: timedelta = timedelta(0),
        lasting: timedelta | None = None,
    ) -> Job:
        """Put a job of somebody else into the slot of a type.

        Args:
            type: whose slot.
            name: the job's name.
            age: how long ago it was made.
            lasting: how long it is still ``in_progress``; None for one that is never uploaded to, and expires.

        Raises:
            ComplianceFramesError: the slot is taken.
        """
        try:
            return self._jobs.occupy(type, name=name, age=age, lasting=lasting)
        except SlotTaken:
            raise ComplianceFramesError(f"The slot for {type} is taken by another live job.") from None

    def start(self) -> None:
        """Begin to serve; ``with`` does it.

        Raises:
            ComplianceFramesError: it was started before, or the port is taken.
        """
        if self._stop:
            raise ComplianceFramesError("The emulator is running already.")
        listener = _listener(self._port)
        self._origin = f"http://{_LOOPBACK}:{listener.getsockname()[1]}"
        folder = None if self._data_dir else tempfile.TemporaryDirectory(prefix="compliance-frames-emulator-")
        path = Path(folder.name if folder else self._data_dir or "")
        path.mkdir(parents=True, exist_ok=True)
        worker, app = self._build(path)
        stop_serving = _serve(app, listener)

        def stop() -> None:
            stop_serving()
            worker.close()
            if folder:
                folder.cleanup()

        self._stop = stop

    def stop(self) -> None:
        """Stop serving: answers under way are finished, threads end, temporary files go; ``with`` does it."""
        if self._stop:
            stop, self._stop = self._stop, None
            stop()

    def serve_forever(self) -> None:
        """Wait until Ctrl-C or SIGTERM while it serves; call it in the main thread, inside ``with``."""
        over = threading.Event()
        with _on_terminate(over.set), suppress(KeyboardInterrupt):
            while not over.wait(GLANCE):
                pass

    def _build(self, folder: Path) -> tuple[Worker, ASGIApp]:
        worker = Worker(
            self._jobs,
            clock=self._clock,
            fates=self._fates,
            faults=self.faults,
            folder=folder,
            scrub_action=self._scrub_action,
        )
        self._bucket = Bucket(self._origin, self._jobs, worker, self._clock, self.faults, folder, self._persist_less)
        api = Api(
            self._jobs,
            clock=self._clock,
            token=self.bearer_token,
            faults=self.faults,
            urls_of=self._bucket.urls_of,
            settled=worker.settled,
            rate_limit=self._rate_limit,
            rate_window=self._rate_window,
        )
        routes = [*api.routes(), *self._bucket.routes()]
        return worker, self._remembering(Starlette(routes=routes, exception_handlers={ComplianceFramesError: _refused}))

    def _remembering(self, app: ASGIApp) -> ASGIApp:
        """The app, with every request remembered once its answer begins, or is lost."""

        async def remembering(scope: Scope, receive: Receive, send: Send) -> None:
            status: int | None = None

            async def note(message: Message) -> None:
                nonlocal status
                status = message.get("status", status)
                await send(message)

            await asyncio.sleep(self._latency.total_seconds())
            try:
                await app(scope, receive, note)
            finally:
                self._requests.append(Answered(scope["method"], scope["path"], status))

        return remembering


async def _refused(_: Request, error: Exception) -> Response:
    """A fault was asked for that cannot be."""
    return Response(f"{error}\n", 400)


class _Protocol(H11Protocol):
    """HTTP/1.1 whose app can reach its connection, so as to close it without an answer."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        app = self.app

        async def with_transport(scope: Any, receive: Any, send: Any) -> None:
            scope[TRANSPORT] = self.transport
            await app(scope, receive, send)

        self.app = with_transport


def _listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_LOOPBACK, port))
    except OSError as error:
        listener.close()
        raise ComplianceFramesError(
            f"Port {port} of {_LOOPBACK} cannot be had ({error.strerror}); take another, or 0 for any that is free."
        ) from None
    return listener


def _serve(app: ASGIApp, listener: socket.socket) -> Callable[[], None]:
    """Serve in a thread; returns what ends it."""
    config = uvicorn.Config(
        app,
        http=_Protocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve([listener])), name="compliance-frames-emulator", daemon=True
    )
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.002)

    def stop() -> None:
        server.should_exit = True
        thread.join()

    return stop


@contextmanager
def _on_terminate(act: Callable[[], None]) -> Iterator[None]:
    """Act on SIGTERM instead of dying at once, so that temporary files go."""
    before = signal.signal(signal.SIGTERM, lambda *_: act())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
