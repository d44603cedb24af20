"""What can be known to be wrong before a model is loaded or a call is paid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from preceptor.augment import OPERATIONS, AnyOperation, annotate
from preceptor.augment.annotate import AnnotateSettings
from preceptor.augment.create import CreateSettings
from preceptor.augment.operation import rows_of
from preceptor.augment.rewrite import RewriteSettings
from preceptor.curate import FILTERS, slots
from preceptor.data.example import Example
from preceptor.data.problems import listed
from preceptor.data.sampling import label_counts
from preceptor.data.splits import Splits
from preceptor.data.targets import check_labels, check_texts
from preceptor.errors import PreceptorError, SpecError
from preceptor.llm import vllm
from preceptor.llm.endpoint import check_key
from preceptor.llm.prices import quote
from preceptor.llm.settings import AnyTeacher, EndpointSettings, TunedSettings, VllmSettings
from preceptor.models import weights
from preceptor.study.file import headed, hint, placed
from preceptor.study.folds import fold_problems
from preceptor.study.plan import Plan
from preceptor.study.spec import MixArm, NoneArm, Study
from preceptor.study.students import student_problems
from preceptor.study.teachers.problems import annotation_problems, pool_problems, tuned_problems
from preceptor.study.tracking import tracker_problems
from preceptor.tasks import TextTask
from preceptor.tasks.template import fields_of

_THIN = 10
"""validation examples of a label below which a figure that counts labels turns on one of them"""


def check(plan: Plan, calls: bool = True) -> None:
    """Refuse a study that cannot work, all its problems at once.

    Args:
        plan: the study.
        calls: whether teachers will be called, and so must be ready.

    Raises:
        SpecError: with every problem found.
        DataError: the data themselves cannot be used (reported by the reader).
    """
    study = plan.study
    problems = [*_teachers(study), *_arms(study), *student_problems(plan), *_prompts(plan)]
    problems += tuned_problems(plan) if study.teachers else []
    problems += [*_curation(plan), *fold_problems(study), *tracker_problems(study)]
    if not problems:
        problems += annotation_problems(plan)
    if texts := list(_of_texts(study)):
        raise SpecError(headed([_placed(plan, problem) for problem in [*texts, *problems]]))
    problems += _ready(study, plan.base_dir) if calls else []
    problems += _told(lambda: plan.splits) or [*_fields(plan), *_baselines(plan)]
    if problems:
        raise SpecError(headed([_placed(plan, problem) for problem in problems]))
    check_targets(plan, plan.splits)
    for seed in plan.draw_seeds:
        check_targets(plan, plan.drawn(seed))
    problems = [*_rendered(plan), *_amounts(plan), *_drawn(plan), *_slots(plan)]
    problems += pool_problems(plan)
    if problems:
        raise SpecError(headed([_placed(plan, problem) for problem in problems]))


def check_ready(plan: Plan) -> None:
    """Refuse a study whose teachers cannot be called.

    Raises:
        SpecError: with what every one of them lacks.
    """
    problems = list(_ready(plan.study, plan.base_dir))
    if problems:
        raise SpecError(headed([_placed(plan, problem) for problem in problems]))


def check_targets(plan: Plan, splits: Splits) -> list[str]:
    """Hold the targets of some splits against the task; what the report should say of them.

    Raises:
        DataError: targets that the task cannot use.
    """
    if isinstance(plan.study.task, TextTask):
        return check_texts(splits)
    return check_labels(splits, plan.study.task.labels)


def thin_choice(plan: Plan) -> list[str]:
    """A warning where validation is too small for the figure that choices are made by."""
    by = plan.study.choose_by
    counts = label_counts(plan.drawn(plan.draw_seeds[0]).validation)
    if by == "log_loss" or isinstance(plan.study.task, TextTask) or not counts:
        return []
    rarest = min(counts, key=lambda label: counts[label])
    if counts[rarest] >= _THIN:
        return []
    return [
        f"Settings and checkpoints were chosen by {by} on validation, where {rarest!r} has"
        f" {counts[rarest]} examples: one of them can decide. choose_by: log_loss moves with all."
    ]


def _placed(plan: Plan, problem: str) -> str:
    return problem if plan.study_file is None else placed(plan.study_file, problem)


def _told(action: Callable[[], object]) -> list[str]:
    return [f"data: {problem}" for problem in _reason(action)]


def _of_texts(study: Study) -> Iterator[str]:
    """What needs labels cannot stand in a study of texts."""
    if not isinstance(study.task, TextTask):
        return
    for name, arm in study.operations().items():
        if isinstance(arm, RewriteSettings):
            yield f"arms.{name}: rewrite keeps a label; a text task takes create and annotate"
    if study.baselines.teacher or study.baselines.human:
        yield "baselines: a text task has no labels that a teacher or a person could give"


def _ready(study: Study, base_dir: Path) -> Iterator[str]:
    for name, teacher in study.teachers.items():
        for problem in _teacher(teacher, base_dir):
            yield f"teachers.{name}.{problem}"


def _teachers(study: Study) -> Iterator[str]:
    if study.baselines.teacher and not study.teachers:
        yield "teachers: baselines.teacher needs one and there is none"
    for name, arm in study.teaching().items():
        yield from (f"arms.{name}.teacher: {problem}" for problem in _called(study, arm.teacher))


def _called(study: Study, named: str | None) -> Iterator[str]:
    known = list(study.teachers)
    if named is None and len(known) != 1:
        yield f"name one of the teachers: {', '.join(known)}" if known else "there is no teacher"
    elif named is not None and named not in known:
        yield f"no teacher is named {named!r}{hint(named, known)}"


def _teacher(teacher: AnyTeacher, base_dir: Path) -> Iterator[str]:
    if isinstance(teacher, EndpointSettings):
        if not teacher.on_this_machine and not teacher.data_may_leave:
            yield (
                f"data_may_leave: {teacher.base_url} is not this machine, so your examples"
                " would be sent there; set it to true to allow that"
            )
        yield from (f"key_env: {problem}" for problem in _reason(lambda: check_key(teacher)))
        if teacher.limit is not None and teacher.limit.cost and quote(teacher) is None:
            yield "limit.cost: no price is known for this model: give the teacher's price"
        return
    if isinstance(teacher, VllmSettings):
        yield from vllm.problems(teacher, base_dir)
        return
    if isinstance(teacher, TunedSettings):
        return  # looked at with the students, which it is one of while it is tuned
    if find_spec("xllamacpp") is None:
        yield "engine: embedded needs xllamacpp: pip install 'preceptor[embedded]'"
    found = _reason(lambda: weights.find_gguf(teacher.weights, base_dir))
    yield from (f"weights: {problem}" for problem in found)


def _reason(action: Callable[[], object]) -> Iterator[str]:
    try:
        action()
    except PreceptorError as error:
        yield str(error)


def _arms(study: Study) -> Iterator[str]:
    holding = [k for k, arm in study.arms.items() if not isinstance(arm, MixArm | NoneArm)]
    for name, arm in study.arms.items():
        for source in arm.of if isinstance(arm, MixArm) else ():
            if source not in holding:
                yield (
                    f"arms.{name}.of: {source!r} is no arm that holds rows of its own"
                    f"{hint(source, holding)}; those are: {', '.join(holding) or 'none'}"
                )


def _curation(plan: Plan) -> Iterator[str]:
    labels, balance = plan.study.task.labels, plan.study.curation.balance
    if balance is not False and isinstance(balance.to, dict):
        for label in balance.to:
            if label not in labels:
                guess = hint(label, labels)
                yield f"curation.balance.to: no label {label!r}{guess}; there are {listed(labels)}"
    for name in FILTERS:
        ref = getattr(getattr(plan.study.curation, name), "weights", None)
        problem = ref and weights.check(ref, plan.base_dir, "encoder")
        if problem:
            yield f"curation.{name}.weights: {problem}"
    yield from (f"curation.decisions: {one}" for one in _reason(lambda: plan.decisions))


def _rendered(plan: Plan) -> Iterator[str]:
    """Every arm's prompt, filled in once as it will be."""
    human = plan.drawn(plan.draw_seeds[0]).train
    for name, arm in plan.study.operations().items():
        form = {"tuned": True} if plan.tunings.teaching(arm) else {}
        calls = OPERATIONS[arm.operation].calls(
            arm, plan.study.task, human, 0, plan.base_dir, **form
        )
        for problem in _reason(partial(next, calls)):
            yield f"arms.{name}.prompt: {problem}"
    for name, asked in plan.study.annotations().items():
        for problem in _reason(partial(_asked, plan, asked, human)):
            yield f"arms.{name}.prompt: {problem}"


