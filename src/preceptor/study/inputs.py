"""What a student reads of an example: one template, one length, whether it trains or predicts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from preceptor.data.example import Example
from preceptor.data.splits import TooLong
from preceptor.errors import DataError
from preceptor.study.plan import Plan
from preceptor.study.spec import AnyStudent, EncoderStudent
from preceptor.tasks.choice import ChoiceTask

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


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
    """

    task: ChoiceTask
    student: AnyStudent
    too_long: TooLong
    tokenizer: PreTrainedTokenizerBase
    window: int | None
    cut: int = 0

    @cached_property
    def room(self) -> int:
        """Tokens for a framed input, so that the longest answer fits behind it."""
        length = min(self.student.fit.max_length, self.window or self.student.fit.max_length)
        if isinstance(self.student, EncoderStudent):
            return length
        answers = [
            self.tokenizer(self.task.written(label))["input_ids"] for label in self.task.labels
        ]
        longest = 2 + max(len(answer) for answer in answers)
        writes = "generation" in self.student.readings
        return length - max(longest, self.student.max_new_tokens if writes else 0)

    def shown(self, example: Example) -> str:
        """What the student reads: the input (encoder) or the framed prompt (decoder), fitted.

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


def check_lengths(plan: Plan) -> None:
    """Refuse human examples that do not fit a student, before a teacher is paid for anything.

    Needs every student's tokenizer and config, so its weights are fetched or exported here.

    Raises:
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
            inputs.shown(example)
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
    from preceptor.models.decoder import context_window
    from preceptor.models.loading import load_config, load_tokenizer

    study, weights = plan.study, plan.weights[name]
    student = study.students[name]
    window = context_window(load_config(weights, student.kind))
    return Inputs(study.task, student, study.data.too_long, load_tokenizer(weights), window)
