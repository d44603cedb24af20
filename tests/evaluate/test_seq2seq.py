"""Encoder-decoder models: answers, label scores and foreseen answers against plain transformers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
)

from fixtures_models import SEQ2SEQ, tiny_seq2seq, tiny_tokenizer
from preceptor.errors import DataError
from preceptor.evaluate.decode import generate
from preceptor.evaluate.likelihood import label_scores
from preceptor.evaluate.perplexity import foresee
from preceptor.evaluate.settings import Decoding
from preceptor.models.pairs import opening_of, pair_row
from preceptor.models.seq2seq import load_seq2seq
from preceptor.models.weights import resolve
from preceptor.tune.fit import fit
from preceptor.tune.methods import full
from preceptor.tune.methods.lora import LoraSettings, attach
from preceptor.tune.settings import Budget, FitSettings

PROMPTS = [
    "Is the moon made of cheese?\nAnswer:",
    "Will it rain tomorrow in the valley, as it did on the mountain today?\nAnswer:",
    "Does water boil?\nAnswer: ",
]
ANSWERS = [" yes", " no", " maybe", " so, at lower heat", " so, but", " no"]
BEGUN = [" yes", " no", " no effect", " no effect at all"]
BOTH: list[Decoding] = ["default", "drllama"]
FORMS = [(name, forced) for name in SEQ2SEQ for forced in (None, 1)]


def tiny(name: str, forced: int | None = None) -> Any:
    model = tiny_seq2seq(name)
    config = model.generation_config
    config.eos_token_id, config.pad_token_id, config.forced_bos_token_id = 2, 0, forced
    config.bos_token_id = 1
    return model


def write(
    model: Any, prompts: list[str], decoding: Decoding = "default", tokenizer: Any = None
) -> list[str]:
    options: Any = {"max_new_tokens": 6, "batch_tokens": 2000, "label": "answers"}
    return generate(model, tokenizer or tiny_tokenizer(), prompts, decoding, **options)


@pytest.fixture(scope="module")
def pair() -> tuple[Any, Any]:
    return load_seq2seq(resolve("minilm+minilm"), seed=1)


@pytest.mark.parametrize("decoding", BOTH)
@pytest.mark.parametrize(("name", "forced"), FORMS)
def test_a_batch_writes_what_its_prompts_get_alone(
    name: str, forced: int | None, decoding: Decoding
) -> None:
    model = tiny(name, forced)
    together = write(model, PROMPTS, decoding)
    assert together == [write(model, [prompt], decoding)[0] for prompt in PROMPTS]
    assert any(together)


@pytest.mark.parametrize(("name", "forced"), FORMS)
def test_default_is_the_likeliest_token_every_time(name: str, forced: int | None) -> None:
    model, tokenizer = tiny(name, forced), tiny_tokenizer()
    source = torch.tensor([tokenizer(PROMPTS[0])["input_ids"]])
    written = list(opening_of(model))
    start = len(written)
    for _ in range(6):
        logits = model(input_ids=source, decoder_input_ids=torch.tensor([written])).logits
        written.append(int(logits[0, -1].argmax()))
        if written[-1] == 2:
            break
    expected = tokenizer.decode(written[start:], skip_special_tokens=True)
    assert write(model, PROMPTS[:1]) == [expected]


def test_the_papers_processors_act_on_the_answer_alone() -> None:
    model, tokenizer = tiny("T5ForConditionalGeneration"), tiny_tokenizer()
    source = torch.tensor([tokenizer(PROMPTS[0])["input_ids"]])
    config = GenerationConfig(
        num_beams=5, max_new_tokens=6, eos_token_id=2, pad_token_id=0, decoder_start_token_id=0
    )
    processors = LogitsProcessorList(
        [RepetitionPenaltyLogitsProcessor(2.0), TemperatureLogitsWarper(0.8)]
    )
    plain = model.generate(
        source,
        attention_mask=torch.ones_like(source),
        generation_config=config,
        logits_processor=processors,
    )
    text = tokenizer.decode(plain[0, 1:], skip_special_tokens=True)
    assert write(model, PROMPTS[:1], "drllama") == [text]
    assert write(model, PROMPTS[:1]) != [text]


@pytest.mark.parametrize("adapted", [False, True])
@pytest.mark.parametrize("decoding", BOTH)
def test_the_checkpoints_defaults_do_not_leak_in(decoding: Decoding, adapted: bool) -> None:
    model = tiny("BartForConditionalGeneration", 1)
    if adapted:
        model = attach(model, LoraSettings()).eval()
    base = model.get_base_model() if adapted else model
    expected = write(model, PROMPTS, decoding)
    leaky = {"do_sample": True, "temperature": 5.0, "repetition_penalty": 9.0, "min_length": 4}
    base.generation_config.update(**leaky, suppress_tokens=list(range(3, 300)))
    assert write(model, PROMPTS, decoding) == expected
    assert base.generation_config.repetition_penalty == 9.0


@pytest.mark.parametrize(("name", "forced"), FORMS)
def test_answers_that_were_learnt_end_where_they_should(name: str, forced: int | None) -> None:
    """Also under the paper's penalty, though BART's start token is its end token."""
    model, tokenizer = full.attach(tiny(name, forced), full.FullSettings()), tiny_tokenizer()
    answers = ["no", "maybe", "yes"]
    rows = [
        pair_row(tokenizer, opening_of(model), prompt, answer)
        for prompt, answer in zip(PROMPTS, answers, strict=True)
    ]
    options: Any = {"learning_rate": 5e-3, "seed": 0, "label": "fit", "pad_id": 0}
    fit(model, rows, Budget(steps=60), FitSettings(), **options)
    assert write(model, PROMPTS) == answers
    assert write(model, PROMPTS, "drllama")[0] == answers[0]
    runs: list[int] = []
    handle = model.get_encoder().register_forward_hook(lambda *_: runs.append(1))
    assert write(model, PROMPTS[:1]) == answers[:1]
    handle.remove()
    assert runs == [1]


def test_the_real_pair_batched_as_alone(pair: tuple[Any, Any]) -> None:
    model, tokenizer = pair
    together = write(model, PROMPTS, tokenizer=tokenizer)
    assert together == [write(model, [one], tokenizer=tokenizer)[0] for one in PROMPTS]
    assert all(together)


def scores(model: Any, tokenizer: Any, answers: list[str]) -> np.ndarray:
    return label_scores(model, tokenizer, PROMPTS, answers, batch_tokens=60, label="scores")


def naive(model: Any, tokenizer: Any, prompt: str, answer: str, end: bool = False) -> float:
    """Sum of the answer's log-probabilities from whole logits, token by token."""
    row = pair_row(tokenizer, opening_of(model), prompt, answer)
    source, first = torch.tensor([row.source]), len(opening_of(model))
    total = 0.0
    for place in range(first, len(row.target) - (not end)):
        read = torch.tensor([row.target[:place]])
        with torch.no_grad():
            logits = model(input_ids=source, decoder_input_ids=read).logits[0, -1]
        total += float(logits.log_softmax(-1)[row.target[place]])
    return total