def _asked(plan: Plan, arm: AnnotateSettings, human: list[Example]) -> None:
    """One example's prompt, as a teacher that is asked would get it."""
    if plan.tunings.teaching(arm) is None:
        annotate.requests(arm, plan.study.task, human[:1], human, seed=0, base_dir=plan.base_dir)


def _amounts(plan: Plan) -> Iterator[str]:
    """A mix cannot take more of an arm than that arm makes."""
    human = len(plan.drawn(plan.draw_seeds[0]).train)
    for name, arm in plan.study.arms.items():
        for source, amount in arm.of.items() if isinstance(arm, MixArm) else ():
            made = rows_of(getattr(plan.study.arms[source], "amount", "1x"), human)
            if amount is not None and rows_of(amount, human) > made:
                yield f"arms.{name}.of.{source}: {amount} is more than the {made} rows it makes"


def _drawn(plan: Plan) -> Iterator[str]:
    drawn = plan.drawn(plan.draw_seeds[0])
    for shots in plan.study.baselines.teacher:
        if shots > len(drawn.train):
            yield f"baselines.teacher: {shots} shots, and only {len(drawn.train)} labelled examples"
    for name, student in plan.study.students.items():
        if student.grid and not drawn.validation:
            yield f"students.{name}.grid: there is no validation split to choose a setting on"


