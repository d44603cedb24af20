"""A teacher that was tuned on the human examples, and writes in this process.

It is asked in the very form that it was tuned on: a request's messages as plain text, without a
chat's markup, then the answer, then the end token.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from preceptor.errors import TeacherError
from preceptor.llm.cache import AnswerCache
from preceptor.llm.cached import CachedTeacher, Deliver, Outcome
from preceptor.llm.chat import Answer, Failure, Request
from preceptor.llm.served import seed_of
from preceptor.llm.settings import TunedSettings
from preceptor.models.saved import saved_identity
from preceptor.settings import Settings
from preceptor.tune.batches import TextRow, text_row

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from preceptor.evaluate.sampling import Written
    from preceptor.evaluate.stepping import Sampling

_BLOCK = 2048
"""requests taken at once: enough to sort them by length, few enough to keep in memory"""
_GAP = " "
"""between prompt and answer where neither has white space of its own"""
_RULE = 1
"""counts up when the same model would draw other answers by the same seeds"""


class SamplingParameters(Settings):
    """What of its sampling can be set."""

    temperature: float = Field(1.0, ge=0, allow_inf_nan=False)
    """the logits are divided by it; 0 takes the likeliest token every time"""
    top_p: float = Field(1.0, gt=0, le=1)
    """draw from the likeliest tokens that hold this share of the probability together"""
    top_k: int = Field(0, ge=0)
    """before that, from so many of the likeliest alone; 0 for all"""
    max_tokens: int = Field(256, ge=1)
    """tokens of an answer at most; one that is not ended by then counts as truncated"""
    seed: int = Field(0, ge=0, lt=2**31)
    """another seed draws other answers; each request has a seed of its own made from it"""


def sampling_parameters(parameters: Mapping[str, Any]) -> SamplingParameters:
    """Parameters of a tuned teacher, checked.

    Raises:
        TeacherError: one is not known here, or has a value that cannot be used.
    """
    try:
        return SamplingParameters.model_validate(dict(parameters))
    except ValidationError as error:
        wrong = error.errors()[0]
        name = ".".join(map(str, wrong["loc"]))
        known = name.partition(".")[0] in SamplingParameters.model_fields
        raise TeacherError(
            f"a tuned teacher cannot sample with this {name}"
            if known
            else f"a tuned teacher does not know the parameter {name}",
            where=f"parameters.{name}",
            found=wrong["input"],
            expected=wrong["msg"] if known else ", ".join(SamplingParameters.model_fields),
        ) from error


def plain(request: Request) -> str:
    """A request as a tuned teacher reads it: its messages, a blank line between them."""
    return "\n\n".join(message.content for message in request.messages)


def lesson_rows(
    tokenizer: PreTrainedTokenizerBase, lessons: Iterable[tuple[Request, str]]
) -> list[TextRow]:
    """What a teacher is tuned on so that it answers such requests in such a way.

    A space stands between the two where neither the request ends nor the answer begins with white
    space; :class:`TunedTeacher` takes it away from what is written.

    Args:
        tokenizer: the teacher's.
        lessons: requests, and what the teacher shall answer.

    Returns:
        A row a lesson, in their order, the answer and one end token supervised.

    Raises:
        DataError: a request is empty.
    """
    return [
        text_row(tokenizer, asked := plain(request), _joined(asked, answer), "answer")
        for request, answer in lessons
    ]


def _joined(asked: str, answer: str) -> str:
    apart = asked[-1:].isspace() or answer[:1].isspace()
    return answer if apart else _GAP + answer


def model_of(settings: TunedSettings, folder: Path) -> dict[str, Any]:
    """What tells a tuned model from others; never where it lies.

    Batches are left out: they change an answer only as far as sums of another order round.

    Raises:
        WeightsError: there is no tuned model in the folder.
    """
    from importlib.metadata import version

    return {
        "engine": "tuned",
        "engine_version": {name: version(name) for name in ("torch", "transformers")},
        "sampling": _RULE,
        "weights": saved_identity(folder),
        "precision": settings.fit.precision,
    }


class TunedTeacher(CachedTeacher):
    """A model in this process, loaded when the cache first lacks an answer.

    Each answer is drawn by its request's own seed: it does not depend on what else is asked.

    Args:
        settings: of the study.
        folder: the tuned model, as :func:`preceptor.models.save.save` writes it.
        cache: where whole answers are kept.
        name: what the report calls it.

    Raises:
        TeacherError: a parameter is not known or cannot be used.
        WeightsError: there is no tuned model in the folder.
    """

    def __init__(
        self, settings: TunedSettings, folder: Path, cache: AnswerCache, name: str
    ) -> None:
        sampling_parameters(settings.parameters)
        super().__init__(name, model_of(settings, folder), settings.parameters, cache)
        self._settings = settings
        self._folder = folder

    @property
    def running(self) -> bool:
        """Whether the model is loaded."""
        return "_loaded" in self.__dict__

    def close(self) -> None:
        """Let go of the model; a later call loads it again."""
        if self.running:
            from preceptor.tune.memory import release

            del self._loaded
            release()
        super().close()

    @cached_property
    def _loaded(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        from preceptor.models.save import load_saved, record_of

        model, tokenizer = load_saved(self._folder)
        merged = _merged(model, rounded=record_of(self._folder)["rounded"])
        return merged.eval().requires_grad_(False), tokenizer

    def _call(self, requests: Sequence[Request], deliver: Deliver) -> None:
        taken = enumerate(requests)
        while block := list(islice(taken, _BLOCK)):
            told = [(self._told(request), number, request) for number, request in block]
            alike = sorted(told, key=lambda one: (repr(one[0]), one[1]))
            for sampling, some in groupby(alike, key=lambda one: one[0]):
                self._answer(sampling, {one[1]: one[2] for one in some}, deliver)

    def _told(self, request: Request) -> Sampling:
        from preceptor.evaluate.stepping import Sampling

        told = sampling_parameters(request.parameters)
        return Sampling(told.temperature, told.top_p, told.top_k, told.max_tokens)

    def _answer(
        self, sampling: Sampling, requests: Mapping[int, Request], deliver: Deliver
    ) -> None:
        from preceptor.evaluate.sampling import encoded, sample_rows
        from preceptor.evaluate.stepping import Work

        model, tokenizer = self._loaded
        prompts = [plain(request) for request in requests.values()]
        rows = dict(zip(requests, encoded(model, tokenizer, prompts), strict=True))
        fitting = list(_fitting(model, rows, sampling.most, deliver))
        seeds = [own_seed(requests[number]) for number in fitting]
        chosen = [rows[number] for number in fitting]
        work = Work(chosen, seeds, sampling, self._settings.batch_tokens)
        started = time.monotonic()

        def take(place: int, one: Written) -> None:
            number = fitting[place]
            deliver(number, _outcome(one, len(chosen[place]), time.monotonic() - started))

        with self._ready():
            sample_rows(model, tokenizer, work, take)

    @contextmanager
    def _ready(self) -> Iterator[None]:
        """The precision of its tuning; running out of memory told with what helps."""
        import torch

        from preceptor.models.bf16 import prepared

        model, precision = self._loaded[0], self._settings.fit.precision
        autocast = torch.autocast(model.device.type, torch.bfloat16, enabled=precision == "bf16")
        try:
            with prepared(model, precision), autocast:
                yield
        except (RuntimeError, MemoryError) as error:
            if not _is_of_memory(error):
                raise
            raise TeacherError(
                "the tuned teacher does not find the memory that its batches need",
                where=self.name,
                found=str(error).strip().split("\n", maxsplit=1)[0],
                fix=f"lower its batch_tokens ({self._settings.batch_tokens}) or"
                " parameters.max_tokens; what was answered is kept",
            ) from error


def own_seed(request: Request) -> int:
    """A request's own seed, which its parameter ``seed`` is mixed into.

    Taken as it is, it would have requests that differ in their sample alone answered alike.
    """
    return seed_of(request, (int(request.parameters.get("seed", 0)),))


def _fitting(
    model: PreTrainedModel, rows: Mapping[int, tuple[int, ...]], most: int, deliver: Deliver
) -> Iterator[int]:
    """The requests that the model can see with their answers; the others are delivered."""
    from preceptor.models.window import context_window

    window = context_window(model.config)
    for number, row in rows.items():
        if window is None or len(row) + most <= window:
            yield number
        else:
            told = f"{len(row)} tokens, and {most} of an answer, where the model sees {window}"
            deliver(number, Failure("too_long", told))


def _outcome(one: Written, prompt_tokens: int, seconds: float) -> Outcome:
    paid, text = (prompt_tokens, one.tokens), one.text.strip()
    if not one.ended:
        return Failure("truncated", text, *paid)
    if not text:
        return Failure("empty", "the end token came first", *paid)
    return Answer(text, *paid, seconds=seconds, cached=False)


def _merged(model: Any, *, rounded: bool) -> Any:
    """With the adapter in the weights, where it can be: each layer is then one product again.

    Beside 4-bit weights it stays apart, and so does a prefix.
    """
    adapted = hasattr(model, "peft_config") and not model.active_peft_config.is_prompt_learning
    return model.merge_and_unload(safe_merge=True) if adapted and not rounded else model


def _is_of_memory(error: BaseException) -> bool:
    import torch

    told = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return told or "can't allocate memory" in str(error)
