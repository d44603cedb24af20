"""annotate: a label, or an answer, for a text that has none (Kaddour and Liu, figure 1, step 2).

Here is what a teacher that is asked gets to read, what its answers say, and which are kept. A
tuned one scores labels in place of writing them (:mod:`preceptor.evaluate.likelihood`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from preceptor.augment.operation import Amount, own_prompt, rows_of
from preceptor.augment.reading import read_fields
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.llm import answer
from preceptor.llm.chat import Answer, Failure, Request
from preceptor.llm.settings import Parameters
from preceptor.settings import Settings
from preceptor.tasks import AnyTask, ChoiceTask

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SEED = 10**6
"""samples of one seed; no arm has so many votes"""
_LEAST = 1e-6
"""probability of a label that the teacher rules out, before rates are fitted"""
_CLOSE, _ROUNDS = 1e-6, 10_000
"""what the means may be off, and rounds at most: hard votes that are nearly right come near
slowly, and are off by less than 1e-4 then"""


class AnnotateSettings(Settings):
    """Label texts of the pool (`data.pool`): by the probability of every label where the teacher
    is tuned, by its written answer where it is asked through a server."""

    operation: Literal["annotate"]
    amount: Amount = "1x"
    """how many annotated rows are wanted after curation: a number, or a multiple of the human
    training set (`1x`)"""
    teacher: str | None = None
    """the name of the teacher that annotates; not needed where there is one"""
    keep: float = Field(1.0, gt=0, le=1)
    """the share of each label's rows that is kept, the surest first: 0.5 annotates two texts for
    every row wanted. A global threshold would keep the easy label alone. Of free answers the
    share of all, by mean log-probability"""
    max_requests: Amount = "3x"
    """texts annotated at most, a number or a multiple of those that the rows wanted need by `keep`:
    what curation rejects, and what is too much of its label, is made up for from further texts
    until the amount is there, this is spent or the pool is used up"""
    base_rates: Literal["teacher", "human"] = "teacher"
    """`human` scales the teacher's probabilities until labels are on average as frequent as in
    the human examples; `teacher` takes them as they are"""
    shots: int = Field(0, ge=0)
    """solved human examples in the prompt of a teacher that is asked; a tuned one needs none"""
    votes: int = Field(1, ge=1)
    """how often a teacher that is asked answers each text; the share of votes is its probability
    of a label, and of labels with as many the task's first is taken. Sampling needs a temperature
    above 0. Of free answers the first that can be read is taken"""
    parameters: Parameters = Field({})
    """sent with this arm's calls beside the teacher's own parameters"""
    prompt: str | None = None
    """a Jinja file to use in place of the shipped prompt, for a teacher that is asked; relative
    to the study file"""

    def texts(self, wanted: int, pool: int) -> tuple[int, int]:
        """How many texts are annotated for so many rows, first and at most.

        Args:
            wanted: rows to be kept.
            pool: texts that there are.
        """
        needed = math.ceil(wanted / self.keep)
        most = min(pool, rows_of(self.max_requests, needed))
        return min(needed, most), most


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a teacher says of one text of the pool.

    Attributes:
        target: the label or the answer; None where there is none.
        raw: what was written; empty where labels were scored.
        probabilities: of every label, adding up to 1; empty of a free answer.
        log_prob: mean natural-log probability of an answer's tokens; None where not known.
        rejection: why there is no target.
    """

    target: str | None
    raw: str = ""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    log_prob: float | None = None
    rejection: Rejection | None = None


def template(settings: AnnotateSettings, task: AnyTask, base_dir: Path) -> str:
    """The text of the prompt of a teacher that is asked: the user's file, or the shipped one.

    Raises:
        SpecError: the user's file is not there, or cannot be read as UTF-8.
    """
    if settings.prompt is None:
        return answer.template(task.kind)
    return own_prompt(settings.prompt, base_dir)


def requests(
    settings: AnnotateSettings,
    task: AnyTask,
    examples: Sequence[Example],
    human: Sequence[Example],
    *,
    seed: int,
    base_dir: Path,
) -> list[list[Request]]:
    """What a teacher is asked about every text: the same, once a vote, each another sample.

    Args:
        settings: of the arm.
        task: of the study.
        examples: texts of the pool; their targets are never shown.
        human: labelled examples, of which the shots are drawn.
        seed: draws the shots; each seed has samples of its own.
        base_dir: the study's folder.

    Raises:
        SpecError: the prompt is not there, is no template, or names a value that there is not.
    """
    asked = answer.requests(
        task,
        examples,
        human,
        shots=settings.shots,
        seed=seed,
        parameters=settings.parameters,
        prompt=template(settings, task, base_dir),
    )
    samples = range(_SEED * seed, _SEED * seed + settings.votes)
    return [[replace(one, sample=sample) for sample in samples] for one in asked]


def read(
    settings: AnnotateSettings, task: AnyTask, outcomes: Sequence[Answer | Failure]
) -> Annotation:
    """What the answers to the requests about one text say together.

    Of a choice task the share of votes is the probability of a label, over the votes that could
    be read; a vote that was cut off is read as far as it goes. The most frequent label is the
    target; of labels with as many votes, the one that the task names first. Of a text task the
    first answer that can be read is the target.
    """
    raw = "\n".join(one.text if isinstance(one, Answer) else one.detail for one in outcomes)
    if not isinstance(task, ChoiceTask):
        return _text(outcomes, raw)
    votes = [label for one in outcomes if (label := _vote(task, one)) is not None]
    if not votes:
        return Annotation(None, raw, rejection=_unread(outcomes, "names a label"))
    counts = Counter(votes)
    target = max(task.labels, key=lambda label: counts[label])
    shares = {label: counts[label] / len(votes) for label in task.labels}
    return Annotation(target, raw, shares)


