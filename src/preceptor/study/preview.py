"""A look at a few calls before anyone pays for all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from preceptor.llm import open_teacher
from preceptor.llm.chat import Answer, Teacher
from preceptor.llm.settings import AnyTeacher, EndpointSettings
from preceptor.study.assignment import Assignment
from preceptor.study.making import Made, Maker
from preceptor.study.plan import Plan


def preview(plan: Plan, count: int) -> Iterator[str]:
    """For every arm that calls a teacher: ``count`` prompts, answers and verdicts as text.

    A teacher is opened once for all of its arms, so that its limit and its rates hold for the
    whole preview. There is no run folder in which what other starts paid could stand: the text
    says what a limit counts, and at its end what was paid.

    Raises:
        LimitError: further calls could pass what the study allows.
        TeacherError: a teacher cannot be reached or refuses every call alike.
    """
    operations = plan.study.operations()
    if not operations:
        yield "no arm of this study calls a teacher: there is nothing to preview"
    with ExitStack() as stack:
        teachers: dict[str, Teacher] = {}
        for name in dict.fromkeys(plan.study.teacher_of(arm) for arm in operations.values()):
            settings = plan.study.teachers[name]
            yield from _told_before(name, settings)
            opened = open_teacher(settings, base_dir=plan.base_dir, name=name)
            teachers[name] = stack.enter_context(opened)
        for arm, operation in operations.items():
            yield from _arm(plan, arm, teachers[plan.study.teacher_of(operation)], count)
        yield from (_paid(name, teacher) for name, teacher in teachers.items())


def _arm(plan: Plan, name: str, teacher: Teacher, count: int) -> Iterator[str]:
    seed = plan.draw_seeds[0]
    assignment = Assignment(plan, name, plan.drawn(seed).train, seed)
    made = Maker(assignment, teacher).make(count)
    kept = sum(one.candidate.rejection is None for one in made)
    yield f"=== arm {name}: {kept} of {len(made)} kept"
    yield from (_shown(one) for one in made)


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


def _shown(made: Made) -> str:
    text = made.answer.text if isinstance(made.answer, Answer) else made.answer.detail
    rejection = made.candidate.rejection
    verdict = f"rejected: {rejection.reason} ({rejection.detail})" if rejection else "kept"
    example = made.candidate.example
    return "\n".join(
        [
            f"--- prompt ({example.id})",
            *(f"[{message.role}] {message.content}" for message in made.call.request.messages),
            "--- answer",
            text,
            f"--- {verdict}; label {example.target}",
            "",
        ]
    )
