"""What a study asks its teachers, told before any call is made."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from preceptor.augment import OPERATIONS, AnyOperation
from preceptor.augment.operation import rows_of
from preceptor.data.example import Example
from preceptor.llm import answer, identity_of
from preceptor.llm.cache import AnswerCache, default_path
from preceptor.llm.chat import Request
from preceptor.llm.schema import probe
from preceptor.llm.settings import AnyTeacher, EndpointSettings, TunedSettings
from preceptor.study.asking import tries_schema
from preceptor.study.filter_calls import filter_calls
from preceptor.study.plan import Plan

CHARACTERS_PER_TOKEN = 4.0
_LABEL_TOKENS = 8.0
"""of an answer that is a label, or of one as short"""


@dataclass(frozen=True)
class TeacherCalls:
    """What a teacher is asked for one purpose.

    Attributes:
        title: the purpose, for the table.
        teacher: its name in the study.
        rounds: requests that are put at once, round after round, where no row has to be made
            anew.
        at_most: calls of all rounds, those for rows that are made anew included.
        prompt_tokens: of a prompt, on average.
        answer_tokens: of an answer, likewise.
    """

    title: str
    teacher: str
    rounds: tuple[int, ...]
    at_most: int
    prompt_tokens: float
    answer_tokens: float

    @property
    def calls(self) -> int:
        """Requests of all rounds."""
        return sum(self.rounds)


def tokens(text: str) -> float:
    """About so many tokens."""
    return len(text) / CHARACTERS_PER_TOKEN


def tokens_of(plan: Plan, example: Example) -> float:
    """Tokens of an example with its answer; a label is a few."""
    task = plan.study.task
    answer = _LABEL_TOKENS if task.labels else tokens(str(example.target))
    return tokens(task.show(example)) + answer


def teacher_calls(plan: Plan) -> list[TeacherCalls]:
    """All that the study's teachers are asked, but for what only the answers can tell."""
    return [*_probes(plan), *_arms(plan), *_filters(plan), *_baselines(plan)]


def _needed(plan: Plan) -> dict[str, AnyOperation]:
    named = {name for name, _ in plan.arms}
    return {name: arm for name, arm in plan.study.operations().items() if name in named}


def _probes(plan: Plan) -> Iterator[TeacherCalls]:
    """The small calls by which a server shows whether it writes by a JSON schema; a tuned teacher
    writes in the form that it was tuned on."""
    trying = dict.fromkeys(
        plan.study.teacher_of(arm)
        for arm in _needed(plan).values()
        if not isinstance(plan.study.teachers[plan.study.teacher_of(arm)], TunedSettings)
        and tries_schema(arm, plan.study.task, plan.base_dir)
    )
    request = probe()
    prompt = _characters(request) + len(str(request.parameters))
    for name in trying:
        if not _is_kept(plan.study.teachers[name], request):
            title = "trying a JSON schema"
            size = prompt / CHARACTERS_PER_TOKEN
            yield TeacherCalls(title, name, (1,), 1, size, _LABEL_TOKENS)


def _is_kept(teacher: AnyTeacher, request: Request) -> bool:
    """Whether the cache will answer; not looked up for models on this machine, whose calls cost
    nothing: their keys hold the hash of the weights."""
    path = default_path()
    if not isinstance(teacher, EndpointSettings) or not path.exists():
        return False
    model = identity_of(teacher)
    asked = {**model.pop("parameters"), **request.parameters}
    cache = AnswerCache(path)
    try:
        return cache.get(AnswerCache.key(model, request, asked)) is not None
    finally:
        cache.close()


def _arms(plan: Plan) -> Iterator[TeacherCalls]:
    needed = [name for name, _ in plan.arms]
    for name, arm in _needed(plan).items():
        yield _arm(plan, name, arm, needed.count(name))


def _arm(plan: Plan, name: str, arm: AnyOperation, seeds: int) -> TeacherCalls:
    human = plan.drawn(plan.draw_seeds[0]).train
    wanted = rows_of(arm.amount, len(human))
    most = rows_of(arm.max_requests, wanted)
    stream = OPERATIONS[arm.operation].calls(arm, plan.study.task, human, 0, plan.base_dir)
    shown = itertools.islice(stream, min(wanted, len(human)))
    return TeacherCalls(
        f"arm {name}",
        plan.study.teacher_of(arm),
        (min(wanted, most),) * seeds,
        seeds * most,
        fmean(_characters(call.request) for call in shown) / CHARACTERS_PER_TOKEN,
        fmean(tokens(text) for text in _written(arm, human)),
    )


def _characters(request: Request) -> int:
    return sum(len(message.content) for message in request.messages)


def _written(arm: AnyOperation, human: Sequence[Example]) -> list[str]:
    """Human texts of the fields that the teacher will write: the best guess of their length."""
    named = getattr(arm, "fields", ()) or getattr(arm, "write", ())
    kept = getattr(arm, "keep", ())
    return [
        " ".join(
            text
            for field, text in {**example.inputs, **example.extra}.items()
            if (field in named if named else field in example.inputs and field not in kept)
        )
        for example in human
    ]


def _filters(plan: Plan) -> Iterator[TeacherCalls]:
    for one in filter_calls(plan):
        prompt = one.characters / CHARACTERS_PER_TOKEN
        yield TeacherCalls(one.title, one.teacher, one.rounds, one.at_most, prompt, _LABEL_TOKENS)


def _baselines(plan: Plan) -> Iterator[TeacherCalls]:
    for name, shots in itertools.product(plan.study.teachers, plan.study.baselines.teacher):
        splits = plan.drawn(plan.draw_seeds[0])
        # Zero-shot calls are the same under every seed, and the cache answers the repeats.
        rounds = (len(splits.test),) * (len(plan.draw_seeds) if shots else 1)
        requests = answer.requests(
            plan.study.choice, splits.test, splits.train, shots=shots, seed=0, parameters={}
        )
        prompt = fmean(_characters(request) for request in requests) / CHARACTERS_PER_TOKEN
        title = f"baseline {name}, {shots}-shot"
        yield TeacherCalls(title, name, rounds, sum(rounds), prompt, _LABEL_TOKENS)
