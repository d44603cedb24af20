"""The way of some requests through a server's batches: made, sent, waited for."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from preceptor.errors import TeacherError
from preceptor.llm.batch.api import BatchApi, Job, RefusalError
from preceptor.llm.batch.collect import Collector, Open
from preceptor.llm.batch.files import BatchFolder, Pending, split
from preceptor.llm.batch.rows import write_row
from preceptor.llm.chat import Failure, Request
from preceptor.llm.settings import BatchSettings, EndpointSettings

FIRST_POLL = 1.0
"""seconds until the first look at a batch; doubled for each further one"""
_QUEUE_FULL = "token_limit_exceeded"
"""OpenAI's and Azure's code where an account has too many tokens in its queue"""


@dataclass
class Errand:
    """Asks for answers in batches until every request has an answer or a failure.

    Attributes:
        api: the server's batches.
        folder: those that are on their way, of all processes.
        settings: the server.
        batch: how batches are made and waited for.
        collector: takes in what they bring.
        most_bytes: of one file at most.
        advance: told how many more requests the server is through with.
    """

    api: BatchApi
    folder: BatchFolder
    settings: EndpointSettings
    batch: BatchSettings
    collector: Collector
    most_bytes: int
    advance: Callable[[int], None] = lambda amount: None
    _few: list[str] = field(default_factory=list)
    _running: dict[str, Pending] = field(default_factory=dict)
    _shown: dict[str, int] = field(default_factory=dict)
    _one_by_one: bool = False
    _alone: bool = False

    def __post_init__(self) -> None:
        self._most_rows = self.batch.requests
        self._where = f"{self.settings.base_url}, model {self.settings.model}"

    @property
    def _open(self) -> Open:
        return self.collector.open

    def run(self) -> list[str]:
        """Ask; return the keys of requests that are too few for a batch.

        Raises:
            TeacherError: the server cannot be reached, refuses every request alike, or fails
                too many of them.
        """
        try:
            while self._open:
                self._take_up()
                self._submit()
                self._wait()
        except KeyboardInterrupt:
            self._say_what_goes_on()
            raise
        return self._few

    def _take_up(self) -> None:
        """Find the batches that hold what is wanted, and make new ones for the rest."""
        with self.folder.lock():
            held = {key for one in self._running.values() for key in one.samples}
            for pending in self.folder.pending():
                held |= pending.samples.keys()
                if self._open.keys() & pending.samples.keys():
                    self._running.setdefault(pending.tag, pending)
            rest = [key for key in self._open if key not in held]
            # Another process may have been done with a batch since its answers were looked for.
            for key, outcome in self.collector.cache.get_many(rest).items():
                self._open.done(key, outcome)
            self._make([key for key in rest if key in self._open])

    def _make(self, rest: list[str]) -> None:
        if self._one_by_one and self._running:
            return
        if len(rest) < self.batch.least:
            self._few += rest
            for key in rest:
                del self._open[key]
            return
        for lot in split(self._rows(rest), self._most_rows, self.most_bytes):
            pending = self.folder.add(lot)
            self._running[pending.tag] = pending
            if self._one_by_one:
                return

    def _rows(self, keys: list[str]) -> Iterator[tuple[str, Request, bytes]]:
        for key in keys:
            request = self._open[key]
            sent = self.collector.learned.sent(request.parameters)
            line = write_row(key, self.settings.model, request, sent)
            if len(line) <= self.most_bytes:
                yield key, request, line
            else:
                detail = f"{len(line)} bytes, and a batch's file may have {self.most_bytes}"
                self._open.done(key, Failure("too_long", detail))

    def _submit(self) -> None:
        for tag in [one.tag for one in self._running.values() if one.batch_id is None]:
            with self.folder.lock_of(tag):
                pending = self.folder.read(tag)
                if pending is None:  # another process is done with it
                    del self._running[tag]
                else:
                    self._running[tag] = pending if pending.batch_id else self._sent(pending)

    def _sent(self, pending: Pending) -> Pending:
        try:
            # A file's id is written down before its batch is made: without it, there is none.
            job = self.api.find(pending.tag, pending.created) if pending.file_id else None
            if job is None:
                file_id = self.api.upload(self.folder.requests(pending.tag))
                pending = self.folder.write(replace(pending, file_id=file_id))
                job = self.api.create(file_id, pending.tag, self.batch.window)
        except RefusalError:
            self.folder.forget(pending.tag)
            raise
        return self.folder.write(replace(pending, batch_id=job.id))

    def _wait(self) -> None:
        """Wait until one batch at least has ended."""
        pause = min(FIRST_POLL, self.batch.poll)
        while self._running and not self._any_ended():
            time.sleep(pause)
            pause = min(2 * pause, self.batch.poll)

    def _any_ended(self) -> bool:
        ended = False
        self._alone = len(self._running) == 1
        for pending in list(self._running.values()):
            job = self._look(pending)
            self._show(pending, 0 if job.ended else job.done)
            if job.ended:
                ended = True
                self._end(pending, job)
        return ended

    def _look(self, pending: Pending) -> Job:
        assert pending.batch_id is not None
        try:
            return self.api.look(pending.batch_id)
        except RefusalError as error:
            raise TeacherError(
                f"the teacher's server does not tell of batch {pending.batch_id}, which it took",
                where=f"{self._where}; {self.folder.record(pending.tag)}",
                found=error.found,
                fix="use the key of the account that asked for it; or delete the file named here,"
                f" and its {len(pending.samples)} answers are asked, and paid, anew",
            ) from error

    def _end(self, pending: Pending, job: Job) -> None:
        stop = self.collector.collect(pending, job) if job.status != "failed" else None
        # Only now: where this process is killed before, the next one collects it again.
        del self._running[pending.tag]
        self.folder.forget(pending.tag)
        if job.status == "failed":
            self._not_taken(pending, job)
        if stop is not None:
            raise stop
        if job.status == "cancelled" and self._open.keys() & pending.samples.keys():
            raise TeacherError(
                f"batch {job.id} was cancelled at the teacher's server",
                where=self._where,
                fix="run again to ask for the rest; answers received so far are kept",
            )
        self._open.check()

    def _not_taken(self, pending: Pending, job: Job) -> None:
        """Wait for room in the account's queue, or take a smaller lot; all else is final."""
        if any(code == _QUEUE_FULL for code, _ in job.errors):
            self._one_by_one = True
            if not self._alone:
                return
            if len(pending.samples) > 1:
                self._most_rows = len(pending.samples) // 2
                return
        said = "; ".join(f"{code}: {words}" for code, words in job.errors[:3])
        raise TeacherError(
            "the teacher's server refuses a batch",
            where=f"{self._where}, batch {job.id}",
            found=said or "status failed, without a reason",
            fix="change the teacher's settings as the server says, or leave out its batch",
        )

    def _show(self, pending: Pending, done: int) -> None:
        wanted = len(self._open.keys() & pending.samples.keys())
        shown = self._shown.get(pending.tag, 0)
        self._shown[pending.tag] = min(done, wanted)
        self.advance(self._shown[pending.tag] - shown)

    def _say_what_goes_on(self) -> None:
        for one in self._running.values():
            if one.batch_id is not None:
                sys.stderr.write(
                    f"batch {one.batch_id} ({len(one.samples)} requests) goes on at"
                    f" {self.settings.base_url}; the same command collects its answers\n"
                )
