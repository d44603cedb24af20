"""What a batch brought: each line an answer, a failure, or a reason to ask again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from preceptor.errors import TeacherError
from preceptor.llm.batch.api import BatchApi, Job
from preceptor.llm.batch.files import BatchFolder, Pending
from preceptor.llm.batch.rows import Row, is_kept, kind_of, missing, read_row, shortened
from preceptor.llm.cache import AnswerCache
from preceptor.llm.cached import Outcome
from preceptor.llm.calls import refusals, replies
from preceptor.llm.calls.learned import Learned
from preceptor.llm.calls.tally import Tally
from preceptor.llm.chat import Failure, Request
from preceptor.llm.settings import EndpointSettings


class Open(dict[str, Request]):
    """Requests that have no outcome yet, by their cache keys.

    Args:
        wanted: the requests.
        hand: takes what came back for a key, once for each.
        tries: batches that a request is put into before it counts as failed.
        tally: stops where too many requests fail.
    """

    def __init__(
        self,
        wanted: Mapping[str, Request],
        hand: Callable[[str, Outcome], None],
        tries: int,
        tally: Tally,
    ) -> None:
        super().__init__(wanted)
        self._hand = hand
        self._most_tries = tries
        self._tries: Counter[str] = Counter()
        self._tally = tally
        self._uncounted: list[Outcome] = []

    def done(self, key: str, outcome: Outcome) -> None:
        """Hand out what came back for a request, which is open no more."""
        self._hand(key, outcome)
        del self[key]
        self._uncounted.append(outcome)

    def again(self, key: str, failure: Failure) -> None:
        """Leave a request for the next batch, unless it has been in enough of them."""
        if key in self:
            self._tries[key] += 1
            if self._tries[key] >= self._most_tries:
                self.done(key, failure)

    def check(self) -> None:
        """Count what was handed out since the last time.

        Raises:
            TeacherError: too large a share of all has failed.
        """
        fresh, self._uncounted = self._uncounted, []
        for outcome in fresh:
            self._tally.add(outcome)


@dataclass(frozen=True)
class Collector:
    """Brings a batch's lines from the server to those who wait for them.

    Attributes:
        api: the server's batches.
        folder: those that are on their way.
        settings: the server, for messages.
        cache: gets the answers that nobody waits for now.
        learned: what the server refuses of parameters; more is learned here.
        answered: kinds of requests that the server has answered; further ones are added.
        open: the requests that wait.
    """

    api: BatchApi
    folder: BatchFolder
    settings: EndpointSettings
    cache: AnswerCache
    learned: Learned
    answered: set[str]
    open: Open

    def collect(self, pending: Pending, job: Job) -> TeacherError | None:
        """Hand out what a batch brought; the error, if it says that all requests are refused."""
        seen: set[str] = set()
        others: dict[str, Outcome] = {}
        refused: list[Row] = []
        unread: list[str] = []
        for line in self._lines(pending, job):
            row = self._read(line)
            if row is None:
                unread.append(shortened(self.api.without_key(line)))
            elif row.key in pending.samples and row.key not in seen:
                seen.add(row.key)
                if row.key not in self.open:
                    others[row.key] = row.outcome
                elif row.refusal is not None:
                    refused.append(row)
                else:
                    self._settle(row)
        self._keep(pending, others)
        for key in pending.samples.keys() - seen:
            self.open.again(key, missing(job.status, unread))
        return self._judge(pending, refused)

    def _read(self, line: bytes) -> Row | None:
        row = read_row(line)
        # What a model wrote stays as it is.
        failed = row is not None and isinstance(row.outcome, Failure)
        return read_row(self.api.without_key(line)) if failed else row

    def _lines(self, pending: Pending, job: Job) -> Iterator[bytes]:
        path = self.folder.answers(pending.tag)
        try:
            for file_id in job.files:
                self.api.download(file_id, path)
                with path.open("rb") as file:
                    yield from (line for line in file if line.strip())
        finally:
            path.unlink(missing_ok=True)

    def _settle(self, row: Row) -> None:
        if row.again and isinstance(row.outcome, Failure):
            self.open.again(row.key, row.outcome)
            return
        if is_kept(row.outcome):
            self.answered.add(kind_of(self.learned.sent(self.open[row.key].parameters)))
        self.open.done(row.key, row.outcome)

    def _keep(self, pending: Pending, others: Mapping[str, Outcome]) -> None:
        """Put into the cache what an earlier run paid for and this one does not want."""
        kept = {key: outcome for key, outcome in others.items() if is_kept(outcome)}
        for key, asked in self.folder.sent(pending, kept) if kept else ():
            self.cache.put(key, json.dumps(asked, ensure_ascii=False), kept[key])

    def _judge(self, pending: Pending, refused: list[Row]) -> TeacherError | None:
        """Tell refusals of one prompt from those of a parameter and from those of all requests."""
        asked = dict(self.folder.sent(pending, {row.key for row in refused})) if refused else {}
        for row in refused:
            assert row.refusal is not None
            (status, body), named = row.refusal, None
            now = self.learned.sent(self.open[row.key].parameters)
            sent = asked[row.key]["parameters"] if row.key in asked else now
            if status in replies.UNPROCESSABLE:
                if kind_of(sent) in self.answered:
                    self.open.done(row.key, row.outcome)
                    continue
                # Without what the server refuses, the request goes into the next batch.
                if sent != now or self.learned.learn(body, sent):
                    continue
                named = refusals.named(body, sent)
            settings = self.settings
            return replies.stop(status, body, settings.base_url, settings.model, named)
        return None
