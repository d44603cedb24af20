"""Looking at the validation split during training, and keeping the weights of the best look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

from preceptor.models.parameters import trained

if TYPE_CHECKING:
    from torch import Tensor, nn


class Look(TypedDict):
    """One look: after which update, and what was seen."""

    update: int
    value: float


@dataclass
class Watch:
    """What training is judged by while it runs.

    Attributes:
        name: the figure's name (log_loss, macro_f1).
        score: computes it with the model in eval mode.
        higher_is_better: its direction.
        looks: every look so far.
        best: the trained tensors of the best look; empty before the first.
    """

    name: str
    score: Callable[[], float]
    higher_is_better: bool = False
    looks: list[Look] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)

    def look(self, model: nn.Module, update: int) -> None:
        """Look, and keep the weights if they are the best so far (of equal ones the first)."""
        model.eval()
        value = float(self.score())
        model.train()
        if self.best_look is None or self._better(value, self.best_look["value"]):
            self.best = {name: part.detach().clone() for name, part in trained(model).items()}
        self.looks.append(Look(update=update, value=value))

    def _better(self, one: float, other: float) -> bool:
        return one > other if self.higher_is_better else one < other

    @property
    def best_look(self) -> Look | None:
        """The best look, of equal ones the first."""
        if not self.looks:
            return None
        sign = -1 if self.higher_is_better else 1
        return min(self.looks, key=lambda look: sign * look["value"])

    def is_patient(self, patience: int | None) -> bool:
        """Whether the best look is at most ``patience`` looks ago."""
        best = self.best_look
        if patience is None or best is None:
            return True
        return len(self.looks) - 1 - self.looks.index(best) < patience

    def restore(self, model: nn.Module) -> None:
        """Give the model the weights of the best look."""
        for name, value in trained(model).items():
            if name in self.best:
                value.data.copy_(self.best[name])
