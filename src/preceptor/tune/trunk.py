"""The trunk cache: what enters the trained blocks is computed once and kept on disk.

Where only the last blocks of a decoder are trained, the hidden states that enter them never
change, whatever the epoch, the learning rate or the seed. Every row's states are computed alone,
unpadded and in eval mode, so that they do not depend on what else was computed with them: a run
that was killed and continued has the very states of one that was not. Dropout in the trunk is
therefore off (the papers' models mostly have none; where one has, the result says so).
"""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preceptor.errors import PreceptorError
from preceptor.models.anatomy import behind, blocks
from preceptor.models.pairs import PairRow
from preceptor.models.partial import can_be_narrow, states_below
from preceptor.progress import bar
from preceptor.store.atomic import write_json
from preceptor.store.fingerprint import fingerprint
from preceptor.tune.batches import Row, TextRow

if TYPE_CHECKING:
    from torch import Tensor, nn

_FLOAT = 4


@dataclass(frozen=True)
class TrunkCache:
    """Where hidden states are kept, and for which weights.

    Attributes:
        folder: holds a folder a trunk; shared by all cells of a run.
        weights: what tells the base weights from any other.
        limit: the most bytes that ``folder`` may take.
    """

    folder: Path
    weights: dict[str, str]
    limit: float


class Trunk:
    """The frozen half of one model, with the states that enter the other half.

    Attributes:
        depth: blocks below the first trained one.
        narrow: whether the last block can be computed at chosen positions alone.
    """

    def __init__(self, model: nn.Module, depth: int, folder: Path) -> None:
        self.depth = depth
        self.narrow = can_be_narrow(model, depth)
        self._folder = folder
        self._index: dict[str, tuple[int, int]] = {}
        self._states: Tensor | None = None

    def fill(self, model: nn.Module, rows: Sequence[Row], limit: float, label: str) -> None:
        """Compute what is missing for ``rows``, in order, and map all of it into memory.

        Raises:
            PreceptorError: it would not fit in ``limit`` bytes or on the disk.
        """
        from filelock import FileLock

        self._folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self._folder / ".lock"):
            self._read_index()
            missing = {key: row for row in rows if (key := _key(row)) not in self._index}
            self._check_size(model, missing.values(), limit)
            self._append(model, missing, label)
        self._map(model)

    def states(self, row: Row) -> Tensor:
        """[tokens, width], what enters the first trained block for a row."""
        start, tokens = self._index[_key(row)]
        assert self._states is not None
        return self._states[start : start + tokens]

    def _check_size(self, model: nn.Module, rows: Iterable[Row], limit: float) -> None:
        tokens = sum(len(row.tokens) for row in rows)
        there = sum(path.stat().st_size for path in self._folder.parent.rglob("states.bin"))
        needed = there + tokens * _width(model) * _FLOAT
        if needed > limit:
            raise PreceptorError(
                "the hidden states of the frozen blocks are more than the study allows on disk",
                where=str(self._folder),
                found=f"{needed / 1e9:.2f} GB",
                expected=f"at most {limit / 1e9:.2f} GB",
                fix="raise fit.trunk_cache_gb, or set fit.trunk_cache to off",
            )

    def _append(self, model: nn.Module, missing: dict[str, Row], label: str) -> None:
        """States first, then the index line: what a killed run left without one is cut off."""
        import torch

        device = next(model.parameters()).device
        start = sum(tokens for _, tokens in self._index.values())
        width = _width(model) * _FLOAT
        states, index = self._folder / "states.bin", self._folder / "index.jsonl"
        with (
            states.open("ab") as body,
            index.open("a", encoding="utf-8") as lines,
            bar(label, len(missing)) as advance,
        ):
            body.truncate(start * width)
            for key, row in missing.items():
                tokens = torch.tensor([row.tokens], device=device)
                inputs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
                found = states_below(model, self.depth, inputs)[0].float().cpu()
                body.write(found.contiguous().numpy().tobytes())
                body.flush()
                lines.write(json.dumps([key, start, len(row.tokens)]) + "\n")
                lines.flush()
                self._index[key] = (start, len(row.tokens))
                start += len(row.tokens)
                advance()

    def _read_index(self) -> None:
        path = self._folder / "index.jsonl"
        if not path.is_file():
            return
        lines = path.read_text("utf-8").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        if len(whole) < len(lines):  # killed while it wrote the last one
            path.write_text("".join(whole), "utf-8")
        self._index = {key: (start, tokens) for key, start, tokens in map(json.loads, whole)}

    def _map(self, model: nn.Module) -> None:
        import torch

        # Not the file's size: another process may be writing behind what is ours.
        count = sum(tokens for _, tokens in self._index.values()) * _width(model)
        path = str(self._folder / "states.bin")
        flat = torch.from_file(path, shared=False, size=count, dtype=torch.float32)
        self._states = flat.view(-1, _width(model))

    @property
    def bytes(self) -> int:
        """What this trunk's states take on disk."""
        return (self._folder / "states.bin").stat().st_size


