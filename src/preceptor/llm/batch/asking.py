"""Answers within a day for half the price: OpenAI's Batch API as a way of asking an endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from preceptor.llm.batch.api import BatchApi
from preceptor.llm.batch.collect import Collector, Open
from preceptor.llm.batch.errand import Errand
from preceptor.llm.batch.files import BatchFolder
from preceptor.llm.budget import Account
from preceptor.llm.cache import AnswerCache
from preceptor.llm.cached import Deliver
from preceptor.llm.calls.line import FIRST_WAIT
from preceptor.llm.calls.tally import Tally
from preceptor.llm.chat import Request
from preceptor.llm.endpoint import EndpointTeacher
from preceptor.llm.settings import BatchSettings, EndpointSettings

MOST_BYTES = 200 * 10**6
"""of one file of requests (https://platform.openai.com/docs/api-reference/batch/create)"""


class BatchTeacher(EndpointTeacher):
    """An endpoint whose answers are asked for in batches.

    Its answers are kept under the same keys as those of plain calls, so that either way uses
    what the other has paid. A batch survives the process: what waits for it is on disk before
    it is sent, and the next run that wants one of its answers waits for it again.

    Costs are counted at the price of batches, those of the few calls that are made at once
    (fewer than ``batch.least`` of a round) in full. How an answer in the cache was paid is not
    kept: it counts at the price of batches.

    Args:
        settings: the server and how to call it.
        cache: where whole answers are kept; the batches are written down beside it.
        first_wait: seconds before a failed call's second try.
        most_bytes: of one file of requests at most.

    Raises:
        TeacherError: the key's environment variable is not set.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        cache: AnswerCache,
        first_wait: float = FIRST_WAIT,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        price = None if settings.price is None else settings.paid(settings.price)
        super().__init__(settings.model_copy(update={"price": price}), cache, first_wait=first_wait)
        self.charge(Account(price, full=settings.price))
        self._batch = settings.batch or BatchSettings()
        self._most_bytes = most_bytes
        root = cache.path.parent / "batches"
        self._folder = BatchFolder(root, settings.base_url, settings.model)

    def _call(self, requests: Sequence[Request], deliver: Deliver) -> None:
        self._learned.load()
        taken = list(requests)
        keys = [self._key_of(one) for one in taken]
        places = {key: place for place, key in enumerate(keys)}
        wanted = Open(
            dict(zip(keys, taken, strict=True)),
            lambda key, outcome: deliver(places[key], outcome),
            self._batch.tries,
            Tally(self._settings.max_failures, self._settings.base_url),
        )
        left = [places[key] for key in self._in_batches(wanted)]
        if left:
            few = [taken[place] for place in left]
            super()._call(
                few,
                lambda number, outcome: deliver(left[number], replace(outcome, full_price=True)),
            )

    def _in_batches(self, wanted: Open) -> list[str]:
        settings, folder = self._settings, self._folder
        with BatchApi(settings, self._key, self._first_wait) as api:
            collector = Collector(
                api, folder, settings, self._cache, self._learned, self._answered, wanted
            )
            errand = Errand(
                api, folder, settings, self._batch, collector, self._most_bytes, self._advance
            )
            return errand.run()
