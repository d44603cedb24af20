"""A look at a few calls before anyone pays for all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from preceptor.augment import OPERATIONS, annotate
from preceptor.augment.annotate import AnnotateSettings, Annotation
from preceptor.data.example import Example
from preceptor.llm.chat import Answer, Request, Teacher
from preceptor.llm.settings import AnyTeacher, EndpointSettings
from preceptor.study.arms.annotating import annotator, believing
from preceptor.study.arms.assignment import Assignment
from preceptor.study.arms.making import Made, Maker
from preceptor.study.plan import Plan
from preceptor.study.teachers.staff import Staff
from preceptor.study.teachers.tunings import Tuning


def preview(plan: Plan, count: int) -> Iterator[str]:
    """For every arm that needs a teacher: ``count`` prompts, answers and verdicts as text.

    A teacher is opened once for all of its arms, so that its limit and its rates hold for the
    whole preview. What this preview pays does not stand in the books of a run: the text says what
    a limit counts, and at its end what was paid.

    A teacher that is tuned first is there only once a run has tuned it. Until then its arms show
    a human example in the form that it will be tuned on, and nothing is asked.

    Raises:
        LimitError: further calls could pass what the study allows.
        TeacherError: a teacher cannot be reached or refuses every call alike.
        WeightsError: a tuned teacher's base is gone or not the one that it was tuned from.
    """
    teaching = plan.study.teaching()
    if not teaching:
        yield "no arm of this study calls a teacher: there is nothing to preview"
    named = dict.fromkeys(plan.study.teacher_of(arm) for arm in teaching.values())
    asked = [name for name in named if plan.tunings.settings(name) is None]
    with Staff(plan, keep_books=False) as staff:
        for name in asked:
            yield from _told_before(name, plan.study.teachers[name])
        for arm in teaching:
            yield from _arm(plan, arm, staff, count)
        yield from (_paid(name, staff.asked(name)) for name in asked)


def _arm(plan: Plan, name: str, staff: Staff, count: int) -> Iterator[str]:
    seed = plan.draw_seeds[0]
    needed = (plan.tunings.of_arm(name, seed), plan.tunings.reading_back(name, seed))
    for tuning in needed:
        if tuning is not None and not _is_there(plan, tuning):
            yield from _lesson(plan, name, tuning)
            return
    assignment = Assignment(plan, name, plan.drawn(seed).train, seed)
    if isinstance(assignment.settings, AnnotateSettings):
        yield from _annotated(assignment, staff, count)
        return
    with staff.writing(name, seed) as teacher, believing(assignment, staff) as believe:
        made = Maker(assignment, teacher, believe).make(count)
    kept = sum(one.candidate.rejection is None for one in made)
    yield f"=== arm {name}: {kept} of {len(made)} kept"
    yield from (_shown(plan, one) for one in made)


def _folder(plan: Plan, tuning: Tuning) -> Path:
    """Where a tuned teacher lies or will lie; asks no hub what its base is."""
    if tuning in plan.tunings.own:
        return plan.out / "teachers" / tuning.place
    return plan.tunings.folder(tuning)


def _is_there(plan: Plan, tuning: Tuning) -> bool:
    """Whether the study's run folder, or the one that it is taken from, holds a tuned teacher."""
    there = _folder(plan, tuning).is_dir()
    return there and (tuning not in plan.tunings.own or plan.tunings.part(tuning).exists())


def _lesson(plan: Plan, name: str, tuning: Tuning) -> Iterator[str]:
    """What can be shown before a teacher is tuned: what it will be tuned on."""
    yield (
        f"=== arm {name}: its teacher {tuning.teacher} is tuned before it is asked anything, and"
        f" `preceptor run` does that first: {_folder(plan, tuning)} holds none that was tuned by"
        " these settings. A human example in the form that it will be tuned on and asked in:"
    )
    human = plan.human(tuning.seed, getattr(plan.study.teachers[tuning.teacher], "human", None))
    prompt, answer = _example(plan, tuning, human)
    yield "\n".join([f"--- prompt ({human[0].id})", prompt, "--- answer", answer.strip(), ""])


def _example(plan: Plan, tuning: Tuning, human: list[Example]) -> tuple[str, str]:
    task = plan.study.task
    if tuning.arm is None:
        return task.frame(task.show(human[0])), task.written(str(human[0].target))
    from preceptor.llm.tuned import plain

    arm = plan.study.operations()[tuning.arm]
    lessons = OPERATIONS[arm.operation].lessons(arm, task, human, tuning.seed, plan.base_dir)
    return plain(lessons[0].request), lessons[0].answer


