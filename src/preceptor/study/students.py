"""Whether students can be what a study says: kind, method, layout, grid and weights together."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from preceptor.augment.annotate import AnnotateSettings
from preceptor.llm.settings import TunedSettings
from preceptor.models import four_bit, weights
from preceptor.study.file import hint
from preceptor.study.grid import Cell
from preceptor.study.plan import Plan
from preceptor.study.spec import (
    AnyStudent,
    DecoderStudent,
    MixArm,
    Seq2SeqStudent,
    Study,
    WritingStudent,
)
from preceptor.tasks import TextTask
from preceptor.tune.methods import METHODS
from preceptor.tune.vocabulary import known_vocabulary

_NOT_PACKED = {"encoder": "a classifier", "seq2seq": "an encoder-decoder model"}
_ADAPTERS = ("lora", "boft")


def student_problems(plan: Plan) -> Iterator[str]:
    """What is wrong with the students, as far as their settings and a look at the disk tell."""
    for name, student in plan.study.students.items():
        yield from _room(plan.study, name, student)
        yield from _suited(plan.study, name, student)
        wrong = weights.check(student.weights, plan.base_dir, student.kind)
        if wrong:
            yield f"students.{name}.weights: {wrong}"
        elif isinstance(student, Seq2SeqStudent):
            yield from _two_stacks(plan, name, student)
        if isinstance(student, DecoderStudent) and student.load_in_4bit:
            yield from _four_bits(name, student)
        for arm in student.arms or ():
            if arm not in plan.study.arms:
                guess = hint(arm, list(plan.study.arms))
                yield f"students.{name}.arms: no arm is named {arm!r}{guess}"
        yield from _grid(name, student)
        for problem in _distilled(plan, name, student):
            yield f"students.{name}.distill{problem}"


def _room(study: Study, name: str, student: AnyStudent) -> Iterator[str]:
    """A written answer must fit; a decoder that foresees texts makes its answers fit itself."""
    if not isinstance(student, WritingStudent):
        return
    free = isinstance(student, DecoderStudent) and isinstance(study.task, TextTask)
    length, most = student.fit.max_length, student.max_new_tokens
    if not free and most >= length:
        yield f"students.{name}.max_new_tokens: leaves no room in fit.max_length ({length})"
    if free and "generation" in study.readings(name) and most > length // 2:
        yield f"students.{name}.max_new_tokens: takes more than half of fit.max_length ({length})"


def _two_stacks(plan: Plan, name: str, student: Seq2SeqStudent) -> Iterator[str]:
    """What an adapter cannot do with an encoder-decoder model, or with one of two encoders."""
    method = student.method.name
    if method in _ADAPTERS and weights.resolve(student.weights, plan.base_dir).parts:
        yield (
            f"students.{name}.method: {method} leaves the cross-attention of a pair of encoders"
            " at random; a pair is tuned by full"
        )
    if getattr(student.method, "last_blocks", None) or "last_blocks" in student.grid:
        yield (
            f"students.{name}.method.last_blocks: a seq2seq student has two stacks of blocks;"
            " leave it out"
        )


def _four_bits(name: str, student: DecoderStudent) -> Iterator[str]:
    """What stands in the way of frozen weights in four bits."""
    method, fix = student.method.name, four_bit.missing()
    if method not in four_bit.METHODS:
        fits = " and ".join(four_bit.METHODS)
        yield f"students.{name}.load_in_4bit: {method} trains what is frozen then; {fits} do not"
    if fix is not None:
        yield f"students.{name}.load_in_4bit: needs bitsandbytes; {fix}"


def _suited(study: Study, name: str, student: AnyStudent) -> Iterator[str]:
    """Whether method, layout and task fit this kind of student."""
    kinds = METHODS[student.method.name].KINDS
    if student.kind not in kinds:
        fits = " and ".join(kinds)
        yield f"students.{name}.method: {student.method.name} fits {fits} students alone"
    if isinstance(study.task, TextTask) and not isinstance(student, WritingStudent):
        yield (
            f"students.{name}.kind: {student.kind} students choose labels; a text task needs one"
            " that writes: decoder or seq2seq"
        )
    packed = student.fit.layout == "packed"
    if packed and (student.kind != "decoder" or student.method.name == "prefix"):
        why = _NOT_PACKED.get(student.kind, "a prefix")
        yield f"students.{name}.fit.layout: rows cannot be packed for {why}; set it to padded"
    on = student.fit.trunk_cache == "on"
    if on and student.kind == "seq2seq":
        yield f"students.{name}.fit.trunk_cache: a seq2seq student has two stacks of blocks; auto"
    elif on and (student.kind == "encoder" or student.method.name in ("full", "prefix")):
        yield f"students.{name}.fit.trunk_cache: nothing stays frozen that could be cached; auto"


def _distilled(plan: Plan, name: str, student: AnyStudent) -> Iterator[str]:
    """Whether there is somebody to learn from; without the start of the key."""
    if student.distill is None:
        return
    teacher = student.distill.teacher
    if student.method.name == "base":
        yield ": base trains nothing that could learn from a teacher"
    if isinstance(student, WritingStudent):
        yield from _taught_by(plan, student, teacher)
    elif teacher is not None:
        yield ".teacher: a classifier learns what annotated rows keep; leave it out"
    if not isinstance(student, WritingStudent) and not _annotated(plan.study, student):
        yield ": none of its arms annotates, so no row has a teacher's probabilities"


def _annotated(study: Study, student: AnyStudent) -> bool:
    """Whether a student has an arm with annotated rows, by itself or mixed."""
    arms = [study.arms[name] for name in student.arms or study.arms if name in study.arms]
    mixed = [study.arms.get(one) for arm in arms if isinstance(arm, MixArm) for one in arm.of]
    return any(isinstance(arm, AnnotateSettings) for arm in (*arms, *mixed))


def _taught_by(plan: Plan, student: WritingStudent, name: str | None) -> Iterator[str]:
    """Whether a tuned teacher of the student's vocabulary is named."""
    teachers = plan.study.teachers
    tuned = [one for one, settings in teachers.items() if isinstance(settings, TunedSettings)]
    there = f"those are: {', '.join(tuned) or 'none'}"
    if name is None:
        yield (
            ": a student that writes learns a tuned teacher's probabilities of every token: name"
            f" it in teacher; {there}"
        )
    elif name not in tuned:
        wrong = "is not tuned (engine: tuned)" if name in teachers else "is no teacher"
        yield f".teacher: {name!r} {wrong}{hint(name, tuned)}; {there}"
    elif (settings := plan.tunings.settings(name)) is not None and settings.tuned_from is None:
        yield from _other_vocabulary(plan, student.weights, settings.weights)


