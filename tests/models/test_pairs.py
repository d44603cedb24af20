"""Sources and targets: what opens an answer, what ends it, and how rows become a batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from fixtures_models import SEQ2SEQ, saved, tiny_encoder, tiny_seq2seq, tiny_tokenizer
from preceptor.errors import DataError, WeightsError
from preceptor.models.encoder import load_encoder
from preceptor.models.logits import can_be_sparse, logits_at
from preceptor.models.pairs import PairRow, opening_of, pair_batch, pair_row
from preceptor.models.save import load_saved, save
from preceptor.models.seq2seq import load_opening, load_seq2seq
from preceptor.models.weights import Weights, resolve
from preceptor.tune.methods import base

CPU = torch.device("cpu")


def model_folder(name: str, folder: Path, forced: int | None) -> Weights:
    model = tiny_seq2seq(name)
    model.generation_config.forced_bos_token_id = forced
    return resolve(str(saved(model, folder)))


@pytest.mark.parametrize("forced", [None, 1])
@pytest.mark.parametrize("name", SEQ2SEQ)
def test_what_opens_an_answer_is_known_before_the_model_is_loaded(
    name: str, forced: int | None, tmp_path: Path
) -> None:
    weights = model_folder(name, tmp_path / "model", forced)
    start = SEQ2SEQ[name]["decoder_start_token_id"]
    expected = (start,) if forced is None else (start, forced)
    assert load_opening(weights) == opening_of(load_seq2seq(weights)[0]) == expected


def test_what_opens_a_pairs_answer_is_its_begin_token(own_cache: Path) -> None:
    pair = resolve("minilm+minilm")
    model, tokenizer = load_seq2seq(pair)
    assert load_opening(pair) == opening_of(model) == (tokenizer.cls_token_id,)
    row = pair_row(tokenizer, opening_of(model), "Is it so?", " yes", 1)
    shown = tokenizer.convert_ids_to_tokens(row.source)
    assert (shown[0], shown[-1]) == ("[CLS]", "[SEP]")
    assert tokenizer.convert_ids_to_tokens(row.target) == ["[CLS]", "yes", "[SEP]"]


def test_other_models_answers_open_with_nothing() -> None:
    assert opening_of(tiny_encoder()) == ()


def test_a_model_that_does_not_say_how_answers_start_is_refused_by_its_configs(
    tmp_path: Path,
) -> None:
    model = tiny_seq2seq("T5ForConditionalGeneration")
    model.config.decoder_start_token_id = model.generation_config.decoder_start_token_id = None
    with pytest.raises(WeightsError, match="which token its answers start from"):
        load_opening(resolve(str(saved(model, tmp_path / "model"))))


def test_an_answer_is_joined_to_nothing_and_ends_once() -> None:
    tokenizer = tiny_tokenizer()
    spaced, bare = (pair_row(tokenizer, (2, 1), "Is it?\n", text) for text in (" yes", "yes"))
    assert spaced == bare
    assert bare.target[:2] == (2, 1)
    assert bare.target[2:-1] == tuple(tokenizer("yes")["input_ids"])
    assert bare.target[-1] == tokenizer.eos_token_id
    assert bare.tokens == bare.source + bare.target
    with pytest.raises(DataError, match="empty"):
        pair_row(tokenizer, (2,), "", "yes")


def test_a_batch_pads_sources_and_targets_apart() -> None:
    rows = [PairRow((5, 6, 7), (2, 1, 8, 2), 2), PairRow((5,), (2, 1, 9, 9, 2), 1)]
    batch = pair_batch(rows, 0, CPU)
    assert batch.inputs["input_ids"].tolist() == [[5, 6, 7], [5, 0, 0]]
    assert batch.inputs["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch.inputs["decoder_input_ids"].tolist() == [[2, 1, 8, 0], [2, 1, 9, 9]]
    assert batch.at.int().tolist() == [[0, 1, 1, 0], [1, 1, 1, 1]]
    assert batch.targets.tolist() == [8, 2, 1, 9, 9, 2]
    wide = pair_batch(rows, 0, CPU, width=6)
    assert {tuple(wide.inputs[key].shape) for key in ("input_ids", "attention_mask")} == {(2, 6)}
    assert wide.inputs["decoder_input_ids"].shape == (2, 5)
    assert torch.equal(wide.targets, batch.targets)


@pytest.mark.parametrize("name", SEQ2SEQ)
def test_logits_at_some_positions_are_those_of_all(name: str) -> None:
    model = tiny_seq2seq(name)
    assert can_be_sparse(model)
    batch = pair_batch([PairRow((5, 6, 7), (2, 8, 2)), PairRow((5,), (2, 9, 9, 2), 3)], 0, CPU)
    with torch.no_grad():
        some, whole = (logits_at(model, batch.inputs, batch.at, way) for way in (True, False))
    assert some.shape == (3, 400)
    torch.testing.assert_close(some, whole, rtol=1e-4, atol=1e-5)


def test_an_untuned_pair_comes_back_with_what_was_drawn_for_it(
    tmp_path: Path, own_cache: Path
) -> None:
    saved(tiny_encoder("BertModel"), tmp_path / "bert")
    pair = resolve("bert+bert", tmp_path)
    model, tokenizer = load_seq2seq(pair, seed=5)
    base.attach(model, base.BaseSettings())
    save(model, tokenizer, tmp_path / "saved", pair)
    again, _ = load_saved(tmp_path / "saved")
    kept: dict[str, Any] = again.state_dict()
    assert all(torch.equal(value, kept[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", ["converted.json", "base.json"])
def test_where_weights_came_from_does_not_tell_them_apart(name: str, tmp_path: Path) -> None:
    folder = saved(tiny_seq2seq(), tmp_path / "model")
    before = resolve(str(folder)).identity()
    (folder / name).write_text('{"source": "a/path/as/written"}')
    assert resolve(str(folder)).identity() == before
    (folder / "config.json").write_text((folder / "config.json").read_text() + "\n")
    assert resolve(str(folder)).identity() != before


@pytest.mark.parametrize("kind", ["seq2seq", "encoder"])
def test_a_folder_without_a_tokenizer_is_refused(kind: str, tmp_path: Path) -> None:
    model = tiny_seq2seq() if kind == "seq2seq" else tiny_encoder("BertModel")
    model.save_pretrained(tmp_path / "model")
    weights = resolve(str(tmp_path / "model"))
    with pytest.raises(WeightsError, match="no tokenizer beside the weights"):
        load_seq2seq(weights) if kind == "seq2seq" else load_encoder(weights, ["a", "b"])