def _slots(plan: Plan) -> Iterator[str]:
    settings, task = plan.study.curation.slots, plan.study.task
    if settings is False or slots.unfit(task, ""):
        return
    if problem := slots.problem(settings, task, plan.drawn(plan.draw_seeds[0]).train):
        yield f"curation.slots.values: {problem}"


def _everything(plan: Plan) -> list[Example]:
    return [*plan.splits.train, *plan.splits.validation, *plan.splits.test]


def _fields(plan: Plan) -> Iterator[str]:
    """Every field that the task and the operations name must stand in every example."""
    examples = _everything(plan)
    if not examples:
        return
    inputs = set.intersection(*(set(example.inputs) for example in examples))
    for field in sorted(fields_of(plan.study.task.input) - inputs):
        guess = hint(field, sorted(inputs))
        yield f"task.input: no input field {field!r}{guess}; the data have {listed(inputs)}"
    train = [one for part in plan.partitions for one in part.train]
    if not train:
        return
    readable = inputs | set.intersection(*(set(example.extra) for example in train))
    for name, arm in plan.study.operations().items():
        for key, field in _named_fields(arm):
            allowed = inputs if key == "keep" else readable
            if field not in allowed:
                guess = hint(field, sorted(allowed))
                yield f"arms.{name}.{key}: no field {field!r}{guess}; there are {listed(allowed)}"
        if isinstance(arm, RewriteSettings) and not arm.fields and len(inputs) > 1:
            yield f"arms.{name}.fields: name the fields to reword, of {listed(sorted(inputs))}"
        if isinstance(arm, RewriteSettings) and arm.fields and not inputs & set(arm.fields):
            yield f"arms.{name}.fields: reword an input too, one of {listed(sorted(inputs))}"
        if isinstance(arm, CreateSettings):
            task = plan.study.task
            lacking = set(task.input_fields) - {*arm.written(task), *arm.keep}
            if lacking:
                yield f"arms.{name}.write: {', '.join(sorted(lacking))} is neither written nor kept"


def _named_fields(arm: RewriteSettings | CreateSettings) -> Iterator[tuple[str, str]]:
    if isinstance(arm, RewriteSettings):
        yield from (("fields", field) for field in arm.fields)
    else:
        yield from (("keep", field) for field in arm.keep)
        yield from (("write", field) for field in arm.write)


def _prompts(plan: Plan) -> Iterator[str]:
    for name, arm in plan.study.teaching().items():
        for problem in _reason(partial(_readable, arm, plan)):
            yield f"arms.{name}.prompt: {problem}"


def _readable(arm: AnyOperation | AnnotateSettings, plan: Plan) -> None:
    if isinstance(arm, AnnotateSettings):
        fields_of(annotate.template(arm, plan.study.task, plan.base_dir))
    else:
        fields_of(arm.template(plan.base_dir))


def _baselines(plan: Plan) -> Iterator[str]:
    field = plan.study.baselines.human
    tested = [one for part in plan.partitions for one in part.test]
    if field is None or not tested:
        return
    known = set.intersection(*({*one.inputs, *one.extra} for one in tested))
    if field not in known:
        guess = hint(field, sorted(known))
        yield f"baselines.human: no field {field!r}{guess}; there are {', '.join(sorted(known))}"
