"""A trained student with all that its predictions depend on: one template, one answer reader."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from preceptor.data.example import Example
from preceptor.errors import PreceptorError
from preceptor.evaluate.perplexity import RowForeseen
from preceptor.models.pairs import PairRow
from preceptor.models.weights import Weights
from preceptor.store.atomic import write_json
from preceptor.study.inputs import Inputs
from preceptor.study.spec import AnyStudent, DecoderStudent, EncoderStudent, WritingStudent
from preceptor.tasks import AnyTask, TextTask

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from preceptor.evaluate.decode import Answer
    from preceptor.evaluate.sampling import Written

FILE = "preceptor.json"
_STUDENT: TypeAdapter[AnyStudent] = TypeAdapter(AnyStudent)
_TASK: TypeAdapter[AnyTask] = TypeAdapter(AnyTask)
_BATCH_TOKENS = 4
"""A batch without gradients may be this many times a training batch; on a processor, whose caches
are small, that only slows it down (label scores of SmolLM2, 2 cores: 8.6 s in batches of 2,048
tokens, 13.9 s of 8,192)."""


@dataclass(frozen=True)
class Predictions:
    """What one reading of a student says.

    Attributes:
        labels: the label (of a text task the answer) of every example; None where the text could
            not be read.
        probabilities: [examples, labels], rows adding up to 1; None for generation.
        texts: what was written; None where nothing was.
        ended: whether the student ended each text; None where nothing was written.
    """

    labels: list[str | None]
    probabilities: np.ndarray | None
    texts: list[str] | None
    ended: list[bool] | None = None


@dataclass
class Pace:
    """How many answers a reading has given so far, and how long that took.

    Attributes:
        answers: how many.
        seconds: of all of them.
    """

    answers: int = 0
    seconds: float = 0.0

    @contextmanager
    def running(self, answers: int) -> Iterator[None]:
        """Count the block's time as that of so many answers."""
        started = time.perf_counter()
        yield
        self.answers += answers
        self.seconds += time.perf_counter() - started


