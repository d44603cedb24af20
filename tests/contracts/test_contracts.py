"""One suite over every method and every family of decoder.

What a method trains, that its loss falls and that it is saved and loaded again is held by
``tests/tune/test_methods.py``, over the same settings and families.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from fixtures_models import DECODERS, NO_DROPOUT, saved, tiny_decoder, tiny_tokenizer
from preceptor.evaluate.decode import generate
from preceptor.evaluate.likelihood import label_scores
from preceptor.models.decoder import load_decoder
from preceptor.models.save import export, save
from preceptor.models.seeding import seeded
from preceptor.models.weights import resolve
from preceptor.tune.batches import text_row
from preceptor.tune.distil import Distil
from preceptor.tune.fit import Aids, FitReport, fit
from preceptor.tune.settings import Budget, FitSettings
from preceptor.tune.trunk import TrunkCache, frozen_depth
from tune.test_methods import SETTINGS, attach, fits

PAIRS = [pair for pair in product(SETTINGS, DECODERS) if fits(*pair)]
ANSWERS = [" yes", " no", " maybe so"]
PROMPTS = [f"Is {'the water ' * (1 + n)}wet?" for n in range(4)]
ROWS = [
    text_row(tiny_tokenizer(), prompt, ANSWERS[n % 3], "answer") for n, prompt in enumerate(PROMPTS)
]
TOKENS = torch.tensor([[5, 6, 7, 8]])
HERE = Path(__file__).parents[1]
by_pair = pytest.mark.parametrize(("setting", "family"), PAIRS)


def student(setting: str, family: str) -> Any:
    """A student without dropout, so that two trainings can be held against each other."""
    settings = SETTINGS[setting]
    if "dropout" in type(settings).model_fields:
        settings = settings.model_copy(update={"dropout": 0.0})
    return attach(tiny_decoder(family, **NO_DROPOUT.get(family, {})), settings)


def teacher(family: str) -> Any:
    """A model of the same family that has other opinions."""
    model = tiny_decoder(family)
    with seeded(1), torch.no_grad():
        for part in model.parameters():
            part.add_(0.05 * torch.randn_like(part))
    return model


def train(model: Any, aids: Aids | None = None, **settings: Any) -> FitReport:
    fitted = FitSettings(**{"batch_rows": 4, "warmup": 0, "weight_decay": 0, **settings})
    return fit(
        model,
        ROWS,
        Budget(steps=2),
        fitted,
        learning_rate=1e-3,
        seed=0,
        label="fit",
        pad_id=0,
        aids=aids,
    )


def losses(report: FitReport) -> list[float]:
    return [step["loss"] for step in report.history]


@by_pair
def test_packed_equals_padded_and_accumulated_equals_one_big_batch(
    setting: str, family: str
) -> None:
    expected = losses(train(student(setting, family)))
    small = train(student(setting, family), batch_rows=1, accumulation=4)
    assert losses(small) == pytest.approx(expected, rel=2e-4)
    if not setting.startswith("prefix"):
        packed = train(student(setting, family), layout="packed")
        assert losses(packed) == pytest.approx(expected, rel=2e-4)


CACHED = [pair for pair in PAIRS if "block" in pair[0] or pair[0] == "unfreeze"]


@pytest.mark.parametrize(("setting", "family"), CACHED)
def test_cached_equals_uncached(setting: str, family: str, tmp_path: Path) -> None:
    plain, cached = student(setting, family), student(setting, family)
    assert frozen_depth(cached)[0] == 1
    cache = TrunkCache(tmp_path, {"folder_sha256": family}, 1e9)
    expected = losses(train(plain))
    assert losses(train(cached, Aids(trunk=cache))) == pytest.approx(expected, rel=1e-5)


@by_pair
def test_a_distilled_update_is_the_same_however_it_is_cut(setting: str, family: str) -> None:
    def distilled(**settings: Any) -> FitReport:
        aids = Aids(distil=Distil(2.0, 0.5, teacher(family)))
        return train(student(setting, family), aids, **settings)

    whole, small = distilled(), distilled(batch_rows=1, accumulation=4)
    assert min(step["soft"] for step in whole.history) > 0.01
    assert losses(small) == pytest.approx(losses(whole), rel=2e-4)


def test_each_target_ends_in_one_supervised_end_token() -> None:
    for row, answer in zip(ROWS, (*ANSWERS, ANSWERS[0]), strict=True):
        supervised = row.tokens[row.first :]
        assert supervised.count(tiny_tokenizer().eos_token_id) == 1
        assert supervised[-1] == tiny_tokenizer().eos_token_id
        assert tiny_tokenizer().decode(supervised[:-1]) == answer


@by_pair
def test_batched_with_padding_predicts_what_one_by_one_does(setting: str, family: str) -> None:
    model, tokenizer = student(setting, family), tiny_tokenizer()
    train(model)
    ways: dict[str, Any] = {"batch_tokens": 10_000, "label": "batched"}
    alone: dict[str, Any] = {"batch_tokens": 1, "label": "alone"}
    found = [label_scores(model, tokenizer, PROMPTS, ANSWERS, **way) for way in (ways, alone)]
    assert found[0] == pytest.approx(found[1], abs=2e-3)
    texts = [
        generate(model, tokenizer, PROMPTS, "default", max_new_tokens=4, **way)
        for way in (ways, alone)
    ]
    assert texts[0] == texts[1]


_LOAD = """
import sys, torch
from pathlib import Path
from preceptor.models.save import load_saved
tokens = torch.tensor([[5, 6, 7, 8]])
folders = sorted(path for path in Path(sys.argv[1]).iterdir() if path.name.startswith("student-"))
with torch.no_grad():
    torch.save({path.name: load_saved(path)[0](tokens).logits for path in folders}, sys.argv[2])