def _vote(task: ChoiceTask, outcome: Answer | Failure) -> str | None:
    if isinstance(outcome, Answer):
        return task.read(outcome.text)
    return task.read(outcome.detail) if outcome.cause == "truncated" else None


def _text(outcomes: Sequence[Answer | Failure], raw: str) -> Annotation:
    for one in outcomes:
        fields = read_fields(one.text, ["answer"]) if isinstance(one, Answer) else None
        if isinstance(fields, dict):
            return Annotation(fields["answer"], raw)
    return Annotation(None, raw, rejection=_unread(outcomes, "can be read"))


def _unread(outcomes: Sequence[Answer | Failure], wanted: str) -> Rejection:
    """Why there is no target: what failed first, where nothing was answered at all."""
    failures = [one for one in outcomes if isinstance(one, Failure)]
    if len(failures) == len(outcomes) and failures:
        return Rejection(failures[0].cause, filter="call")
    return Rejection("unparseable", f"none of {len(outcomes)} answers {wanted}")


def surest(annotations: Sequence[Annotation], share: float) -> list[bool]:
    """Which annotations are the surest of their kind.

    Labels are ranked each by itself, by the probability of the predicted label, since a common
    threshold would keep the easy label alone; free answers all together, by their mean
    log-probability. Of equals the first are kept.

    Args:
        annotations: of one round; those without a target are not kept and do not count.
        share: of each label's rows that is kept, in (0, 1], rounded up.

    Returns:
        One truth value an annotation, in order.

    Raises:
        ValueError: a share of free answers is to be kept, and their probability is not known.
    """
    if share == 1:
        return [one.target is not None for one in annotations]
    if any(one.target is not None and sureness(one) is None for one in annotations):
        raise ValueError("a free answer without a log-probability cannot be ranked")
    rows: dict[str | None, list[int]] = {}
    for row, one in enumerate(annotations):
        if one.target is not None:
            rows.setdefault(one.target if one.probabilities else None, []).append(row)
    kept: set[int] = set()
    for alike in rows.values():
        # 0.1 of 30 is 3.0000000000000004 as floats go.
        count = math.ceil(share * len(alike) - 1e-9)
        first = surest_first([annotations[row] for row in alike])[:count]
        kept.update(alike[place] for place in first)
    return [row in kept for row in range(len(annotations))]


def sureness(annotation: Annotation) -> float | None:
    """How sure a teacher is of what it said: the probability of its label, or the mean
    log-probability of its answer; None where that is not known."""
    if annotation.target is not None and annotation.probabilities:
        return annotation.probabilities[annotation.target]
    return annotation.log_prob


def surest_first(annotations: Sequence[Annotation]) -> list[int]:
    """The places of annotations by how sure they are; of equals the first, the unknown last."""
    known = [-math.inf if (one := sureness(each)) is None else one for each in annotations]
    return sorted(range(len(known)), key=lambda place: -known[place])


def to_base_rates(
    probabilities: Sequence[Sequence[float]] | NDArray[np.float64], rates: Sequence[float]
) -> NDArray[np.float64]:
    """Scale probabilities of labels until labels are on average as frequent as they should be.

    Every label's column gets one factor and every row is normalised, in turn, until the means
    over the rows are the rates to within 1e-6: iterative proportional fitting (Deming and
    Stephan, On a least squares adjustment of a sampled frequency table, 1940; Sinkhorn and
    Knopp, 1967). One factor a label is what a change of prior comes to (Saerens, Latinne and
    Decaestecker, Adjusting the outputs of a classifier to new a priori probabilities, 2002);
    but they divide the new prior by that of the classifier's training, or find the new one by
    EM. Here the rates are known, the classifier's own are not, and the factors are those under
    which these very rows agree with the rates; so a sample of rows that truly differs from them
    is bent to them all the same. It is kin to batch calibration (Zhou et al., 2023), which takes
    the mean over a batch for the model's bias and the even rates for the truth.

    Args:
        probabilities: [rows, labels]. A probability of 0 counts as 1e-6, so that votes, which
            are 0 or 1 where there is one of them, can be fitted too.
        rates: of the labels, none negative; they are scaled to add up to 1. A label with the
            rate 0 gets the probability 0.

    Returns:
        [rows, labels], rows adding up to 1.

    Raises:
        ValueError: no rows, unequal numbers of labels, or rates that are none.
    """
    import numpy as np

    table, wanted = np.array(probabilities, np.float64), np.array(rates, np.float64)
    if table.ndim != 2 or not len(table) or table.shape[1] != len(wanted):
        raise ValueError(f"probabilities {table.shape} and {len(wanted)} rates")
    if not (wanted >= 0).all() or not 0 < wanted.sum() < np.inf:
        raise ValueError(f"rates {wanted.tolist()}")
    wanted /= wanted.sum()
    table = np.where(wanted > 0, np.maximum(table, _LEAST), 0)
    table /= table.sum(1, keepdims=True)
    for _ in range(_ROUNDS):
        means = table.mean(0)
        if np.abs(means - wanted).max() <= _CLOSE:
            break
        table *= np.divide(wanted, means, out=np.zeros_like(wanted), where=wanted > 0)
        table /= table.sum(1, keepdims=True)
    return table
