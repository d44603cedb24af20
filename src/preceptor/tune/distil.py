"""Distillation: learning a teacher's probabilities beside the hard labels.

Hinton, Vinyals and Dean, *Distilling the Knowledge in a Neural Network* (2015, arXiv:1503.02531).
With the teacher's probabilities p, the student's logits s, a temperature T and a weight w, what is
learnt from one row (of a classifier) or one supervised token is ::

    (1 - w) * cross_entropy(s, label) + w * T^2 * KL(softmax(log p / T) || softmax(s / T))

The factor T^2 keeps the gradient's size (section 2.1). Of what the teacher says nothing, a human
row among annotated ones, the hard loss alone counts, at its full weight. The sum over an update is
divided by all its rows or supervised tokens, as without a teacher.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from preceptor.data.example import Example
from preceptor.data.problems import listed
from preceptor.errors import DataError, PreceptorError
from preceptor.tune.batches import LabelRow, Row

if TYPE_CHECKING:
    from torch import Tensor, nn

_AT_ONCE = 512
"""tokens whose probabilities (vocabulary x 4 bytes each, several times) are held at once"""


@dataclass(frozen=True)
class Distil:
    """What a student learns beside the hard labels.

    Attributes:
        temperature: T, which both sides' logits are divided by; above 0.
        weight: w, the share of the soft loss; above 0, at most 1.
        teacher: a model whose probabilities of the next token a decoder or encoder-decoder
            student learns; it is frozen and put into eval mode. None for a classifier, whose rows
            hold the teacher's probabilities (:class:`preceptor.tune.batches.LabelRow`).
        tokens: of the vocabulary that both share (:func:`preceptor.tune.vocabulary.shared`).
            What stands behind them in a head that is longer than its vocabulary (Qwen2.5: 151,936
            or 152,064 by size) takes no part in the soft loss. None: the heads are equally long.
    """

    temperature: float = 1.0
    weight: float = 0.5
    teacher: nn.Module | None = None
    tokens: int | None = None


@dataclass(frozen=True)
class Said:
    """What a teacher says of the rows or supervised tokens of a batch.

    Attributes:
        at: [units], on the CPU; true for those of which it says something.
        logits: [true ones, classes], its logits or the logarithms of its probabilities.
    """

    at: Tensor
    logits: Tensor


def soft_labels(rows: Sequence[LabelRow], like: Tensor) -> Said:
    """The probabilities that rows hold, as a teacher's.

    Args:
        rows: a classifier's.
        like: [rows, labels], the student's logits.
    """
    import torch

    held = [row.soft for row in rows if row.soft]
    values = torch.tensor(held, device=like.device, dtype=torch.float32)
    at = torch.tensor([bool(row.soft) for row in rows])
    return Said(at, values.reshape(len(held), like.shape[-1]).log())


def losses(logits: Tensor, targets: Tensor, said: Said, distil: Distil) -> Tensor:
    """The loss of a batch, summed over its rows or supervised tokens.

    Args:
        logits: [units, classes], the student's, fp32.
        targets: [units], the hard labels.
        said: the teacher's part; its classes may be fewer, the first of the student's.
        distil: temperature and weight.

    Returns:
        [3]: the loss with its gradient, the cross-entropy of the hard labels alone, and the soft
        loss ``T^2 * KL`` of those units of which the teacher says something.
    """
    from torch import split
    from torch.utils.checkpoint import checkpoint

    if len(logits) <= _AT_ONCE:
        return _losses(logits, targets, said.at, said.logits, distil)
    at = split(said.at, _AT_ONCE)
    taught = split(said.logits, [int(one.sum()) for one in at])
    whole = logits.new_zeros(3)
    options: dict[str, Any] = {"use_reentrant": False, "preserve_rng_state": False}
    parts = zip(split(logits, _AT_ONCE), split(targets, _AT_ONCE), at, taught, strict=True)
    for part in parts:
        whole = whole + checkpoint(_losses, *part, distil, **options)
    return whole


def _losses(logits: Tensor, targets: Tensor, at: Tensor, said: Tensor, distil: Distil) -> Tensor:
    import torch
    from torch.nn.functional import cross_entropy, kl_div, log_softmax, softmax

    hard = cross_entropy(logits, targets, reduction="none")
    own = (logits if bool(at.all()) else logits[at.to(logits.device)])[:, : said.shape[-1]]
    heat = distil.temperature
    # kl_div counts 0 where a probability is 0.
    soft = heat**2 * kl_div(log_softmax(own / heat, -1), softmax(said / heat, -1), reduction="sum")
    share = 1 - distil.weight * at.to(hard)
    return torch.stack([(share * hard).sum() + distil.weight * soft, hard.sum(), soft])


def probabilities(example: Example, labels: Sequence[str]) -> tuple[float, ...]:
    """A teacher's probabilities of the labels, in their order; none where the example has none.

    Raises:
        DataError: they are not one of every label, or no probabilities.
    """
    soft = example.soft
    if not soft:
        return ()
    if set(soft) != set(labels) or min(soft.values()) < 0 or sum(soft.values()) <= 0:
        raise DataError(
            "a teacher's probabilities are not those of the task's labels",
            where=f"example {example.id}",
            found=json.dumps(dict(soft), ensure_ascii=False),
            expected=f"a probability of each of {listed(labels)}",
        )
    return tuple(float(soft[label]) for label in labels)


def check(distil: Distil, model: nn.Module, rows: Sequence[Row]) -> None:
    """Refuse a distillation that does not fit its student; the teacher's part is its own.

    Raises:
        PreceptorError: a classifier with a model as its teacher, or any other student without.
        DataError: a row's probabilities are not one of every label.
    """
    held = [row for row in rows if isinstance(row, LabelRow)]
    if bool(held) == (distil.teacher is not None):
        raise PreceptorError(
            "a classifier learns the probabilities that its rows hold, and needs no teacher's model"
            if held
            else "a student that writes learns from a teacher's model, and there is none",
            fix="take distill.teacher out" if held else "name a tuned teacher in distill.teacher",
        )
    labels: int = model.config.num_labels  # type: ignore[union-attr,assignment]
    wrong = next((row for row in held if row.soft and len(row.soft) != labels), None)
    if wrong is not None:
        raise DataError(
            "a row needs a probability of every label",
            found=f"{len(wrong.soft)} probabilities",
            expected=f"{labels}, as many as the student has labels",
        )
