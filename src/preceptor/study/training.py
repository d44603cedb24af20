"""What is trained on a study's examples, a student or a teacher: loaded, given rows, fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from preceptor.data.example import HUMAN, Example
from preceptor.data.splits import TooLong
from preceptor.errors import DataError
from preceptor.models.weights import Weights
from preceptor.study.inputs import Inputs
from preceptor.study.measures import MEASURES
from preceptor.study.predictor import Predictor
from preceptor.study.spec import AnyStudent, EncoderStudent, Seq2SeqStudent
from preceptor.tasks import AnyTask
from preceptor.tune.batches import Row
from preceptor.tune.methods import METHODS, MethodSettings
from preceptor.tune.methods.base import BaseSettings
from preceptor.tune.settings import Budget

if TYPE_CHECKING:
    from preceptor.tune.fit import Aids


@dataclass(frozen=True)
class Trainee:
    """A model that is to be trained, before it is loaded.

    Attributes:
        name: for progress bars.
        task: templates and answers.
        student: what it is.
        weights: what it starts from.
        method: how its weights move.
        budget: how long.
        too_long: what happens to inputs that do not fit.
        seed: initialises and orders.
    """

    name: str
    task: AnyTask
    student: AnyStudent
    weights: Weights
    method: MethodSettings
    budget: Budget
    too_long: TooLong
    seed: int

    def loaded(self) -> Predictor:
        """The model before training, its method attached, all of it drawn by the seed."""
        from preceptor.models.decoder import load_decoder
        from preceptor.models.encoder import load_encoder
        from preceptor.models.seeding import seeded
        from preceptor.models.seq2seq import load_seq2seq

        if isinstance(self.student, EncoderStudent):
            model, tokenizer = load_encoder(self.weights, self.task.labels, self.seed)
        elif isinstance(self.student, Seq2SeqStudent):
            model, tokenizer = load_seq2seq(self.weights, seed=self.seed)
        else:
            model, tokenizer = load_decoder(self.weights)
        with seeded(self.seed):
            model = METHODS[self.method.name].attach(model, self.method, tokenizer)
        inputs = Inputs.of(model, tokenizer, self.task, self.student, self.too_long)
        return Predictor(inputs, model)

    def fit(self, predictor: Predictor, rows: Sequence[Row], aids: Aids) -> dict[str, Any]:
        """Train it, and tell what was done; a method that trains nothing does nothing."""
        from preceptor.tune.fit import fit

        if isinstance(self.method, BaseSettings):
            untouched: dict[str, Any] = {"updates": 0, "tokens": 0, "seconds": 0.0, "history": []}
            return {**untouched, "precision": self.student.fit.precision}
        report = fit(
            predictor.model,
            rows,
            self.budget,
            self.student.fit,
            learning_rate=self.method.learning_rate,
            seed=self.seed,
            label=self.name,
            pad_id=predictor.tokenizer.pad_token_id,
            aids=aids,
        )
        told = asdict(report)
        told["tokens"] = told.pop("tokens_seen")
        return told


def training_rows(
    predictor: Predictor, examples: Sequence[Example]
) -> tuple[list[Row], list[dict[str, str]]]:
    """What the fitting loop learns from: the same texts that prediction shows, and answers.

    Returns:
        The rows, and the made examples that do not fit this student, with the reason. They
        were paid for and may fit another student, so they stop nobody.

    Raises:
        DataError: a human example does not fit and the study refuses to cut.
    """
    rows: list[Row] = []
    left_out: list[dict[str, str]] = []
    for one in examples:
        try:
            rows.append(predictor.inputs.row(one))
        except DataError as error:
            if one.origin == HUMAN:
                raise
            left_out.append({"id": one.id, "reason": f"{error.what}: {error.found}"})
    return rows, left_out


def scored(
    predictor: Predictor, held_out: Mapping[str, Sequence[Example]], title: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Predictions and metrics of some splits, by name; an empty one is left out."""
    rows: list[dict[str, Any]] = []
    metrics: dict[str, Any] = {}
    measure = MEASURES[predictor.task.kind].scored
    for name, examples in held_out.items():
        if examples:
            found, metrics[name] = measure(predictor, name, examples, f"{title}, {name}")
            rows += found
    return rows, metrics
