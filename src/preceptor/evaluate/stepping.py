"""Writing one token at a time: how it is chosen, and which rows are at work."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from preceptor.models.attention import by_products
from preceptor.models.places import Places, rounded_head

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_PLACES = 128
"""rows at work at most: more do not raise the tokens a second of a CPU (SmolLM2, 2 cores), and
their logits take memory"""
_ALIKE = 1.5
"""rows share a cache while the longest is at most so many times as long as the shortest"""
_COLD = 1e-6
"""temperature below which the likeliest token is taken: nothing else would be drawn"""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen.

    Attributes:
        temperature: the logits are divided by it; 0 takes the likeliest.
        top_p: draw from the likeliest tokens that hold this share of the probability together.
        top_k: before that, from so many of the likeliest alone; 0 for all.
        most: tokens of an answer, after which it is cut off.
    """

    temperature: float
    top_p: float
    top_k: int
    most: int


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be written.

    Attributes:
        prompts: their tokens.
        seeds: one a prompt; each decides every token behind it.
        sampling: how tokens are chosen.
        batch_tokens: tokens of a batch, prompts, padding and answers; a row may have more.
    """

    prompts: Sequence[tuple[int, ...]]
    seeds: Sequence[int]
    sampling: Sampling
    batch_tokens: int

    def __post_init__(self) -> None:
        if len(self.prompts) != len(self.seeds):
            raise ValueError(f"{len(self.seeds)} seeds for {len(self.prompts)} prompts")

    def line(self, number: int) -> Line:
        """A prompt's answer, of which nothing is written yet."""
        return Line(number, draws_of(self.seeds[number], self.sampling.most))

    def size(self, number: int) -> int:
        """Tokens of a prompt with its answer at most."""
        return len(self.prompts[number]) + self.sampling.most


@dataclass(slots=True)
class Line:
    """An answer that is being written.

    Attributes:
        number: of its prompt.
        draws: [most], uniform in [0, 1), one for every token.
        tokens: what is written so far, the end token included.
        log_prob: sum of their natural-log probabilities under the model, at temperature 1.
        ended: whether the last one is the end token.
    """

    number: int
    draws: Tensor
    tokens: list[int] = field(default_factory=list)
    log_prob: float = 0.0
    ended: bool = False

    def add(self, token: int, log_prob: float, end: int) -> None:
        """Write one more."""
        self.tokens.append(token)
        self.log_prob += log_prob
        self.ended = token == end


