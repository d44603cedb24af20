"""Encoder-decoder models as loaded, and the stand-in made from two encoders."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from fixtures_models import SEQ2SEQ, saved, tiny_decoder, tiny_encoder, tiny_seq2seq, tiny_tokenizer
from preceptor.errors import WeightsError
from preceptor.models.decoder import load_decoder
from preceptor.models.encoder import load_encoder
from preceptor.models.loading import load_config
from preceptor.models.seq2seq import load_seq2seq, paired_encoders
from preceptor.models.weights import Weights, check, resolve
from preceptor.models.window import context_window


def written(model: Any, tokenizer: Any, text: str) -> list[int]:
    inputs = tokenizer(text, return_tensors="pt", return_token_type_ids=False)
    with torch.no_grad():
        tokens: list[int] = model.generate(**inputs, max_new_tokens=6, do_sample=False)[0].tolist()
    return tokens


@pytest.mark.parametrize("name", SEQ2SEQ)
def test_a_model_comes_back_as_saved_and_writes(name: str, tmp_path: Path) -> None:
    model = tiny_seq2seq(name)
    weights = resolve(str(saved(model.to(torch.bfloat16), tmp_path / "model")))
    loaded, tokenizer = load_seq2seq(weights)
    assert (loaded.dtype, loaded.training) == (torch.float32, False)
    for key, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value.float())
    tokens = written(loaded, tokenizer, "Is the moon made of cheese?")
    assert tokens[0] == loaded.generation_config.decoder_start_token_id
    assert 1 < len(tokens) <= 7
    assert load_seq2seq(weights, "bfloat16")[0].dtype == torch.bfloat16


def test_sampling_defaults_go_and_what_the_model_needs_stays(tmp_path: Path) -> None:
    model = tiny_seq2seq()
    model.generation_config.update(num_beams=4, length_penalty=2.0, forced_bos_token_id=1)
    loaded, tokenizer = load_seq2seq(resolve(str(saved(model, tmp_path / "model"))))
    kept = loaded.generation_config
    assert (kept.num_beams, kept.length_penalty) == (None, None)
    assert (kept.decoder_start_token_id, kept.forced_bos_token_id) == (2, 1)
    assert (kept.eos_token_id, kept.pad_token_id) == (2, 0)
    assert written(loaded, tokenizer, "yes")[:2] == [2, 1]


def test_a_forced_first_token_of_an_old_config_stays(tmp_path: Path) -> None:
    folder = saved(tiny_seq2seq(), tmp_path / "model")
    (folder / "generation_config.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "forced_bos_token_id": 1}))
    assert load_seq2seq(resolve(str(folder)))[0].generation_config.forced_bos_token_id == 1


def test_a_model_without_a_start_token_is_refused(tmp_path: Path) -> None:
    model = tiny_seq2seq("T5ForConditionalGeneration")
    model.config.decoder_start_token_id = None
    model.generation_config.decoder_start_token_id = None
    with pytest.raises(WeightsError, match="which token its answers start from"):
        load_seq2seq(resolve(str(saved(model, tmp_path / "model"))))


def test_half_a_model_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = saved(tiny_seq2seq(), tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    half = {name: value for name, value in tensors.items() if ".decoder." not in name}
    save_file(half, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(WeightsError, match="no whole encoder-decoder"):
        load_seq2seq(resolve(str(folder)))


def test_other_kinds_are_refused_both_ways(tmp_path: Path) -> None:
    bart = str(saved(tiny_seq2seq(), tmp_path / "bart"))
    llama = str(saved(tiny_decoder(), tmp_path / "llama"))
    bert = str(saved(tiny_encoder(), tmp_path / "bert"))
    assert check(bart, kind="seq2seq") is None
    for ref in (llama, bert):
        assert "expected: seq2seq" in str(check(ref, kind="seq2seq"))
        with pytest.raises(WeightsError, match="cannot be used as seq2seq student"):
            load_seq2seq(resolve(ref))
    for load in (load_decoder, lambda weights: load_encoder(weights, ["a", "b"])):
        with pytest.raises(WeightsError, match="use it as kind: seq2seq"):
            load(resolve(bart))


def test_the_pair_is_named_and_told_apart() -> None:
    pair = resolve("minilm+minilm")
    assert (pair.ref, pair.path, pair.hub_id, len(pair.parts)) == ("minilm+minilm", None, None, 2)
    assert "no pretrained" in pair.note
    assert resolve("minilm").note == ""
    one = resolve("minilm").identity()["folder_sha256"]
    assert pair.identity() == {"encoder_folder_sha256": one, "decoder_folder_sha256": one}
    assert pair.pinned() == pair
    assert check("minilm+minilm", kind="seq2seq") is None


@pytest.mark.parametrize(
    ("ref", "kind", "told"),
    [
        ("minilm+minilm", "encoder", "use it as kind: seq2seq"),
        ("minilm+smollm2", "seq2seq", "expected: encoder"),
        ("minilm+minilmm", "seq2seq", "did you mean"),
        ("minilm+", "seq2seq", "no weights named"),
        ("+", "seq2seq", "no weights named"),
    ],
)
def test_what_makes_no_pair_is_refused_before_anything_is_loaded(
    ref: str, kind: Any, told: str
) -> None:
    assert told in str(check(ref, kind=kind))


def test_a_plus_in_a_path_is_a_plus(tmp_path: Path) -> None:
    folder = saved(tiny_encoder("BertModel"), tmp_path / "c++" / "bert")
    assert resolve(str(folder)).parts == ()
    pair = resolve("bert+bert", tmp_path / "c++")
    assert [part.path for part in pair.parts] == [folder, folder]
    assert resolve(pair.ref) == pair


def test_hub_parts_are_not_looked_up_before_they_are_needed() -> None:
    pair = resolve("org/reader@refs/pr/3+org/writer")
    assert [(part.hub_id, part.revision) for part in pair.parts] == [
        ("org/reader", "refs/pr/3"),
        ("org/writer", None),
    ]


def test_two_vocabularies_make_no_pair(tmp_path: Path, own_cache: Path) -> None:
    for name, tokenizer in {"one": tiny_tokenizer(), "two": tiny_tokenizer(kind="words")}.items():
        saved(tiny_encoder("BertModel"), tmp_path / name, tokenizer)
    with pytest.raises(WeightsError, match="share one vocabulary"):
        load_seq2seq(resolve("one+two", tmp_path))


def test_a_family_without_causal_attention_makes_no_pair(tmp_path: Path, own_cache: Path) -> None:
    saved(tiny_encoder("DistilBertForMaskedLM"), tmp_path / "one")
    with pytest.raises(WeightsError, match="cannot be made into a decoder"):
        load_seq2seq(resolve("one+one", tmp_path))


def test_tiny_pairs_are_drawn_by_the_seed(tmp_path: Path, own_cache: Path) -> None:
    saved(tiny_encoder("RobertaForMaskedLM"), tmp_path / "roberta")
    pair = resolve("roberta+roberta", tmp_path)
    torch.manual_seed(9)
    one, again, other = (paired_encoders(pair, seed)[0].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[key], again[key]) for key in one)
    drawn = {key for key in one if not torch.equal(one[key], other[key])}
    assert drawn
    assert all(".crossattention." in key or ".pooler." in key for key in drawn)


def test_the_real_pair_writes_is_saved_and_comes_back(tmp_path: Path, own_cache: Path) -> None:
    weights = resolve("minilm+minilm")
    model, tokenizer = load_seq2seq(weights, seed=3)
    assert sum(value.numel() for value in model.parameters()) == 49_010_490
    assert context_window(load_config(weights, "seq2seq")) == context_window(model.config) == 512
    tokens = written(model, tokenizer, "Does water boil at lower heat on a mountain?")
    assert tokens[0] == tokenizer.cls_token_id == tokenizer.bos_token_id
    assert tokenizer.eos_token_id == tokenizer.sep_token_id
    reader = load_encoder(weights.parts[0], ["a", "b"])[0].bert.state_dict()
    assert torch.equal(
        model.encoder.embeddings.word_embeddings.weight,
        reader["embeddings.word_embeddings.weight"],
    )
    folder = saved(model, tmp_path / "saved", tokenizer)
    again, _ = load_seq2seq(Weights(str(folder), folder))
    for key, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[key], value)
    assert written(again, tokenizer, "Does water boil at lower heat on a mountain?") == tokens


def test_the_pair_learns(tmp_path: Path, own_cache: Path) -> None:
    saved(tiny_encoder("BertModel"), tmp_path / "bert")
    model, tokenizer = load_seq2seq(resolve("bert+bert", tmp_path))
    inputs = tokenizer("Is it so?", return_tensors="pt", return_token_type_ids=False)
    target = tokenizer(" yes", add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    labels = torch.tensor([target])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(20):
        model(**inputs, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert written(model, tokenizer, "Is it so?")[1:] == target