@pytest.mark.parametrize("answers", [ANSWERS, BEGUN])
@pytest.mark.parametrize(("name", "forced"), FORMS)
def test_label_scores_are_those_of_a_naive_loop(
    name: str, forced: int | None, answers: list[str]
) -> None:
    model, tokenizer = tiny(name, forced), tiny_tokenizer(begin=True)
    end = answers is BEGUN
    expected = [[naive(model, tokenizer, p, a, end) for a in answers] for p in PROMPTS]
    got = scores(model, tokenizer, answers)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
    assert len({round(score, 3) for score in got[:, 0]}) > 1


def test_label_scores_of_the_real_pair(pair: tuple[Any, Any]) -> None:
    model, tokenizer = pair
    expected = [[naive(model, tokenizer, p, a) for a in ANSWERS] for p in PROMPTS]
    np.testing.assert_allclose(scores(model, tokenizer, ANSWERS), expected, rtol=1e-4, atol=1e-4)


def test_label_scores_of_an_adapter() -> None:
    model, tokenizer = tiny("T5ForConditionalGeneration"), tiny_tokenizer()
    before = scores(model, tokenizer, ANSWERS)
    adapted = attach(model, LoraSettings()).eval()
    for name, value in adapted.named_parameters():
        if "lora_B" in name:
            value.data += 0.1
    after = scores(adapted, tokenizer, ANSWERS)
    assert abs(before - after).max() > 0.01
    assert after[0, 3] == pytest.approx(naive(adapted, tokenizer, PROMPTS[0], ANSWERS[3]), abs=1e-4)


def test_every_prompt_is_read_once_for_all_labels() -> None:
    model, tokenizer = tiny("BartForConditionalGeneration"), tiny_tokenizer()
    rows: list[int] = []
    handle = model.get_encoder().register_forward_pre_hook(
        lambda _, __, kwargs: rows.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    scores(model, tokenizer, [*ANSWERS, *BEGUN])
    handle.remove()
    assert rows[:2] == [1, 1], "two trial passes"
    assert sum(rows[2:]) == len(PROMPTS)


@pytest.mark.parametrize(("name", "forced"), FORMS)
def test_foreseen_answers_are_transformers_own(name: str, forced: int | None) -> None:
    model, tokenizer = tiny(name, forced), tiny_tokenizer()
    first = len(opening_of(model))
    texts = zip(PROMPTS, ["Rock.", "No, not in the valley, so it goes.", "yes"], strict=True)
    rows = [pair_row(tokenizer, opening_of(model), *text, first) for text in texts]
    found = foresee(model, rows, pad_id=0, batch_tokens=64, label="test")
    for row, one in zip(rows, found, strict=True):
        labels = torch.tensor([row.target[1:]])
        labels[:, : first - 1] = -100
        read = torch.tensor([row.target[:-1]])
        with torch.no_grad():
            out = model(input_ids=torch.tensor([row.source]), decoder_input_ids=read, labels=labels)
        count = len(row.target) - first
        right = out.logits[0].argmax(-1)[first - 1 :] == labels[0, first - 1 :]
        assert one.answer.nll == pytest.approx(float(out.loss) * count, rel=1e-4)
        assert (one.answer.right, one.answer.tokens) == (int(right.sum()), count)
        assert one.all is None
        assert math.isfinite(one.answer.perplexity)


def test_an_empty_prompt_is_refused() -> None:
    model, tokenizer = tiny("T5ForConditionalGeneration"), tiny_tokenizer()
    with pytest.raises(DataError, match="empty"):
        label_scores(model, tokenizer, [""], ANSWERS, batch_tokens=60, label="scores")
    with pytest.raises(DataError, match="empty"):
        write(model, [""])
