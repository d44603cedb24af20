"""A look at a few calls before anyone pays for all."""

from __future__ import annotations

from collections.abc import Iterator

from preceptor.llm import open_teacher
from preceptor.llm.chat import Answer
from preceptor.study.arms import Made, Maker
from preceptor.study.plan import Plan


def preview(plan: Plan, count: int) -> Iterator[str]:
    """For every arm that calls a teacher: ``count`` prompts, answers and verdicts as text."""
    seed = plan.draw_seeds[0]
    human = plan.drawn(seed).train
    if not plan.study.operations():
        yield "no arm of this study calls a teacher: there is nothing to preview"
    for name, arm in plan.study.operations().items():
        settings = plan.study.teachers[plan.study.teacher_of(arm)]
        with open_teacher(settings, base_dir=plan.base_dir) as teacher:
            maker = Maker(plan, name, human, seed, teacher)
            made = maker.make(count)
        kept = sum(one.candidate.rejection is None for one in made)
        yield f"=== arm {name}: {kept} of {len(made)} kept"
        yield from (_shown(one) for one in made)


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
