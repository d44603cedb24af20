"""What a study asks its teachers, told before any call is made."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean

from preceptor.augment import OPERATIONS, AnyOperation, annotate
from preceptor.augment.annotate import AnnotateSettings
from preceptor.augment.create import CreateSettings
from preceptor.augment.operation import rows_of
from preceptor.data.example import Example
from preceptor.llm import answer, identity_of
from preceptor.llm.cache import AnswerCache, default_path
from preceptor.llm.chat import Request
from preceptor.llm.schema import probe
from preceptor.llm.settings import AnyTeacher, EndpointSettings
from preceptor.study.arms.asking import tries_schema
from preceptor.study.estimates.filter_calls import filter_calls
from preceptor.study.plan import Plan
from preceptor.tasks import AnyTask, TextTask

CHARACTERS_PER_TOKEN = 4.0
_LABEL_TOKENS = 8.0
"""of an answer that is a label, or of one as short"""
_LOOKED_AT = 8
"""texts of the pool that the length of an annotating arm's prompts is taken from"""


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


def texts_of(arm: AnyOperation | AnnotateSettings, human: int, pool: int) -> tuple[int, int]:
    """Texts that a teacher writes for an arm, or takes from the pool, under one seed: where
    nothing is rejected, and at most.

    Args:
        arm: what the teacher is to do.
        human: labelled examples of the seed.
        pool: texts that may be annotated.
    """
    wanted = rows_of(arm.amount, human)
    if isinstance(arm, AnnotateSettings):
        return arm.texts(wanted, pool)
    most = rows_of(arm.max_requests, wanted)
    return min(wanted, most), most


def teacher_calls(plan: Plan) -> list[TeacherCalls]:
    """All that the study's teachers are asked, but for what only the answers can tell.

    A teacher that is tuned first is not asked; its work is told by
    :mod:`preceptor.study.estimates.tuned_work`.
    """
    return [
        *_probes(plan),
        *_arms(plan),
        *_annotations(plan),
        *_filters(plan),
        *_baselines(plan),
    ]


def _asked(plan: Plan, name: str) -> bool:
    """Whether some cell needs an arm, and its teacher is taken as it comes."""
    teacher = plan.study.teacher_of(plan.study.teaching()[name])
    needed = any(arm == name for arm, _ in plan.arms)
    return needed and plan.tunings.settings(teacher) is None


def _needed(plan: Plan) -> dict[str, AnyOperation]:
    return {name: arm for name, arm in plan.study.operations().items() if _asked(plan, name)}


def _probes(plan: Plan) -> Iterator[TeacherCalls]:
    """The small calls by which a server shows whether it writes by a JSON schema."""
    trying = dict.fromkeys(
        plan.study.teacher_of(arm)
        for arm in _needed(plan).values()
        if tries_schema(arm, plan.study.task, plan.base_dir)
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
    task, human = plan.study.task, plan.drawn(plan.draw_seeds[0]).train
    wanted, most = texts_of(arm, len(human), 0)
    stream = OPERATIONS[arm.operation].calls(arm, task, human, 0, plan.base_dir)
    shown = itertools.islice(stream, min(wanted, len(human)))
    return TeacherCalls(
        f"arm {name}",
        plan.study.teacher_of(arm),
        (wanted,) * seeds,
        seeds * most,
        fmean(_characters(call.request) for call in shown) / CHARACTERS_PER_TOKEN,
        fmean(tokens(_written(arm, task, example)) for example in human),
    )


def _characters(request: Request) -> int:
    return sum(len(message.content) for message in request.messages)


def _written(arm: AnyOperation, task: AnyTask, example: Example) -> str:
    """What the teacher would write of a human example: the best guess of an answer's length."""
    values = {**example.inputs, **example.extra}
    if not isinstance(arm, CreateSettings):
        return " ".join(values[name] for name in arm.fields or example.inputs)
    target = () if arm.target_key(task) is None else (str(example.target),)
    return " ".join([*(values[name] for name in arm.written(task)), *target])


def _annotations(plan: Plan) -> Iterator[TeacherCalls]:
    needed = [name for name, _ in plan.arms]
    for name, arm in plan.study.annotations().items():
        if _asked(plan, name):
            yield _annotation(plan, name, arm, needed.count(name))


def _annotation(plan: Plan, name: str, arm: AnnotateSettings, seeds: int) -> TeacherCalls:
    """Votes count as calls of one round, which they are."""
    task, seed = plan.study.task, plan.draw_seeds[0]
    drawn = plan.drawn(seed)
    texts, most = texts_of(arm, len(drawn.train), len(drawn.unlabelled))
    some, human = drawn.unlabelled[:_LOOKED_AT], drawn.train
    asked = annotate.requests(arm, task, some, human, seed=seed, base_dir=plan.base_dir)
    answers = [tokens(str(one.target)) if task.kind == "text" else _LABEL_TOKENS for one in human]
    return TeacherCalls(
        f"arm {name}",
        plan.study.teacher_of(arm),
        (arm.votes * texts,) * seeds,
        seeds * arm.votes * most,
        fmean(_characters(votes[0]) for votes in asked) / CHARACTERS_PER_TOKEN,
        fmean(answers),
    )


def _filters(plan: Plan) -> Iterator[TeacherCalls]:
    for one in filter_calls(plan):
        prompt = one.characters / CHARACTERS_PER_TOKEN
        yield TeacherCalls(one.title, one.teacher, one.rounds, one.at_most, prompt, _LABEL_TOKENS)


def _baselines(plan: Plan) -> Iterator[TeacherCalls]:
    if isinstance(plan.study.task, TextTask):
        return
    for name, shots in itertools.product(plan.study.teachers, plan.study.baselines.teacher):
        if plan.tunings.settings(name) is None:
            yield _baseline(plan, name, shots)


def _baseline(plan: Plan, name: str, shots: int) -> TeacherCalls:
    splits = plan.drawn(plan.draw_seeds[0])
    # Of one test split, zero-shot calls are the same under every seed: the cache answers repeats.
    once = not shots and plan.splits.folds is None
    rounds = (len(splits.test),) * (1 if once else len(plan.draw_seeds))
    requests = answer.requests(
        plan.study.choice, splits.test, splits.train, shots=shots, seed=0, parameters={}
    )
    prompt = fmean(_characters(request) for request in requests) / CHARACTERS_PER_TOKEN
    title = f"baseline {name}, {shots}-shot"
    return TeacherCalls(title, name, rounds, sum(rounds), prompt, _LABEL_TOKENS)
