"""What a student reads of an example: one template, one length, whether it trains or predicts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from preceptor.data.example import Example
from preceptor.data.splits import TooLong
from preceptor.errors import DataError, SpecError
from preceptor.models.pairs import PairRow, opening_of, pair_row
from preceptor.study.plan import Plan
from preceptor.study.spec import AnyStudent, EncoderStudent, Seq2SeqStudent
from preceptor.tasks import AnyTask, TextTask
from preceptor.tune.batches import (
    LabelRow,
    TextRow,
    cut_pair,
    label_row,
    taught_pair,
    text_row,
)
from preceptor.tune.distil import probabilities

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass
class Inputs:
    """Examples as a student sees them.

    Attributes:
        task: templates and answers.
        student: the student's settings.
        too_long: what happens to inputs that do not fit.
        tokenizer: the student's.
        window: tokens that its model can see at once; None where nothing bounds them.
        cut: how many inputs were cut to fit so far.
        opening: what a seq2seq student's answers open with; empty for other kinds.
    """

    task: AnyTask
    student: AnyStudent
    too_long: TooLong
    tokenizer: PreTrainedTokenizerBase
    window: int | None
    cut: int = 0
    opening: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        task: AnyTask,
        student: AnyStudent,
        too_long: TooLong,
    ) -> Inputs:
        """What a loaded model, with or without an adapter, reads."""
        window, opening = window_of(model), opening_of(model)
        return cls(task, student, too_long, tokenizer, window, opening=opening)

    @property
    def labels(self) -> tuple[str, ...]:
        """The task's labels; none of a text task."""
        return self.task.labels

    @property
    def length(self) -> int:
        """Tokens that a prompt and its answer may have together; for a seq2seq student, each."""
        return min(self.student.fit.max_length, self.window or self.student.fit.max_length)

    @cached_property
    def room(self) -> int:
        """Tokens for a framed input, so that the longest answer fits behind it.

        A free answer may be as long as it likes; what is written new has at most half of all.
        A seq2seq student's answers stand apart from its input.

        Raises:
            SpecError: a seq2seq student's answers would be longer than it can see.
        """
        if isinstance(self.student, EncoderStudent):
            return self.length
        if isinstance(self.student, Seq2SeqStudent):
            self._check_written(self.student.max_new_tokens + len(self.opening))
            return self.length
        answers = [self.tokenizer(self.task.written(label))["input_ids"] for label in self.labels]
        if isinstance(self.task, TextTask):
            return self.length - min(self.student.max_new_tokens, self.length // 2)
        longest = 2 + max(len(answer) for answer in answers)
        writes = "generation" in self.student.readings
        return self.length - max(longest, self.student.max_new_tokens if writes else 0)

    def _check_written(self, tokens: int) -> None:
        if tokens > self.length:
            raise SpecError(
                "a written answer may be longer than the student can see",
                where=f"the seq2seq student of {self.student.weights}",
                found=f"{tokens} tokens, with what every answer opens with",
                expected=f"at most {self.length}",
                fix="lower its max_new_tokens",
            )

    def shown(self, example: Example) -> str:
        """What the student reads, fitted: the input (encoder) or the framed prompt (others).

        Raises:
            DataError: it is too long and the study refuses to cut.
        """
        from preceptor.models.tokens import fit_input

        encoder = isinstance(self.student, EncoderStudent)
        frame = str if encoder else self.task.frame
        text, cut = fit_input(
            self.tokenizer,
            frame,
            self.task.show(example),
            self.room,
            self.too_long,
            example_id=example.id,
        )
        self.cut += cut
        return frame(text)

    def row(self, example: Example) -> LabelRow | TextRow | PairRow:
        """An example as the fitting loop learns from it: what is shown, and the answer.

        Of a student that distils, a classifier's row holds a teacher's probabilities too, where
        the example has them. A student that writes learns no probabilities of labels, but a
        teacher's of every token: a seq2seq student's row says how a decoder reads it.

        Raises:
            DataError: it is too long and the study refuses to cut, nothing of its answer would
                be left, or its probabilities are not those of the task's labels.
        """
        target = str(example.target)
        if isinstance(self.student, Seq2SeqStudent):
            return self._pair_row(example, first=1)
        if isinstance(self.task, TextTask):
            return self._text_row(example, self.task.loss)
        if isinstance(self.student, EncoderStudent):
            soft = probabilities(example, self.labels) if self.student.distill else ()
            return label_row(self.tokenizer, self.shown(example), self.labels.index(target), soft)
        answer = self.task.written(target)
        return text_row(self.tokenizer, self.shown(example), answer, self.task.loss)

    def answered(self, example: Example) -> tuple[tuple[int, ...], int] | PairRow:
        """The tokens of a prompt with its answer, and the first of the answer's.

        Raises:
            DataError: as for :meth:`row`.
        """
        if isinstance(self.student, Seq2SeqStudent):
            return self._pair_row(example, first=len(self.opening))
        row = self._text_row(example, "answer")
        return row.tokens, row.first

    def _pair_row(self, example: Example, first: int) -> PairRow:
        """Source and target, each fitted by itself; of a free answer `truncate_end` cuts the end.

        A cut answer has no end token, since the text does not end there.
        """
        before, shown = self.cut, self.shown(example)
        answer = self.task.written(str(example.target))
        row = pair_row(self.tokenizer, self.opening, shown, answer, first)
        if self.student.distill is not None:
            row = taught_pair(row, text_row(self.tokenizer, shown, answer, "answer"))
        if len(row.target) <= self.length:
            return row
        if self.labels or self.too_long != "truncate_end":
            raise _answer_too_long(example, len(row.target), self.length)
        self.cut = before + 1
        return cut_pair(row, self.length)

    def _text_row(self, example: Example, loss: Literal["answer", "all"]) -> TextRow:
        """A free answer counts into the length itself: its end is what `truncate_end` cuts.

        A cut answer has no end token, since the text does not end there.
        """
        prompt = self.task.frame(self.task.show(example))
        answer = self.task.written(str(example.target))
        row = text_row(self.tokenizer, prompt, answer, "answer")
        over = len(row.tokens) - self.length
        if over > 0 and self.too_long == "truncate_start" and row.first > over:
            row = self._shortened(example, answer, row.first - over)
        elif over > 0 and self.too_long == "truncate_end" and row.first < self.length:
            self.cut += 1
            row = TextRow(row.tokens[: self.length], row.first)
        elif over > 0:
            raise _too_long(example, len(row.tokens), row.first, self)
        return row if loss == "answer" else TextRow(row.tokens, 1)

    def _shortened(self, example: Example, answer: str, room: int) -> TextRow:
        """The prompt's input cut at its start, so that all of the answer fits."""
        from preceptor.models.tokens import fit_input

        shown = self.task.show(example)
        # A token more or less may be made where prompt and answer meet.
        text, _ = fit_input(
            self.tokenizer, self.task.frame, shown, room - 1, self.too_long, example_id=example.id
        )
        self.cut += 1
        return text_row(self.tokenizer, self.task.frame(text), answer, "answer")


def _answer_too_long(example: Example, tokens: int, length: int) -> DataError:
    return DataError(
        "an answer is too long for the student",
        where=f"example {example.id}",
        found=f"{tokens} tokens, with those that open and end it",
        expected=f"at most {length}",
        fix="set data.too_long to truncate_end (it cuts free answers), or raise fit.max_length",
    )


def _too_long(example: Example, tokens: int, prompt: int, inputs: Inputs) -> DataError:
    nothing = prompt >= inputs.length and inputs.too_long == "truncate_end"
    return DataError(
        "nothing of an answer is left when it is cut to fit the student"
        if nothing
        else "a prompt and its answer are too long for the student",
        where=f"example {example.id}",
        found=f"{tokens} tokens, {prompt} of them the prompt's",
        expected=f"at most {inputs.length}",
        fix="raise fit.max_length, or leave such rows out"
        if nothing or inputs.too_long == "truncate_start"
        else "set data.too_long to truncate_end, or raise fit.max_length",
    )


def check_lengths(plan: Plan) -> None:
    """Refuse human examples that do not fit a student, before a teacher is paid for anything.

    Needs every student's tokenizer and config, so its weights are fetched or exported here.

    Raises:
        SpecError: a student could not see all of what it may write.
        DataError: an example does not fit a student that still has a cell to train.
    """
    missing = {cell.student for cell in plan.cells if not plan.cell_part(cell).exists()}
    examples = {
        one.id: one
        for seed in plan.draw_seeds
        for part in plan.drawn(seed).labelled().values()
        for one in part
    }
    for name in sorted(missing):
        _check_fit(name, _inputs(plan, name), examples.values())


def _check_fit(student: str, inputs: Inputs, examples: Collection[Example]) -> None:
    wrong: list[DataError] = []
    for example in examples:
        try:
            inputs.row(example)
            if isinstance(inputs.task, TextTask) and "generation" in inputs.task.score_by:
                inputs.shown(example)  # what is written must fit behind it
        except DataError as error:
            wrong.append(error)
    if wrong:
        raise DataError(
            wrong[0].what,
            where=f"student {student}, {wrong[0].where}",
            found=f"{wrong[0].found}; {len(wrong)} of {len(examples)} examples do not fit",
            expected=wrong[0].expected,
            fix=wrong[0].fix,
        )


def _inputs(plan: Plan, name: str) -> Inputs:
    from preceptor.models.loading import load_config, load_tokenizer
    from preceptor.models.seq2seq import load_opening
    from preceptor.models.window import context_window

    study, weights = plan.study, plan.weights[name]
    student = study.students[name]
    window = context_window(load_config(weights, student.kind))
    opening = load_opening(weights) if isinstance(student, Seq2SeqStudent) else ()
    tokenizer = load_tokenizer(weights)
    return Inputs(study.task, student, study.data.too_long, tokenizer, window, opening=opening)


def window_of(model: PreTrainedModel) -> int | None:
    """Tokens that a student's model sees at once, less those of its prefix."""
    from preceptor.models.window import context_window

    window = context_window(model.config)
    adapters = getattr(model, "peft_config", {}).values()
    prefix = sum(one.num_virtual_tokens for one in adapters if one.is_prompt_learning)
    return None if window is None else window - prefix