@dataclass
class Predictor:
    """A student that can be asked.

    Attributes:
        inputs: what it reads of an example.
        model: the trained model.
        paces: of each reading how fast it answered.
    """

    inputs: Inputs
    model: PreTrainedModel
    paces: defaultdict[str, Pace] = field(default_factory=lambda: defaultdict(Pace))

    @property
    def task(self) -> AnyTask:
        """Templates and answer reader."""
        return self.inputs.task

    @property
    def student(self) -> AnyStudent:
        """The student's settings."""
        return self.inputs.student

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The student's tokenizer."""
        return self.inputs.tokenizer

    def predict(self, texts: list[str], title: str) -> dict[str, Predictions]:
        """Every reading's predictions of shown inputs; precision as in training."""
        if isinstance(self.task, TextTask):
            return {"generation": self.read("generation", texts, title)}
        if isinstance(self.student, EncoderStudent):
            return {"classifier": self.read("classifier", texts, title)}
        names = self.student.readings
        with self.precision():
            return {name: self.read(name, texts, f"{title}, {name}") for name in names}

    def read(self, reading: str, texts: list[str], title: str) -> Predictions:
        """One reading's predictions of shown inputs."""
        ways = {
            "classifier": self._classify,
            "likelihood": self._likelihood,
            "generation": self._generate,
        }
        with self.precision(), self.paces[reading].running(len(texts)):
            return ways[reading](texts, title)

    def foresee(self, examples: Sequence[Example], title: str) -> list[RowForeseen]:
        """How well the student foresees every example's answer, and all of its text."""
        with self.paces["next_token"].running(len(examples)):
            return self.foresee_rows([self.inputs.answered(one) for one in examples], title)

    def foresee_rows(
        self, rows: Sequence[tuple[tuple[int, ...], int] | PairRow], title: str
    ) -> list[RowForeseen]:
        """The same of rows: tokens and the first of the answer's, or a pair."""
        from preceptor.evaluate.perplexity import foresee

        pad_id, tokens = self.tokenizer.pad_token_id, self.student.fit.batch_tokens
        with self.precision():
            return foresee(self.model, rows, pad_id=pad_id, batch_tokens=tokens, label=title)

    @contextmanager
    def precision(self) -> Iterator[None]:
        """Run the model in the precision that it was trained in."""
        import torch

        from preceptor.models.bf16 import prepared

        precision, device = self.student.fit.precision, self.model.device.type
        autocast = torch.autocast(device, torch.bfloat16, enabled=precision == "bf16")
        with prepared(self.model, precision), autocast:
            yield

    @property
    def _tokens(self) -> int:
        times = 1 if self.model.device.type == "cpu" else _BATCH_TOKENS
        return times * self.student.fit.batch_tokens

    def _classify(self, texts: list[str], title: str) -> Predictions:
        from preceptor.evaluate.classify import class_probabilities

        found = class_probabilities(
            self.model, self.tokenizer, texts, batch_tokens=self._tokens, label=title
        )
        return self._argmax(found)

    def _likelihood(self, prompts: list[str], title: str) -> Predictions:
        from scipy.special import softmax

        from preceptor.evaluate.likelihood import label_scores

        answers = [self.task.written(label) for label in self.task.labels]
        scores = label_scores(
            self.model, self.tokenizer, prompts, answers, batch_tokens=self._tokens, label=title
        )
        return self._argmax(softmax(scores, axis=1))

    def _argmax(self, probabilities: np.ndarray) -> Predictions:
        labels: list[str | None] = [self.task.labels[row.argmax()] for row in probabilities]
        return Predictions(labels, probabilities, None)

    def _generate(self, prompts: list[str], title: str) -> Predictions:
        student = self.student
        if isinstance(student, EncoderStudent):
            raise TypeError("an encoder writes nothing")
        found = self._answers(student, prompts, title)
        texts = [one.text for one in found]
        labels = [self.task.read(text) for text in texts]
        return Predictions(labels, None, texts, [one.ended for one in found])

    def _answers(
        self, student: WritingStudent, prompts: list[str], title: str
    ) -> Sequence[Answer | Written]:
        """What it writes: greedily, in our own loop, or by the paper's beams and processors."""
        from preceptor.evaluate.decode import answer

        if student.decoding == "default":
            return self.written(prompts, title, self._most(student))
        return answer(
            self.model,
            self.tokenizer,
            prompts,
            student.decoding,
            max_new_tokens=self._most(student),
            batch_tokens=_BATCH_TOKENS * student.fit.batch_tokens,
            label=title,
        )

    def written(self, prompts: list[str], title: str, most: int) -> list[Written]:
        """What the model writes greedily, ``most`` tokens at most, and how sure it is of that."""
        from preceptor.evaluate.sampling import generate_scored

        return generate_scored(
            self.model,
            self.tokenizer,
            prompts,
            max_new_tokens=most,
            batch_tokens=_BATCH_TOKENS * self.student.fit.batch_tokens,
            label=title,
        )

    def _most(self, student: WritingStudent) -> int:
        """Tokens of an answer at most; a free one behind a decoder's prompt has half of all."""
        if isinstance(self.task, TextTask) and isinstance(student, DecoderStudent):
            return min(student.max_new_tokens, self.inputs.length - self.inputs.room)
        return student.max_new_tokens

    def save(self, folder: Path, weights: Weights, cell: dict[str, Any]) -> None:
        """Write the model, its tokenizer and what its predictions depend on."""
        from preceptor.models.save import save

        save(self.model, self.tokenizer, folder, weights)
        value = {
            "format": 1,
            "task": self.task.model_dump(mode="json"),
            "student": self.student.model_dump(mode="json"),
            "too_long": self.inputs.too_long,
            "cell": cell,
        }
        write_json(folder / FILE, value)


def load_predictor(folder: Path) -> Predictor:
    """Load what :meth:`Predictor.save` wrote.

    Raises:
        PreceptorError: the folder holds no saved student, or its base is not the one it was
            trained on.
    """
    from preceptor.models.save import load_saved

    if not (folder / FILE).is_file():
        raise PreceptorError(
            "no trained student in this folder",
            where=str(folder),
            fix="set keep: all in the study and run it again: it trains anew what was not kept"
            " (best keeps each student's best cell, none keeps none)",
        )
    value = json.loads((folder / FILE).read_text("utf-8"))
    model, tokenizer = load_saved(folder)
    task = _TASK.validate_python(value["task"])
    student = _STUDENT.validate_python(value["student"])
    return Predictor(Inputs.of(model, tokenizer, task, student, value["too_long"]), model)
