"""Label scores against plain transformers, one pair at a time."""

from typing import Any

import numpy as np
import pytest
import torch

from fixtures_models import DECODERS, tiny_decoder, tiny_tokenizer
from preceptor.errors import DataError
from preceptor.evaluate.likelihood import label_scores
from preceptor.tune.batches import text_row
from preceptor.tune.methods.lora import LoraSettings, attach

PROMPTS = [
    "Is the moon made of cheese?\nAnswer:",
    "Will it rain tomorrow in the valley, as it did on the mountain today?\nAnswer:",
    "Does water boil?\nAnswer: ",
    "Is it so?\nAnswer:",
]
ANSWERS = [" yes", " no", " maybe", " so, at lower heat", " so, but", " no"]
BEGUN = [" yes", " no", " no effect", " no effect at all"]
"""each of the last three begins with the one before it"""


def scores(model: Any, tokenizer: Any, prompts: list[str], answers: list[str]) -> np.ndarray:
    return label_scores(model, tokenizer, prompts, answers, batch_tokens=60, label="scores")


def plain(model: Any, tokenizer: Any, prompt: str, answer: str, end: bool = False) -> float:
    """Sum of the answer's log-probabilities from the model's whole logits, nothing batched."""
    row = text_row(tokenizer, prompt, answer, "answer")
    tokens = torch.tensor([row.tokens if end else row.tokens[:-1]])
    logs = model(tokens).logits[0].log_softmax(-1).detach()
    wanted = range(row.first, tokens.shape[1])
    return float(sum(logs[position - 1, tokens[0, position]] for position in wanted))


@pytest.mark.parametrize("name", DECODERS)
def test_scores_are_those_of_every_pair_alone(name: str) -> None:
    model, tokenizer = tiny_decoder(name), tiny_tokenizer(begin=True)
    got = scores(model, tokenizer, PROMPTS, ANSWERS)
    expected = [[plain(model, tokenizer, p, a) for a in ANSWERS] for p in PROMPTS]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
    assert (got[:, 1] == got[:, 5]).all()
    assert len({round(score, 3) for score in got[:, 0]}) > 1


@pytest.mark.parametrize("name", DECODERS)
def test_where_an_answer_begins_another_all_are_scored_with_their_end(name: str) -> None:
    model, tokenizer = tiny_decoder(name), tiny_tokenizer(begin=True)
    got = scores(model, tokenizer, PROMPTS, BEGUN)
    expected = [[plain(model, tokenizer, p, a, end=True) for a in BEGUN] for p in PROMPTS]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_a_longer_answer_can_be_the_likelier_one() -> None:
    """Trained on " no effect" it must be found, though " no" begins it."""
    model, tokenizer = tiny_decoder(), tiny_tokenizer()
    row = text_row(tokenizer, PROMPTS[0], BEGUN[2], "answer")
    tokens = torch.tensor([row.tokens])
    labels = tokens.clone()
    labels[:, : row.first] = -100
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(10):
        model(tokens, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert scores(model, tokenizer, PROMPTS[:1], BEGUN)[0].argmax() == 2


def test_answers_on_the_way_to_a_longer_one_share_its_pass() -> None:
    model, tokenizer = tiny_decoder(), tiny_tokenizer()
    rows = []
    handle = model.register_forward_pre_hook(
        lambda module, args, kwargs: rows.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    label_scores(model, tokenizer, PROMPTS, BEGUN[1:], batch_tokens=4096, label="scores")
    handle.remove()
    assert rows == [1, 1, len(PROMPTS)], "two trial passes, then one row a prompt"


def test_scores_do_not_depend_on_the_order_of_prompts() -> None:
    model, tokenizer = tiny_decoder(), tiny_tokenizer()
    forth = scores(model, tokenizer, PROMPTS, ANSWERS)
    back = scores(model, tokenizer, PROMPTS[::-1], ANSWERS)
    np.testing.assert_allclose(forth, back[::-1], rtol=1e-5)


def test_an_adapter_is_scored_with_it() -> None:
    model, tokenizer = tiny_decoder(), tiny_tokenizer()
    before = scores(model, tokenizer, PROMPTS, ANSWERS)
    adapted = attach(model, LoraSettings()).eval()
    for name, value in adapted.named_parameters():
        if "lora_B" in name:
            value.data += 0.1
    after = scores(adapted, tokenizer, PROMPTS, ANSWERS)
    assert abs(before - after).max() > 0.01
    assert after[0, 3] == pytest.approx(plain(adapted, tokenizer, PROMPTS[0], ANSWERS[3]), abs=1e-4)


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(DataError, match="empty"):
        scores(tiny_decoder(), tiny_tokenizer(), [""], ANSWERS)


def test_smollm2_one_token_labels_share_a_pass(smollm2: tuple[Any, Any]) -> None:
    model, tokenizer = smollm2
    passes = []
    handle = model.register_forward_pre_hook(lambda *args: passes.append(args))
    answers = [" yes", " no", " maybe"]
    got = label_scores(model, tokenizer, PROMPTS, answers, batch_tokens=4096, label="scores")
    handle.remove()
    assert len(passes) == 1 + 2  # the batch of all four prompts, after the two trial passes
    expected = [plain(model, tokenizer, PROMPTS[1], answer) for answer in answers]
    np.testing.assert_allclose(got[1], expected, atol=1e-4)


APART = [" supported by the evidence", " not supported by it", " the evidence is unclear"]


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("batch_tokens", [1, 4096])
def test_labels_of_several_tokens_are_read_behind_one_prompt(name: str, batch_tokens: int) -> None:
    model, tokenizer = tiny_decoder(name), tiny_tokenizer()
    seen = []
    handle = model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["input_ids"].shape[0]), with_kwargs=True
    )
    got = label_scores(model, tokenizer, PROMPTS, APART, batch_tokens=batch_tokens, label="scores")
    handle.remove()
    trials = 4  # whether it heeds a mask, and whether it needs all logits: two passes each
    assert sum(seen[trials:]) == len(PROMPTS)
    expected = [[plain(model, tokenizer, prompt, one) for one in APART] for prompt in PROMPTS]
    np.testing.assert_allclose(got, expected, atol=1e-3)


def test_where_branches_cannot_be_kept_apart_the_prompt_is_read_again() -> None:
    sliding = tiny_decoder("MistralForCausalLM", sliding_window=4)
    tokenizer = tiny_tokenizer()
    got = label_scores(sliding, tokenizer, PROMPTS, APART, batch_tokens=4096, label="scores")
    expected = [[plain(sliding, tokenizer, prompt, one) for one in APART] for prompt in PROMPTS]
    np.testing.assert_allclose(got, expected, atol=1e-3)


def test_smollm2_reads_a_prompt_once_for_labels_of_several_tokens(
    smollm2: tuple[Any, Any],
) -> None:
    model, tokenizer = smollm2
    got = label_scores(model, tokenizer, PROMPTS, APART, batch_tokens=4096, label="scores")
    expected = [[plain(model, tokenizer, prompt, one) for one in APART] for prompt in PROMPTS]
    np.testing.assert_allclose(got, expected, atol=1e-3)
    with torch.autocast("cpu", torch.bfloat16):
        rough = label_scores(model, tokenizer, PROMPTS, APART, batch_tokens=4096, label="scores")
    np.testing.assert_allclose(rough, got, rtol=0.05, atol=0.5)