def _annotated(assignment: Assignment, staff: Staff, count: int) -> Iterator[str]:
    """A few texts of the pool with what the teacher says of each.

    ``keep``, base rates and filters are left out, since they hold all texts against each other.
    """
    plan = assignment.plan
    texts = plan.drawn(assignment.seed).unlabelled[:count]
    with annotator(assignment, staff) as (ask, _):
        said = ask(texts, assignment.title)
    given = sum(one.rejection is None for one in said)
    what = "labelled" if plan.study.task.labels else "answered"
    yield (
        f"=== arm {assignment.arm}: {given} of {len(texts)} {what}, as the teacher gave it: keep,"
        " base_rates and curation judge all texts of a run together"
    )
    prompts = _prompts(assignment, texts)
    yield from (_said(*one) for one in zip(texts, prompts, said, strict=True))


def _prompts(assignment: Assignment, texts: list[Example]) -> list[list[str]]:
    """What the teacher reads of every text."""
    plan, arm = assignment.plan, assignment.settings
    assert isinstance(arm, AnnotateSettings)
    if plan.tunings.of_arm(assignment.arm, assignment.seed) is not None:
        return [[plan.study.task.frame(plan.study.task.show(one))] for one in texts]
    requests = annotate.requests(
        arm,
        plan.study.task,
        texts,
        assignment.human,
        seed=assignment.seed,
        base_dir=plan.base_dir,
    )
    return [_messages(votes[0]) for votes in requests]


def _messages(request: Request) -> list[str]:
    return [f"[{message.role}] {message.content}" for message in request.messages]


def _said(text: Example, prompt: list[str], said: Annotation) -> str:
    answer = ["--- answer", said.raw] if said.raw else []
    return "\n".join([f"--- prompt ({text.id})", *prompt, *answer, f"--- {_verdict(said)}", ""])


def _verdict(said: Annotation) -> str:
    if said.rejection is not None:
        return f"rejected: {said.rejection.reason} ({said.rejection.detail})"
    if not said.probabilities:
        sure = "" if said.log_prob is None else f"; mean log-probability {said.log_prob:.3f}"
        return f"answer {said.target}{sure}"
    shares = ", ".join(f"{label} {share:.3f}" for label, share in said.probabilities.items())
    return f"label {said.target}; {shares}"


def _told_before(name: str, settings: AnyTeacher) -> Iterator[str]:
    """What a person should know of a teacher before it is paid."""
    if not isinstance(settings, EndpointSettings):
        return
    if settings.limit is not None:
        told = settings.limit.model_dump(exclude_none=True)
        limits = ", ".join(f"{key}: {value:,}" for key, value in told.items())
        yield (
            f"=== teacher {name}: its limit ({limits}) holds for this preview alone. What other"
            " previews and runs paid is not counted, and a run does not count this preview"
        )
    if settings.batch is not None:
        yield (
            f"=== teacher {name}: fewer than {settings.batch.least} calls at a time are made at"
            f" once, at the full price; more wait for a batch, each up to {settings.batch.window}"
        )


def _paid(name: str, teacher: Teacher) -> str:
    used = teacher.usage
    tokens = used.prompt_tokens + used.completion_tokens
    tokens -= used.cached_prompt_tokens + used.cached_completion_tokens
    cost = "" if used.cost is None else f", {used.cost - (used.cached_cost or 0):.4f}"
    return (
        f"=== teacher {name}: this preview made {used.calls:,} calls, {tokens:,} tokens{cost}"
        f"{f' {used.currency}' if cost else ''}; {used.cached:,} answers were there already."
        " All are kept, and no run pays for them again"
    )


def _shown(plan: Plan, made: Made) -> str:
    text = made.answer.text if isinstance(made.answer, Answer) else made.answer.detail
    rejection = made.candidate.rejection
    verdict = f"rejected: {rejection.reason} ({rejection.detail})" if rejection else "kept"
    example = made.candidate.example
    target = "label" if plan.study.task.labels else "answer"
    return "\n".join(
        [
            f"--- prompt ({example.id})",
            *_messages(made.call.request),
            "--- answer",
            text,
            f"--- {verdict}; {target} {example.target}",
            "",
        ]
    )