def draws_of(seed: int, most: int) -> Tensor:
    """The uniform numbers that decide an answer, float64 [most]."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    return torch.rand(most, generator=generator, dtype=torch.float64)


def choose(logits: Tensor, sampling: Sampling, draws: Tensor) -> tuple[Tensor, Tensor]:
    """The next token of every row, by one uniform number each.

    The number is looked up in the distribution function over the vocabulary (inverse transform
    sampling): a row's choice depends on nothing but its own logits and number, and costs one
    number where Gumbel noise takes one for every token of the vocabulary.

    Args:
        logits: [rows, vocabulary], fp32.
        sampling: how.
        draws: [rows], in [0, 1).

    Returns:
        Tokens [rows] and their log-probabilities at temperature 1 [rows].
    """
    import torch

    if sampling.temperature < _COLD:
        tokens = logits.argmax(-1)
    else:
        shares = (logits / sampling.temperature).softmax(-1)
        whole = _likeliest(shares, sampling).cumsum(-1)
        total = whole[:, -1:].contiguous()
        wanted = (draws.to(whole.device)[:, None] * total).to(whole.dtype)
        # Rounding up to the total would point behind the last token.
        below = torch.nextafter(total, torch.zeros_like(total))
        tokens = torch.searchsorted(whole, torch.minimum(wanted, below), right=True)[:, 0]
    logs = logits.gather(-1, tokens[:, None])[:, 0] - logits.logsumexp(-1)
    return tokens, logs


def _likeliest(shares: Tensor, sampling: Sampling) -> Tensor:
    """The same with all tokens at 0 that are not drawn from; of equal ones all stay."""
    if not sampling.top_k and sampling.top_p == 1:
        return shares
    ordered = _ascending(shares)
    if sampling.top_k:
        ordered[:, : -sampling.top_k] = 0.0
    left_out = ordered.cumsum(-1) <= (1 - sampling.top_p) * ordered.sum(-1, keepdim=True)
    first = left_out.sum(-1, keepdim=True).clamp(max=ordered.shape[-1] - 1)
    return shares.masked_fill(shares < ordered.gather(-1, first), 0.0)


def _ascending(shares: Tensor) -> Tensor:
    import numpy as np
    import torch

    if shares.device.type != "cpu":
        return shares.sort(-1).values
    # 128 rows of 49,152: 14 ms, where torch 2.13 takes 420 (with AVX-512).
    return torch.from_numpy(np.sort(shares.numpy(), axis=-1))


@contextmanager
def ready(model: PreTrainedModel) -> Iterator[None]:
    """While the block runs the model is ready to write token by token."""
    with by_products(model), rounded_head(model):
        yield


def write(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    work: Work,
    take: Callable[[Line], None],
) -> None:
    """Continue every prompt, the longest first; rows leave as they end, and others take over.

    Args:
        model: one that has places (:func:`preceptor.models.places.has_places`), in eval mode.
        tokenizer: its tokenizer.
        work: what is to be written.
        take: gets every answer when it is done.
    """
    order = sorted(range(len(work.prompts)), key=lambda number: (-work.size(number), number))
    while order:
        least = work.size(order[0]) / _ALIKE
        count = sum(work.size(number) >= least for number in order)
        shelf, order = order[:count], order[count:]
        _Shelf(model, tokenizer, work, take).run(deque(map(work.line, shelf)))


class _Shelf:
    """Rows of like length at work in one cache."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        work: Work,
        take: Callable[[Line], None],
    ) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._work, self._take = work, take
        self._lines: list[Line | None] = []
        self._last: Any = None

    def run(self, waiting: deque[Line]) -> None:
        """Write all of them, the longest of which stands first."""
        import torch

        places = self._places(self._work.size(waiting[0].number), len(waiting))
        self._lines = [None] * len(places)
        self._last = torch.zeros(len(places), dtype=torch.long)
        with ready(self._model):
            while waiting or any(self._lines):
                self._fill(places, waiting)
                if not waiting:
                    self._narrow(places)
                if any(self._lines):
                    logits = places.step(self._last)
                    self._write(places, range(len(places)), logits)

    def _places(self, room: int, waiting: int) -> Places:
        tokens = self._work.batch_tokens
        count = max(1, min(waiting, _PLACES, tokens // room))
        if count < waiting:  # rows will take over: with more room they are moved up less often
            room += max(1, self._work.sampling.most // 2)
            count = max(1, min(count, tokens // room))
        return Places(self._model, self._tokenizer.pad_token_id, count, room)

    def _fill(self, places: Places, waiting: deque[Line]) -> None:
        """Let waiting rows in, for an eighth of the places at a time: it takes all the weights."""
        free = [place for place, line in enumerate(self._lines) if line is None]
        if not waiting or len(free) < max(1, len(places) // 8):
            return
        into = free[: len(waiting)]
        for place in into:
            self._lines[place] = waiting.popleft()
        numbers = [line.number for place in into if (line := self._lines[place])]
        rows = [self._work.prompts[number] for number in numbers]
        self._write(places, into, places.put(into, rows))

    def _narrow(self, places: Places) -> None:
        busy = [place for place, line in enumerate(self._lines) if line is not None]
        if busy and len(busy) <= 0.8 * len(places):
            places.keep(busy)
            self._lines = [self._lines[place] for place in busy]
            self._last = self._last[busy]

    def _write(self, places: Places, at: Sequence[int], logits: Tensor) -> None:
        """Choose the next token of the rows at these places, and let go of those that are done."""
        import torch

        lines = [self._lines[place] for place in at]
        drawn = [float(one.draws[len(one.tokens)]) if one else 0.0 for one in lines]
        draws = torch.tensor(drawn, dtype=torch.float64)
        tokens, logs = choose(logits, self._work.sampling, draws)
        self._last[list(at)] = tokens.cpu()
        end, done = self._tokenizer.eos_token_id, []
        for place, line, token, log in zip(at, lines, tokens.tolist(), logs.tolist(), strict=True):
            if line is None:
                continue
            line.add(token, log, end)
            if line.ended or len(line.tokens) == self._work.sampling.most:
                done.append(place)
        self._let_go(places, done)

    def _let_go(self, places: Places, done: Sequence[int]) -> None:
        for place in done:
            line, self._lines[place] = self._lines[place], None
            assert line is not None
            self._take(line)
        places.idle(done)
