"""A training that was killed goes on where it was, to the same weights."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preceptor.errors import PreceptorError
from preceptor.models.parameters import trained
from preceptor.store.atomic import new_file

if TYPE_CHECKING:
    from torch import Tensor, nn

EVERY = 60.0
"""seconds between two checkpoints, at least; a training shorter than this never writes one"""


@dataclass
class Checkpoint:
    """Where a training's state is kept while it runs.

    Attributes:
        path: the file; whole or absent.
        key: tells this training from any other (the cell's fingerprint).
        every: seconds between two writes.
    """

    path: Path
    key: str
    every: float = EVERY
    _last: float = field(default_factory=time.monotonic)

    @property
    def is_due(self) -> bool:
        """Whether it is time to write."""
        return time.monotonic() - self._last >= self.every

    def write(self, model: nn.Module, state: dict[str, Any]) -> None:
        """Keep the trained tensors, the random state and ``state``."""
        import torch

        whole = {
            "key": self.key,
            "tensors": {name: part.detach() for name, part in trained(model).items()},
            "random": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            **state,
        }
        with new_file(self.path) as draft:
            torch.save(whole, draft)
        self._last = time.monotonic()

    def read(self, model: nn.Module) -> dict[str, Any] | None:
        """Give the model and torch's random state what was kept; return the rest.

        Returns:
            None where there is nothing.

        Raises:
            PreceptorError: it is of another training, or damaged.
        """
        import pickle

        import torch

        if not self.path.is_file():
            return None
        fix = "delete the file, and the training begins anew"
        try:
            state: dict[str, Any] = torch.load(self.path, weights_only=True, map_location="cpu")
        except (RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
            where = str(self.path)
            raise PreceptorError("this checkpoint is damaged", where=where, fix=fix) from error
        if state.get("key") != self.key or _shapes(state["tensors"]) != _shapes(trained(model)):
            raise PreceptorError(
                "this checkpoint is of another training or another model",
                where=str(self.path),
                found=str(state.get("key")),
                expected=self.key,
                fix=fix,
            )
        for name, part in trained(model).items():
            part.data.copy_(state["tensors"][name])
        torch.set_rng_state(state["random"])
        if state["cuda"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(state["cuda"])
        return state

    def remove(self) -> None:
        """The training is done."""
        self.path.unlink(missing_ok=True)


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(part.shape) for name, part in tensors.items()}