"""


@dataclass(frozen=True)
class Saved:
    """Every pair, trained and saved, with what it predicted before and in a new process."""

    folder: Path
    before: dict[str, torch.Tensor]
    after: dict[str, torch.Tensor]


def _name(setting: str, family: str) -> str:
    return f"student-{setting.replace(', ', '-').replace(' ', '-')}-{family}"


@pytest.fixture(scope="module")
def all_saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    folder = tmp_path_factory.mktemp("contracts")
    before: dict[str, torch.Tensor] = {}
    for family in DECODERS:
        saved(tiny_decoder(family, **NO_DROPOUT.get(family, {})), folder / f"base-{family}")
    for setting, family in PAIRS:
        weights = resolve(str(folder / f"base-{family}"))
        model, tokenizer = load_decoder(weights)
        model = attach(model, SETTINGS[setting])
        train(model)
        with torch.no_grad():
            before[_name(setting, family)] = model(TOKENS).logits
        save(model, tokenizer, folder / _name(setting, family), weights)
    command = [sys.executable, "-c", _LOAD, str(folder), str(folder / "after.pt")]
    subprocess.run(command, check=True, cwd=HERE, timeout=300)
    return Saved(folder, before, torch.load(folder / "after.pt", weights_only=True))


@by_pair
def test_a_new_process_predicts_the_same(setting: str, family: str, all_saved: Saved) -> None:
    before, after = (side[_name(setting, family)] for side in (all_saved.before, all_saved.after))
    # A prefix's projection is multiplied out when it is saved.
    tolerance = 1e-5 if "projection" in setting else 0.0
    torch.testing.assert_close(after, before, rtol=tolerance, atol=tolerance)


MERGED = [pair for pair in PAIRS if not pair[0].startswith("prefix")]


@pytest.mark.parametrize(("setting", "family"), MERGED)
def test_merged_equals_adapter(setting: str, family: str, all_saved: Saved, tmp_path: Path) -> None:
    export(all_saved.folder / _name(setting, family), tmp_path / "whole")
    whole, _ = load_decoder(resolve(str(tmp_path / "whole")))
    with torch.no_grad():
        expected = all_saved.before[_name(setting, family)]
        torch.testing.assert_close(whole(TOKENS).logits, expected, rtol=1e-3, atol=1e-4)
