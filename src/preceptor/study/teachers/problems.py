"""Whether teachers can be tuned, and the pool used, as a study says."""

from __future__ import annotations

import json
from collections.abc import Iterator

from preceptor.augment.operation import rows_of
from preceptor.augment.rewrite import RewriteSettings
from preceptor.curate import FILTERS
from preceptor.curate.read_back import TunedLabels
from preceptor.errors import PreceptorError
from preceptor.llm.settings import TunedSettings
from preceptor.models import four_bit, weights
from preceptor.study.plan import Plan
from preceptor.study.spec import GoldArm
from preceptor.study.teachers.tuning import FILE, seen
from preceptor.study.teachers.tunings import Tuning
from preceptor.tune.methods import METHODS


def tuned_problems(plan: Plan) -> Iterator[str]:
    """What is wrong with teachers that are tuned first, as far as settings and the disk tell."""
    for name, teacher in plan.study.teachers.items():
        if isinstance(teacher, TunedSettings):
            for problem in _of(plan, teacher):
                yield f"teachers.{name}.{problem}"
    for name, arm in plan.study.operations().items():
        tuned = plan.study.teachers and plan.tunings.teaching(arm)
        if tuned and isinstance(arm, RewriteSettings):
            yield f"arms.{name}: no human example is a rewrite, so no teacher can be tuned to it"
        if tuned and arm.structured == "on":
            yield f"arms.{name}.structured: a tuned teacher writes in the form it was tuned on"


def _asking_filters(plan: Plan) -> list[str]:
    """The filters that ask a teacher a question of their own."""
    named = {name: getattr(plan.study.curation, name) for name in FILTERS}
    asking = {name: one for name, one in named.items() if one and hasattr(one, "rounds")}
    return [name for name, one in asking.items() if any(one.rounds(1, 1))]


def _unread(plan: Plan) -> Iterator[str]:
    """Labels can be read back by a tuned teacher alone, and only where there are labels."""
    if not isinstance(plan.study.curation.labels, TunedLabels):
        return
    for name, arm in plan.study.operations().items():
        if plan.tunings.teaching(arm) is None:
            yield (
                f"curation.labels.by: the teacher of {name} is not tuned, so it cannot read labels"
                " back; `teacher` has it vote, `student` asks a student of the human data"
            )


def annotation_problems(plan: Plan) -> Iterator[str]:
    """What an arm cannot ask of its teacher."""
    for name, arm in plan.study.teaching().items():
        if plan.tunings.teaching(arm) is not None:
            for one in _asking_filters(plan):
                yield (
                    f"curation.{one}: asks the teacher of {name}, which is tuned to one form and"
                    " answers no other question; switch it off, or name a teacher that is asked"
                )
    yield from _unread(plan)
    for name, arm in plan.study.annotations().items():
        tuned = plan.tunings.teaching(arm) is not None
        if tuned:
            for key in ("shots", "votes", "prompt", "parameters"):
                if key in arm.model_fields_set:
                    yield f"arms.{name}.{key}: for a teacher that is asked; this one is tuned"
        elif not plan.study.task.labels and arm.keep < 1:
            yield f"arms.{name}.keep: how sure an asked teacher is of a free answer is not known"
        elif arm.keep < 1 and arm.votes == 1:
            yield f"arms.{name}.keep: one vote says nothing of how sure it is; set votes"


def _of(plan: Plan, teacher: TunedSettings) -> Iterator[str]:
    wrong = weights.check(teacher.weights, plan.base_dir, "decoder")
    if wrong:
        yield f"weights: {wrong}"
    if "decoder" not in METHODS[teacher.method.name].KINDS or teacher.method.name == "base":
        yield f"method: {teacher.method.name} tunes no decoder"
    if teacher.load_in_4bit and (fix := four_bit.missing()) is not None:
        yield f"load_in_4bit: needs bitsandbytes; {fix}"
    if teacher.load_in_4bit and teacher.method.name not in four_bit.METHODS:
        fits = " and ".join(four_bit.METHODS)
        yield f"load_in_4bit: {teacher.method.name} trains what is frozen then; {fits} do not"
    if teacher.serve == "vllm" and teacher.method.name != "lora":
        yield f"serve: vLLM serves an adapter of lora alone, not {teacher.method.name}"
    if isinstance(teacher.human, float) and teacher.human > 1:
        yield f"human: {teacher.human}: a number of examples is whole; a share is below 1"


def pool_problems(plan: Plan) -> Iterator[str]:
    """What is wrong with the pool, and with teachers that another run tuned."""
    for seed in plan.draw_seeds:
        yield from _pool(plan, seed)
    for tuning in plan.tunings.all:
        if tuning not in plan.tunings.own:
            yield from _taken(plan, tuning)
    yield from _shares(plan)


def _shares(plan: Plan) -> Iterator[str]:
    """Every number of human examples must be there."""
    named: dict[str, object] = {f"arms.{name}": arm for name, arm in plan.study.arms.items()}
    named |= {f"teachers.{name}": one for name, one in plan.study.teachers.items()}
    smallest = min(plan.draw_seeds, key=lambda seed: len(plan.drawn(seed).train))
    for where, one in named.items():
        share = getattr(one, "human", None)
        if share is not None:
            try:
                plan.human(smallest, share)
            except PreceptorError as error:
                yield f"{where}.human: {error}"


def _pool(plan: Plan, seed: int) -> Iterator[str]:
    """Arms that take texts from the pool need one."""
    drawn = plan.drawn(seed)
    taking = plan.study.annotations()
    golden = {k: arm for k, arm in plan.study.arms.items() if isinstance(arm, GoldArm)}
    for name in (*taking, *golden):
        if not drawn.unlabelled:
            yield (
                f"arms.{name}: the pool is empty: set data.pool (of: rest takes the training"
                " examples that the seed does not draw) or give unlabelled texts"
            )
    if drawn.unlabelled and not drawn.hidden:
        yield from (f"arms.{name}: no text of the pool has a true label" for name in golden)
    for name, arm in taking.items():
        wanted = rows_of(arm.amount, len(drawn.train))
        if 0 < len(drawn.unlabelled) < wanted:
            yield f"arms.{name}.amount: {wanted} rows of a pool of {len(drawn.unlabelled)} texts"


def _taken(plan: Plan, tuning: Tuning) -> Iterator[str]:
    """A teacher that another run tuned must be there, and must not know what it is tested on."""
    folder = plan.tunings.folder(tuning)
    where = f"teachers.{tuning.teacher}.tuned_from"
    if not (folder / FILE).is_file():
        whole = folder.parent.parent
        found = sorted(str(path.parent.relative_to(whole)) for path in whole.glob(f"*/*/{FILE}"))
        yield f"{where}: no teacher in {folder}; there are: {', '.join(found) or 'none'}"
        return
    known = set(json.loads((folder / FILE).read_text("utf-8"))["seen"])
    drawn = plan.drawn(tuning.seed)
    for split in ("validation", "test"):
        shared = [one.id for one in getattr(drawn, split) if seen(plan, one) in known]
        if shared:
            yield (
                f"{where}: the teacher in {folder} was tuned on {len(shared)} texts of this"
                f" study's {split} split ({', '.join(shared[:3])}): its answers would leak them"
            )
