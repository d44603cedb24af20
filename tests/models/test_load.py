"""Decoders and encoders as loaded: dtype, pad token, head, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from fixtures_models import DECODERS, saved, tiny_decoder, tiny_encoder, tiny_tokenizer
from preceptor.errors import WeightsError
from preceptor.models.decoder import load_decoder
from preceptor.models.encoder import load_encoder
from preceptor.models.weights import resolve
from preceptor.models.window import context_window

LABELS = ["yes", "no", "maybe"]


@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_comes_back_as_saved_and_in_the_named_dtype(name: str, tmp_path: Path) -> None:
    model = tiny_decoder(name)
    folder = saved(model.to(torch.bfloat16), tmp_path / "model")
    loaded, _ = load_decoder(resolve(str(folder)), "float32")
    assert loaded.dtype == torch.float32
    assert not loaded.training
    for key, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value.float())
    assert load_decoder(resolve(str(folder)), "bfloat16")[0].dtype == torch.bfloat16


def test_the_end_token_pads_where_there_is_no_other(tmp_path: Path) -> None:
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tiny_tokenizer().backend_tokenizer, eos_token="</s>"
    )
    model, loaded = load_decoder(resolve(str(saved(tiny_decoder(), tmp_path / "m", tokenizer))))
    assert loaded.pad_token_id == loaded.eos_token_id == 2
    assert model.generation_config.pad_token_id == 2


def test_the_checkpoints_sampling_defaults_are_dropped(tmp_path: Path) -> None:
    model = tiny_decoder()
    model.generation_config.update(do_sample=True, temperature=0.6, repetition_penalty=1.3)
    loaded, _ = load_decoder(resolve(str(saved(model, tmp_path / "model"))))
    kept = loaded.generation_config
    assert (kept.do_sample, kept.temperature, kept.repetition_penalty) == (None, None, None)


@pytest.mark.parametrize(
    "model",
    ["BertForMaskedLM", "BertModel", "LlamaModel", "BartForConditionalGeneration"],
)
def test_what_is_no_whole_decoder_is_refused(model: str, tmp_path: Path) -> None:
    made = {
        "LlamaModel": lambda: tiny_decoder().model,
        "BartForConditionalGeneration": tiny_bart,
    }.get(model, lambda: tiny_encoder(model))()
    weights = resolve(str(saved(made, tmp_path / "model")))
    with pytest.raises(WeightsError, match="decoder"):
        load_decoder(weights)


def tiny_bart() -> Any:
    config = transformers.BartConfig(
        vocab_size=400, d_model=16, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=16,
        decoder_ffn_dim=16, encoder_attention_heads=2, decoder_attention_heads=2,
    )  # fmt: skip
    return transformers.BartForConditionalGeneration(config)


def test_a_decoder_or_a_seq2seq_model_is_no_encoder(tmp_path: Path) -> None:
    for name, model in {"llama": tiny_decoder(), "bart": tiny_bart()}.items():
        with pytest.raises(WeightsError, match="encoder"):
            load_encoder(resolve(str(saved(model, tmp_path / name))), LABELS)


def test_broken_safetensors_and_own_code_are_refused(tmp_path: Path) -> None:
    folder = saved(tiny_decoder(), tmp_path / "model")
    (folder / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        load_decoder(resolve(str(folder)))
    (folder / "config.json").write_text(
        '{"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}'
    )
    (folder / "own.py").write_text("raise SystemExit('ran')")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        load_decoder(resolve(str(folder)))


@pytest.mark.parametrize("name", ["BertForMaskedLM", "RobertaForMaskedLM", "BertModel"])
def test_an_encoder_gets_the_labels_and_a_head_drawn_by_the_seed(name: str, tmp_path: Path) -> None:
    weights = resolve(str(saved(tiny_encoder(name), tmp_path / "model")))
    torch.manual_seed(7)
    models = [load_encoder(weights, LABELS, seed)[0] for seed in (1, 1, 2)]
    assert models[0].config.id2label == dict(enumerate(LABELS))
    assert models[0].config.label2id["maybe"] == 2
    one, again, other = (model.state_dict() for model in models)
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one if "classifier" in key)


def test_a_head_is_kept_for_its_own_labels_alone(tmp_path: Path) -> None:
    model = tiny_encoder(num_labels=3)
    model.config.id2label = dict(enumerate(LABELS))
    head = model.classifier.weight.detach().clone()
    weights = resolve(str(saved(model, tmp_path / "model")))

    def loaded(labels: list[str]) -> torch.Tensor:
        return load_encoder(weights, labels)[0].classifier.weight.detach()

    assert torch.equal(loaded(LABELS), head)
    assert not torch.equal(loaded(["a", "b", "c"]), head)
    assert loaded(["a", "b"]).shape == (2, 32)


def test_two_labels_are_no_regression(tmp_path: Path) -> None:
    weights = resolve(str(saved(tiny_encoder("BertModel"), tmp_path / "model")))
    model, _ = load_encoder(weights, ["only", "other"])
    assert model.config.problem_type == "single_label_classification"
    assert model.config.num_labels == 2


def test_context_windows(tmp_path: Path) -> None:
    assert context_window(tiny_decoder().config) == 128
    assert context_window(tiny_decoder("GPT2LMHeadModel").config) == 128
    roberta = tiny_encoder("RobertaForSequenceClassification")
    assert context_window(roberta.config) == 127  # pad id 0: positions start at 1
    longest = torch.full((1, 127), 5)
    assert roberta(longest).logits.shape == (1, 2)
    with pytest.raises((IndexError, RuntimeError)):
        roberta(torch.full((1, 128), 5))


def test_the_real_ones_load(smollm2: tuple[Any, Any], minilm: tuple[Any, Any]) -> None:
    decoder, _ = smollm2
    encoder, _ = minilm
    assert (decoder.config.vocab_size, decoder.dtype) == (49152, torch.float32)
    assert encoder.config.id2label == dict(enumerate(LABELS))