def open_trunk(
    model: nn.Module, rows: Sequence[Row], cache: TrunkCache, precision: str, label: str
) -> tuple[Trunk | None, dict[str, Any]]:
    """The trunk of a model with the states of all rows, or why there is none.

    Args:
        model: its method attached, in eval mode, under the autocast that it is trained in.
        rows: what will be trained on.
        cache: where the states are kept.
        precision: the autocast's name.
        label: the progress bar's name.

    Returns:
        The trunk, and an account of it for the result: ``blocks``, ``bytes``, ``seconds``,
        ``narrow``; or ``off`` with the reason.
    """
    if isinstance(rows[0], PairRow):
        return None, {"off": "an encoder-decoder model has two stacks of blocks"}
    if not isinstance(rows[0], TextRow):
        return None, {"off": "a classifier is trained"}
    depth, reason = frozen_depth(model)
    if depth == 0:
        return None, {"off": reason}
    started = time.perf_counter()
    made_from = _identity(model, depth, cache, precision)
    folder = cache.folder / fingerprint(made_from)[:16]
    trunk = Trunk(model, depth, folder)
    try:
        trunk.fill(model, rows, cache.limit, label)
        write_json(folder / "trunk.json", made_from)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        return None, {"off": f"no room on the disk for the hidden states: {folder}"}
    except PreceptorError as error:
        return None, {"off": f"{error.what}: {error.found}, {error.expected}"}
    account: dict[str, Any] = {"blocks": depth, "bytes": trunk.bytes, "narrow": trunk.narrow}
    account |= {"seconds": time.perf_counter() - started, "dropout_off": _has_dropout(model, depth)}
    return trunk, account


def _identity(model: nn.Module, depth: int, cache: TrunkCache, precision: str) -> dict[str, Any]:
    import torch
    import transformers

    config: Any = model.config
    return {
        "weights": cache.weights,
        "blocks": depth,
        "precision": precision,
        "attention": config._attn_implementation,
        "device": next(model.parameters()).device.type,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def frozen_depth(model: nn.Module) -> tuple[int, str]:
    """How many blocks lie below everything that is trained; 0 with the reason if none does.

    A prefix changes what every block attends to; a trained embedding (a tied head's too)
    changes what enters the first.
    """
    config = getattr(model, "peft_config", {})
    if any(one.is_prompt_learning for one in config.values()):
        return 0, "a prefix is trained, which every block reads"
    trained = {id(value) for value in model.parameters() if value.requires_grad}
    found = blocks(model)[1]
    first = next((n for n, block in enumerate(found) if _any(block, trained)), len(found))
    allowed = {id(value) for part in (found, behind(model)) for value in part.parameters()}
    allowed -= {id(value) for value in _embedding(model).parameters()}
    if trained - allowed:
        return 0, "something below the blocks is trained (the embedding, or a head tied to it)"
    if first == len(found):
        first -= 1  # the head alone is trained: the last block may still run anew
    return first, "" if first else "the first block is trained"


def _embedding(model: nn.Module) -> nn.Module:
    found: nn.Module = model.get_input_embeddings()  # type: ignore[operator]
    return found


def _any(block: nn.Module, trained: set[int]) -> bool:
    return any(id(value) in trained for value in block.parameters())


def _has_dropout(model: nn.Module, depth: int) -> bool:
    from torch.nn import Dropout

    below = [module for block in blocks(model)[1][:depth] for module in block.modules()]
    rates = [module.p if isinstance(module, Dropout) else _own_dropout(module) for module in below]
    return any(rate > 0 for rate in rates)


def _own_dropout(module: nn.Module) -> float:
    """A rate that a block applies by itself (OPT, BioGPT)."""
    rate = getattr(module, "dropout", 0.0)
    return rate if isinstance(rate, float) else 0.0


def _width(model: nn.Module) -> int:
    config: Any = model.config
    return int(config.hidden_size)


def _key(row: Row) -> str:
    return fingerprint(list(row.tokens))[:24]
