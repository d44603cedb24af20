"""Rows and the batches of every update."""

from typing import Any

import pytest
import torch

from fixtures_models import tiny_tokenizer
from preceptor.tune.batches import (
    LabelRow,
    TextRow,
    label_row,
    plan_updates,
    supervised,
    text_row,
)
from preceptor.tune.collate import collate
from preceptor.tune.settings import Budget, FitSettings

LENGTHS = [5 + (7 * i) % 31 for i in range(50)]


def flat(plan: list[list[list[int]]]) -> list[int]:
    return [row for update in plan for batch in update for row in batch]


def settings(**options: Any) -> FitSettings:
    return FitSettings(**{"batch_tokens": 120, "batch_rows": 8, "accumulation": 2, **options})


def test_text_row_ends_in_one_supervised_end_token() -> None:
    tokenizer = tiny_tokenizer(begin=True)
    row = text_row(tokenizer, "Is it so? ", "yes", "answer")
    end = tokenizer.eos_token_id
    assert row.tokens[-1] == end
    assert end not in row.tokens[:-1]
    assert tokenizer.decode(row.tokens[row.first :]) == " yes</s>"
    assert supervised(row) == len(row.tokens) - row.first


def test_loss_on_all_supervises_every_token_that_something_predicts() -> None:
    row = text_row(tiny_tokenizer(), "Is it so?", " yes", "all")
    assert row.first == 1
    assert supervised(row) == len(row.tokens) - 1


def test_label_row_has_the_tokenizers_special_tokens() -> None:
    assert label_row(tiny_tokenizer(begin=True), "so", 2).tokens[0] == 1
    assert supervised(label_row(tiny_tokenizer(), "so", 2)) == 1


def test_epochs_take_every_row_once_a_pass() -> None:
    plan = plan_updates(LENGTHS, Budget(epochs=3), settings(), 0)
    counts = [flat(plan).count(row) for row in range(50)]
    assert counts == [3] * 50
    assert all(len(update) == 2 for update in plan[:-1])


def test_half_a_pass_takes_half_the_batches() -> None:
    whole = plan_updates(LENGTHS, Budget(epochs=1), settings(accumulation=1), 0)
    half = plan_updates(LENGTHS, Budget(epochs=0.5), settings(accumulation=1), 0)
    assert half == whole[: round(len(whole) / 2)]


def test_steps_give_so_many_updates_and_start_with_whole_passes() -> None:
    plan = plan_updates(LENGTHS, Budget(steps=17), settings(), 0)
    assert [len(update) for update in plan] == [2] * 17
    assert sorted(flat(plan)[:50]) == list(range(50))
    assert len(plan_updates([9], Budget(steps=5), settings(), 0)) == 5


@pytest.mark.parametrize("lengths", [LENGTHS, [30] * 50])
def test_batches_keep_the_budget(lengths: list[int]) -> None:
    for update in plan_updates(lengths, Budget(epochs=1), settings(), 0):
        for batch in update:
            assert len(batch) <= 8
            assert len(batch) * max(lengths[row] for row in batch) <= 120


def test_sorting_pads_less_than_chance_would() -> None:
    def padded(plan: list[list[list[int]]]) -> int:
        batches = [batch for update in plan for batch in update]
        return sum(len(batch) * max(LENGTHS[row] for row in batch) for batch in batches)

    roomy = settings(batch_tokens=10_000)
    plan = plan_updates(LENGTHS, Budget(epochs=1), roomy, 0)
    assert sum(LENGTHS) <= padded(plan) < 1.25 * sum(LENGTHS)


def test_the_seed_orders_rows_and_passes_differ() -> None:
    one, again, other = (
        plan_updates(LENGTHS, Budget(epochs=2), settings(), seed) for seed in (1, 1, 2)
    )
    assert one == again
    assert one != other
    assert flat(one)[:50] != flat(one)[50:]


def test_collate_marks_what_predicts_the_supervised_tokens() -> None:
    rows = [TextRow((5, 6, 7, 2), 2), TextRow((8, 9, 2), 1)]
    batch = collate(rows, 0, torch.device("cpu"))
    assert batch.at is not None
    assert batch.at.tolist() == [[False, True, True, False], [True, True, False, False]]
    assert batch.targets.tolist() == [7, 2, 9, 2]
    assert batch.tokens == 7
    assert batch.inputs["input_ids"].tolist() == [[5, 6, 7, 2], [8, 9, 2, 0]]


def test_an_end_token_that_also_pads_stays_supervised() -> None:
    batch = collate([TextRow((5, 6, 2), 1), TextRow((5, 2), 1)], 2, torch.device("cpu"))
    assert batch.targets.tolist() == [6, 2, 2]
    # Nothing sees the padding behind it, so there is nothing to mask.
    assert batch.inputs["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 1]]


def test_collate_of_label_rows() -> None:
    batch = collate([LabelRow((5, 6), 1), LabelRow((7,), 0)], 0, torch.device("cpu"))
    assert batch.at is None
    assert batch.targets.tolist() == [1, 0]