def _other_vocabulary(plan: Plan, student: str, teacher: str) -> Iterator[str]:
    """Where the files do not tell, the tokenizers are compared when they are loaded."""
    if any(weights.check(ref, plan.base_dir) for ref in (student, teacher)):
        return  # told elsewhere
    found = [known_vocabulary(weights.resolve(ref, plan.base_dir)) for ref in (student, teacher)]
    if None not in found and found[0] != found[1]:
        sizes = [one[0] for one in found if one is not None]
        yield (
            f".teacher: {teacher} has another vocabulary ({sizes[1]} tokens) than {student}"
            f" ({sizes[0]}), and its probabilities are of its own tokens"
        )


def _grid(name: str, student: AnyStudent) -> Iterator[str]:
    known = [field for field in type(student.method).model_fields if field != "name"]
    for key, values in student.grid.items():
        if key not in known:
            guess = hint(key, known)
            yield f"students.{name}.grid: {student.method.name} has no setting {key!r}{guess}"
            continue
        read: list[object] = []
        for value in values:
            try:
                method = Cell("", name, ((key, value),), 0).method(student)
            except ValidationError as error:
                yield f"students.{name}.grid.{key}: {error.errors()[0]['msg']}; found {value!r}"
                continue
            if getattr(method, key) in read:
                yield f"students.{name}.grid.{key}: {value!r} stands there twice"
            read.append(getattr(method, key))
