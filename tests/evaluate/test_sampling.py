"""Sampling: by prompt and seed alone, in the model's own distribution, whichever way it is run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from fixtures_models import DECODERS, SEQ2SEQ, tiny_decoder, tiny_seq2seq, tiny_tokenizer
from preceptor.errors import DataError
from preceptor.evaluate import sampling, stepping
from preceptor.evaluate.decode import generate
from preceptor.evaluate.sampling import Written, generate_scored, sample
from preceptor.evaluate.stepping import Sampling, Work, choose
from preceptor.models.bf16 import prepared
from preceptor.models.places import Places, has_places
from preceptor.models.tokens import encode_prompt
from preceptor.tune.methods.boft import BoftSettings
from preceptor.tune.methods.boft import attach as attach_boft
from preceptor.tune.methods.lora import LoraSettings
from preceptor.tune.methods.lora import attach as attach_lora
from preceptor.tune.methods.prefix import PrefixSettings
from preceptor.tune.methods.prefix import attach as attach_prefix

PROMPTS = [
    "Is the moon made of cheese?\nAnswer:",
    "Will it rain tomorrow in the valley, as it did on the mountain today?\nAnswer:",
    "Does water boil?\nAnswer: ",
    "Does water boil?\nAnswer: ",
    "yes",
]
SEEDS = [11, 12, 13, 14, 15]


def drawn(
    model: Any,
    prompts: Sequence[str] = PROMPTS,
    seeds: Sequence[int] = SEEDS,
    tokenizer: Any = None,
    **changes: Any,
) -> list[Written]:
    options: dict[str, Any] = {"temperature": 1.0, "max_new_tokens": 8, "batch_tokens": 2000}
    found = sample(
        model,
        tokenizer or tiny_tokenizer(),
        prompts,
        seeds=seeds,
        label="drawn",
        **options | changes,
    )
    assert len(found) == len(prompts)
    return found


def texts(written: Sequence[Written]) -> list[str]:
    return [one.text for one in written]


def same(one: Sequence[Written], other: Sequence[Written], apart: float = 1e-4) -> bool:
    return [(w.text, w.tokens, w.ended) for w in one] == [
        (w.text, w.tokens, w.ended) for w in other
    ] and all(
        abs(a.mean_log_prob - b.mean_log_prob) < apart for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("name", DECODERS)
def test_a_text_depends_on_its_prompt_and_seed_alone(name: str) -> None:
    model = tiny_decoder(name)
    together = drawn(model)
    for number, (prompt, seed) in enumerate(zip(PROMPTS, SEEDS, strict=True)):
        assert same(drawn(model, [prompt], [seed]), together[number : number + 1])
    assert len(set(texts(together))) == len(PROMPTS)


@pytest.mark.parametrize("name", DECODERS)
def test_rows_that_take_over_a_place_write_what_they_write_alone(name: str) -> None:
    model = tiny_decoder(name)
    prompts, seeds = PROMPTS * 6, list(range(30))
    wide = drawn(model, prompts, seeds, batch_tokens=10**6)
    # Some three places: rows come, go and are moved up.
    narrow = drawn(model, prompts, seeds, batch_tokens=120)
    assert same(wide, narrow)


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_places_and_generate_write_the_same(
    name: str, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_decoder(name)
    assert has_places(model)
    mine = drawn(model, temperature=temperature, top_k=50, top_p=0.9)
    monkeypatch.setattr(sampling, "has_places", lambda model: False)
    assert same(mine, drawn(model, temperature=temperature, top_k=50, top_p=0.9))


def test_a_window_that_attention_slides_over_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_decoder("MistralForCausalLM", sliding_window=6)
    mine = drawn(model, max_new_tokens=12)
    assert not same(mine, drawn(tiny_decoder("MistralForCausalLM"), max_new_tokens=12))
    monkeypatch.setattr(sampling, "has_places", lambda model: False)
    assert same(mine, drawn(model, max_new_tokens=12))


@pytest.mark.parametrize("name", SEQ2SEQ)
def test_an_encoder_decoder_model_writes_through_generate(name: str) -> None:
    model = tiny_seq2seq(name)
    assert not has_places(model)
    together = drawn(model)
    for number, (prompt, seed) in enumerate(zip(PROMPTS, SEEDS, strict=True)):
        assert same(drawn(model, [prompt], [seed]), together[number : number + 1])
    assert len(set(texts(together))) > 3


def test_what_an_encoder_decoder_model_is_forced_to_write_first_is_no_part_of_it() -> None:
    model = tiny_seq2seq()
    model.generation_config.forced_bos_token_id = 7
    options: Any = {"max_new_tokens": 8, "batch_tokens": 2000, "label": "x"}
    greedy = generate_scored(model, tiny_tokenizer(), PROMPTS, **options)
    assert texts(greedy) == generate(model, tiny_tokenizer(), PROMPTS, "default", **options)


@pytest.mark.parametrize(
    ("attach", "settings"),
    [
        (attach_lora, LoraSettings(rank=4)),
        (attach_boft, BoftSettings(block_size=4)),
        (attach_prefix, PrefixSettings(virtual_tokens=5)),
    ],
)
def test_adapters_write_as_they_generate(attach: Any, settings: Any) -> None:
    model = attach(tiny_decoder(), settings, tiny_tokenizer()).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.requires_grad and "prompt_encoder" not in name:
                value.add_(0.05 * torch.randn(value.shape, generator=torch.manual_seed(0)))
    options: Any = {"max_new_tokens": 8, "batch_tokens": 2000, "label": "x"}
    greedy = generate_scored(model, tiny_tokenizer(), PROMPTS, **options)
    assert texts(greedy) == generate(model, tiny_tokenizer(), PROMPTS, "default", **options)
    base = generate_scored(model.get_base_model(), tiny_tokenizer(), PROMPTS, **options)
    if "prefix" in type(settings).__name__.lower():
        assert texts(base) != texts(greedy)
    alone = [drawn(model, [p], [s])[0] for p, s in zip(PROMPTS, SEEDS, strict=True)]
    assert same(drawn(model), alone)


def test_greedy_takes_the_likeliest_token_and_tells_how_likely_it_was() -> None:
    model, tokenizer = tiny_decoder(), tiny_tokenizer()
    tokens = encode_prompt(tokenizer, PROMPTS[0])
    logs: list[float] = []
    for _ in range(6):
        with torch.no_grad():
            ahead = model(torch.tensor([tokens])).logits[0, -1].log_softmax(-1)
        tokens.append(int(ahead.argmax()))
        logs.append(float(ahead.max()))
    options: Any = {"max_new_tokens": 6, "batch_tokens": 2000, "label": "x"}
    one = generate_scored(model, tokenizer, PROMPTS[:1], **options)[0]
    assert one.text == tokenizer.decode(tokens[-6:], skip_special_tokens=True)
    assert one.mean_log_prob == pytest.approx(sum(logs) / 6, abs=1e-4)
    assert one.tokens == 6


def test_the_log_probability_is_the_models_own_however_it_was_drawn() -> None:
    model, tokenizer = tiny_decoder(), tiny_tokenizer()
    hot = drawn(model, PROMPTS[:1], [3], temperature=3.0, top_k=20)[0]
    before = encode_prompt(tokenizer, PROMPTS[0])
    lines: list[Any] = []
    work = Work([tuple(before)], [3], Sampling(3.0, 1.0, 20, 8), 99)
    stepping.write(model, tokenizer, work, lines.append)
    after = lines[0].tokens
    with torch.no_grad():
        logs = model(torch.tensor([before + after])).logits[0].log_softmax(-1)
    told = [float(logs[len(before) - 1 + i, token]) for i, token in enumerate(after)]
    assert hot.mean_log_prob == pytest.approx(sum(told) / len(told), abs=1e-4)


def test_texts_end_at_the_end_token_and_count_it() -> None:
    model, tokenizer = tiny_decoder(), tiny_tokenizer()
    head = model.get_output_embeddings()
    head.bias = torch.nn.Parameter(torch.zeros(head.weight.shape[0]))
    with torch.no_grad():
        head.bias[tokenizer.eos_token_id] = 4.0
    prompts = PROMPTS * 8
    written = drawn(model, prompts, range(len(prompts)), batch_tokens=400, max_new_tokens=20)
    ended = [one for one in written if one.ended]
    assert len(ended) > 20
    assert len({one.tokens for one in ended}) > 3
    assert all("</s>" not in one.text for one in written)
    assert all(one.tokens == 20 for one in written if not one.ended)
    alone = [drawn(model, [p], [s], max_new_tokens=20)[0] for s, p in enumerate(prompts)]
    assert same(written, alone)


def test_tokens_come_as_often_as_the_model_says() -> None:
    logits = torch.randn(1, 30, generator=torch.manual_seed(1)) * 2
    draws = torch.rand(20_000, generator=torch.manual_seed(2), dtype=torch.float64)
    tokens, logs = choose(logits.repeat(20_000, 1), Sampling(1.3, 1.0, 0, 1), draws)
    wanted = (logits[0] / 1.3).softmax(-1)
    seen = torch.bincount(tokens, minlength=30) / 20_000
    assert float((seen - wanted).abs().max()) < 0.012
    assert torch.allclose(logs, logits[0].log_softmax(-1)[tokens], atol=1e-5)


@pytest.mark.parametrize(("top_p", "top_k"), [(0.5, 0), (1.0, 3), (0.7, 5), (0.001, 0)])
def test_top_p_and_top_k_draw_as_transformers_would(top_p: float, top_k: int) -> None:
    from transformers import TopKLogitsWarper, TopPLogitsWarper

    logits = torch.randn(1, 400, generator=torch.manual_seed(1)) * 2
    kept = logits / 0.8
    ids: Any = None
    kept = TopKLogitsWarper(top_k)(ids, kept) if top_k else kept
    kept = TopPLogitsWarper(top_p)(ids, kept) if top_p < 1 else kept
    allowed = set(torch.isfinite(kept[0]).nonzero()[:, 0].tolist())
    draws = torch.rand(5000, generator=torch.manual_seed(2), dtype=torch.float64)
    tokens, _ = choose(logits.repeat(5000, 1), Sampling(0.8, top_p, top_k, 1), draws)
    counts = Counter(tokens.tolist())
    wanted = kept[0].softmax(-1)
    assert set(counts) <= allowed
    likely = {token for token in allowed if wanted[token] > 0.005}
    assert likely <= set(counts)
    assert all(abs(counts[token] / 5000 - float(wanted[token])) < 0.03 for token in allowed)


@pytest.mark.parametrize("draw", [0.0, 1.0 - 2**-53])
def test_no_token_of_no_probability_is_drawn(draw: float) -> None:
    logits = torch.full((1, 50), -torch.inf)
    logits[0, 7], logits[0, 9] = 1.0, 0.5
    at = torch.tensor([draw], dtype=torch.float64)
    tokens, _ = choose(logits, Sampling(1.0, 1.0, 0, 1), at)
    assert int(tokens) == (7 if draw == 0 else 9)


@pytest.mark.parametrize("temperature", [1e-5, 1e-9])
def test_the_coldest_sampling_is_greedy(temperature: float) -> None:
    model = tiny_decoder()
    assert same(drawn(model, temperature=temperature), drawn(model, temperature=0.0))


def test_equal_prompts_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_decoder()
    read: list[int] = []
    plain = Places._read

    def noted(self: Places, tokens: torch.Tensor, mask: torch.Tensor) -> Any:
        read.append(len(tokens))
        return plain(self, tokens, mask)

    monkeypatch.setattr(Places, "_read", noted)
    written = drawn(model, PROMPTS[:1] * 20, range(20))
    assert read == [1]
    assert len(set(texts(written))) > 15


def test_rows_that_are_done_leave_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = tiny_decoder(), tiny_tokenizer()
    head = model.get_output_embeddings()
    head.bias = torch.nn.Parameter(torch.zeros(head.weight.shape[0]))
    with torch.no_grad():
        head.bias[tokenizer.eos_token_id] = 4.0
    widths: list[int] = []
    plain = Places.step

    def noted(self: Places, tokens: torch.Tensor) -> Any:
        widths.append(len(tokens))
        return plain(self, tokens)

    monkeypatch.setattr(Places, "step", noted)
    written = drawn(model, PROMPTS[:1] * 40, range(40), max_new_tokens=30)
    tokens = sum(one.tokens - 1 for one in written)
    assert widths[0] <= 40
    assert widths[-1] < 10
    assert sum(widths) < 1.5 * tokens
    assert 40 * max(one.tokens for one in written) > 2 * tokens


def test_every_text_is_handed_on_as_it_is_written() -> None:
    model, tokenizer = tiny_decoder(), tiny_tokenizer()
    came: dict[int, Written] = {}
    steps: list[int] = []

    def take(number: int, one: Written) -> None:
        came[number] = one
        steps.append(len(came))

    rows = sampling.encoded(model, tokenizer, PROMPTS)
    work = Work(rows, SEEDS, Sampling(1.0, 1.0, 0, 8), 60)
    sampling.sample_rows(model, tokenizer, work, take)
    assert steps == [1, 2, 3, 4, 5]
    assert same([came[number] for number in range(5)], drawn(model))


def test_bf16_writes_what_generate_writes_in_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_decoder().requires_grad_(False)
    weight = model.get_output_embeddings().weight
    with prepared(model, "bf16"), torch.autocast("cpu", torch.bfloat16):
        mine = drawn(model)
        monkeypatch.setattr(sampling, "has_places", lambda model: False)
        assert same(mine, drawn(model), apart=0.02)
    assert model.get_output_embeddings().weight is weight
    assert model.config._attn_implementation == "sdpa"


def test_smollm2_writes_as_it_generates(smollm2: tuple[Any, Any]) -> None:
    model, tokenizer = smollm2
    options: Any = {"max_new_tokens": 12, "batch_tokens": 2000, "label": "x"}
    greedy = generate_scored(model, tokenizer, PROMPTS, **options)
    assert texts(greedy) == generate(model, tokenizer, PROMPTS, "default", **options)
    alone = [drawn(model, [p], [s], tokenizer)[0] for p, s in zip(PROMPTS, SEEDS, strict=True)]
    assert same(drawn(model, tokenizer=tokenizer), alone)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="4 seeds for 5 prompts"):
        drawn(tiny_decoder(), seeds=SEEDS[:4])
    with pytest.raises(DataError, match="prompt is empty"):
        drawn(tiny_decoder(), [""], [0])
    assert drawn(tiny_decoder(), [], []) == []
