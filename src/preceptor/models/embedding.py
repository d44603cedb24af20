"""Sentence embeddings: texts as points, near each other where they say alike things."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preceptor.errors import WeightsError
from preceptor.models.batching import by_length, pad
from preceptor.models.loading import load_config, load_model, load_tokenizer
from preceptor.models.seeding import seeded
from preceptor.models.weights import Weights, resolve
from preceptor.models.window import context_window
from preceptor.progress import bar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

EMBEDDER = "minilm"
"""the weights where a study names none: all-MiniLM-L6-v2, 22 million parameters"""
_BATCH_TOKENS = 4096
_REMEMBERED = 32768
"""vectors kept, so that filters of one arm embed a text once: 50 MB of MiniLM's"""
_AT_ONCE = 8192
_LONGEST = 2**20
"""tokens of a text where nothing else bounds them"""


class Embedder:
    """Embeds texts by an encoder: the mean over the real tokens of its last layer, at length 1.

    So all-MiniLM-L6-v2 is to be used (its model card), and so most sentence encoders are
    (Reimers and Gurevych, 2019, section 3). A text longer than the model was made for is cut at
    its end, as sentence-transformers does, and counted.

    Attributes:
        weights: of the encoder.
    """

    def __init__(self, weights: Weights, *, remembered: int = _REMEMBERED) -> None:
        self.weights = weights
        self._remembered = remembered
        self._memory: OrderedDict[bytes, NDArray[np.float32]] = OrderedDict()
        self._cut: set[bytes] = set()

    @cached_property
    def identity(self) -> dict[str, str]:
        """What tells the weights from any other.

        Raises:
            WeightsError: a hub repository cannot be reached or read.
        """
        return self.weights.identity()

    @cached_property
    def longest(self) -> int:
        """Tokens of a text that are read: what the weights were made for, or can see."""
        told = _told(self.weights.folder / "sentence_bert_config.json")
        made_for: int | None = told.get("max_seq_length")
        window = context_window(self._model[0].config)
        return min(one for one in (made_for, window, _LONGEST) if one is not None)

    def embed(self, texts: Sequence[str], label: str = "embedding") -> NDArray[np.float32]:
        """The vectors of texts, [texts, width]; their products are cosine similarities.

        A text's vector hangs on what it is embedded beside by rounding alone (1e-6).

        Args:
            texts: any; an empty one has a vector too.
            label: the progress bar's name.

        Raises:
            WeightsError: the weights cannot be loaded, or are no sentence encoder's.
        """
        import numpy as np

        result = np.empty((len(texts), self._model[0].config.hidden_size), np.float32)
        for start in range(0, len(texts), _AT_ONCE):
            some = texts[start : start + _AT_ONCE]
            result[start : start + len(some)] = self._embed(some, label)
        return result

    def cosines(self, texts: Sequence[str], others: Sequence[str]) -> NDArray[np.float32]:
        """The cosine similarity of every text with the other at its place, [texts]."""
        import numpy as np

        result = np.empty(len(texts), np.float32)
        for start in range(0, len(texts), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            result[part] = (self.embed(texts[part]) * self.embed(others[part])).sum(1)
        return result

    def cut(self, texts: Sequence[str]) -> int:
        """Of how many of these texts, embedded before, only the beginning was read."""
        return sum(_key(text) in self._cut for text in texts)

    def _embed(self, texts: Sequence[str], label: str) -> NDArray[np.float32]:
        import numpy as np

        keys = [_key(text) for text in texts]
        found = {key: self._memory[key] for key in keys if key in self._memory}
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        found |= zip(new, self._run(list(new.values()), label), strict=True)
        for key in dict.fromkeys(keys):
            self._remember(key, found[key])
        return np.stack([found[key] for key in keys])

    def _remember(self, key: bytes, vector: NDArray[np.float32]) -> None:
        # A copy: a view would keep the whole batch in memory.
        if key not in self._memory:
            self._memory[key] = vector.copy()
        self._memory.move_to_end(key)
        if len(self._memory) > self._remembered:
            self._memory.popitem(last=False)

    def _run(self, texts: Sequence[str], label: str) -> NDArray[np.float32]:
        import numpy as np
        import torch

        model, tokenizer = self._model
        rows = self._tokens(texts)
        result = np.zeros((len(rows), model.config.hidden_size), np.float32)
        real = [row for row in range(len(rows)) if rows[row]]
        with bar(label, len(real)) as advance, torch.no_grad():
            for batch in by_length([len(rows[row]) for row in real], _BATCH_TOKENS):
                chosen = [real[place] for place in batch]
                tokens, mask = pad([rows[row] for row in chosen], tokenizer.pad_token_id)
                tokens, mask = tokens.to(model.device), mask.to(model.device)
                states = model(tokens, attention_mask=mask).last_hidden_state
                # The mean's divisor falls away: the vector is brought to length 1.
                total = (states * mask.unsqueeze(-1)).sum(1)
                result[chosen] = torch.nn.functional.normalize(total, dim=-1).cpu().numpy()
                advance(len(chosen))
        return result

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        tokenizer = self._model[1]
        if not texts:
            return []
        # A lone surrogate, which JSON can hold, is no character that a tokenizer takes.
        readable = [text.encode("utf-8", "replace").decode() for text in texts]
        rows: list[list[int]] = tokenizer(readable, verbose=False)["input_ids"]
        for number, row in enumerate(rows):
            if len(row) > self.longest:
                self._cut.add(_key(texts[number]))
                short = tokenizer(readable[number], truncation=True, max_length=self.longest)
                rows[number] = short["input_ids"]
        return rows

    @cached_property
    def _model(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        import torch
        from transformers import AutoModel

        config = load_config(self.weights, "encoder")
        _check_pooling(self.weights)
        # Seeded, since a pooler that is missing would draw from the run's own random numbers.
        with seeded(0):
            model, missing = load_model(AutoModel, self.weights, "float32", config=config)
        lost = sorted(name for name in missing if "pooler." not in name)
        if lost:
            raise WeightsError(
                "these weights are no whole encoder",
                where=self.weights.ref,
                found=f"nothing for {', '.join(lost[:3])}",
            )
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return model.eval().to(device), load_tokenizer(self.weights)


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()


def _check_pooling(weights: Weights) -> None:
    """Refuse weights that say that their tokens are not to be averaged."""
    told = _told(weights.folder / "1_Pooling" / "config.json")
    mean = told.get("pooling_mode", "mean") == "mean"
    if not (mean and told.get("pooling_mode_mean_tokens", True)):
        raise WeightsError(
            "this sentence encoder does not average its tokens, and nothing else is known here",
            where=weights.ref,
            fix=f"name one that does, such as {EMBEDDER}",
        )


def _told(path: Path) -> dict[str, Any]:
    """A JSON object beside the weights; empty where there is none."""
    if not path.is_file():
        return {}
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


@lru_cache(maxsize=64)
def _pinned(ref: str, base_dir: Path) -> Weights:
    # Once a process: a hub's newest may move meanwhile.
    return resolve(ref, base_dir).pinned()


@lru_cache(maxsize=2)
def _loaded(weights: Weights) -> Embedder:
    return Embedder(weights)


def embedder(ref: str = EMBEDDER, base_dir: Path = Path()) -> Embedder:
    """The embedder of some weights; one a process, so that they are loaded once.

    Args:
        ref: as for :func:`preceptor.models.weights.resolve`.
        base_dir: the folder that a relative path starts from.

    Raises:
        WeightsError: they are not there, or a hub repository cannot be reached.
    """
    return _loaded(_pinned(ref, base_dir))


def cut_note(cut: int) -> list[str]:
    """What a result that rests on embeddings must say where texts were cut; nothing if none was."""
    texts = "1 text is" if cut == 1 else f"{cut} texts are"
    return [f"{texts} longer than the encoder reads: the beginning was judged"] if cut else []
