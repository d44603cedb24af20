"""Bytes on disk: what is reckoned from a model in memory is what its files have."""

from pathlib import Path
from typing import Any

import pytest

from fixtures_models import saved, tiny_decoder
from preceptor.models.decoder import load_decoder
from preceptor.models.save import save
from preceptor.models.size import file_bytes, saved_bytes, stored_bytes
from preceptor.models.weights import Weights
from preceptor.tune.methods import METHODS
from preceptor.tune.methods.base import BaseSettings
from preceptor.tune.methods.full import FullSettings
from preceptor.tune.methods.lora import LoraSettings
from preceptor.tune.methods.prefix import PrefixSettings
from preceptor.tune.methods.unfreeze import UnfreezeSettings

HEADERS = 8_000
"""bytes at most that two files of a tiny model spend on the names of their tensors"""


@pytest.mark.parametrize(
    ("settings", "base"),
    [
        (FullSettings(), 0),
        (LoraSettings(rank=2), 1),
        (PrefixSettings(), 1),
        (UnfreezeSettings(), 1),
        (BaseSettings(), 1),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
def test_the_bytes_of_a_student_are_those_of_its_files(
    tmp_path: Path, settings: Any, base: int
) -> None:
    folder = saved(tiny_decoder(), tmp_path / "llama")
    weights = Weights(str(folder), folder)
    model, tokenizer = load_decoder(weights)
    model = METHODS[settings.name].attach(model, settings, tokenizer)
    save(model, tokenizer, tmp_path / "student", weights)
    on_disk = file_bytes(tmp_path / "student") + base * file_bytes(folder)
    assert saved_bytes(tmp_path / "student") == on_disk
    reckoned = stored_bytes(model, weights)
    assert 0 <= on_disk - reckoned < HEADERS
    assert reckoned > 20_000, "the weights themselves are counted"
