"""What was saved predicts as before, and only on the base that it was trained on."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from fixtures_models import (
    DECODERS,
    saved,
    tiny_decoder,
    tiny_encoder,
    tiny_gguf,
    tiny_tokenizer,
)
from preceptor.errors import WeightsError
from preceptor.models.decoder import load_decoder
from preceptor.models.encoder import load_encoder
from preceptor.models.save import load_saved, save
from preceptor.models.weights import Weights, resolve
from preceptor.tune.batches import LabelRow, text_row
from preceptor.tune.fit import fit
from preceptor.tune.methods import full, lora
from preceptor.tune.settings import Budget, FitSettings

TOKENS = torch.tensor([[5, 6, 7, 8]])
LABELS = ["yes", "no"]


def trained(model: Any, method: str) -> Any:
    if method == "lora":
        model = lora.attach(model, lora.LoraSettings())
    else:
        model = full.attach(model, full.FullSettings())
    tokenizer = tiny_tokenizer()
    rows: Any = [text_row(tokenizer, "Is it so?", " yes", "answer")]
    if not model.can_generate():
        rows = [LabelRow((5, 6), 1)]
    options: Any = {"learning_rate": 1e-2, "seed": 0, "label": "fit", "pad_id": 0}
    fit(model, rows, Budget(steps=3), FitSettings(), **options)
    return model


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_predicts_as_before(name: str, method: str, tmp_path: Path) -> None:
    weights = resolve(str(saved(tiny_decoder(name), tmp_path / "base")))
    model, tokenizer = load_decoder(weights)
    untrained = model(TOKENS).logits
    model = trained(model, method)
    save(model, tokenizer, tmp_path / "out", weights)
    again, _ = load_saved(tmp_path / "out")
    assert torch.equal(again(TOKENS).logits, model(TOKENS).logits)
    assert not torch.equal(again(TOKENS).logits, untrained)
    expected = "adapter_model.safetensors" if method == "lora" else "model.safetensors"
    assert expected in files(tmp_path / "out")
    assert not any(name.endswith((".bin", ".pt")) for name in files(tmp_path / "out"))


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize(
    "name",
    ["BertForMaskedLM", "RobertaForMaskedLM", "DistilBertForMaskedLM", "ModernBertForMaskedLM"],
)
def test_a_classifier_predicts_as_before(name: str, method: str, tmp_path: Path) -> None:
    weights = resolve(str(saved(tiny_encoder(name), tmp_path / "base")))
    model, tokenizer = load_encoder(weights, LABELS, seed=3)
    model = trained(model, method)
    save(model, tokenizer, tmp_path / "out", weights)
    again, _ = load_saved(tmp_path / "out")
    assert torch.equal(again(TOKENS).logits, model(TOKENS).logits)
    assert again.config.id2label == {0: "yes", 1: "no"}


def adapter(tmp_path: Path) -> tuple[Path, Weights]:
    weights = resolve(str(saved(tiny_decoder(), tmp_path / "base")))
    model, tokenizer = load_decoder(weights)
    save(trained(model, "lora"), tokenizer, tmp_path / "out", weights)
    return tmp_path / "out", weights


def test_peft_alone_loads_an_adapter(tmp_path: Path) -> None:
    from peft import AutoPeftModelForCausalLM

    folder, _ = adapter(tmp_path)
    plain = AutoPeftModelForCausalLM.from_pretrained(folder).eval()
    ours, _ = load_saved(folder)
    assert torch.equal(plain(TOKENS).logits, ours(TOKENS).logits)


def test_transformers_alone_loads_a_whole_model(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    weights = resolve(str(saved(tiny_encoder("BertModel"), tmp_path / "base")))
    model, tokenizer = load_encoder(weights, LABELS)
    save(trained(model, "full"), tokenizer, tmp_path / "out", weights)
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    assert torch.equal(plain(TOKENS).logits, model(TOKENS).logits)
    assert AutoTokenizer.from_pretrained(tmp_path / "out").eos_token == "</s>"


def test_an_adapter_of_a_gguf_names_the_exported_base(tmp_path: Path, own_cache: Path) -> None:
    weights = resolve(str(tiny_gguf(tmp_path / "t.gguf")))
    model, tokenizer = load_decoder(weights)
    model = trained(model, "lora")
    save(model, tokenizer, tmp_path / "out", weights)
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(weights.folder)
    record = json.loads((tmp_path / "out" / "base.json").read_text())
    assert record["identity"] == weights.identity()
    assert record["note"] == "8-bit-rounded weights (Q8_0)"
    shutil.rmtree(own_cache)  # the export is made again from the GGUF
    again, _ = load_saved(tmp_path / "out")
    assert torch.equal(again(TOKENS).logits, model(TOKENS).logits)


def test_another_base_is_refused(tmp_path: Path) -> None:
    folder, weights = adapter(tmp_path)
    shutil.rmtree(weights.folder)
    saved(tiny_decoder("LlamaForCausalLM", rms_norm_eps=0.1), weights.folder)
    with pytest.raises(WeightsError, match="other base weights"):
        load_saved(folder)
    shutil.rmtree(weights.folder)
    with pytest.raises(WeightsError, match="no weights named"):
        load_saved(folder)


def test_a_folder_from_elsewhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no model that this program saved"):
        load_saved(saved(tiny_decoder(), tmp_path / "model"))


def test_a_failed_save_leaves_what_was_there(tmp_path: Path) -> None:
    folder, weights = adapter(tmp_path)
    before = files(folder)
    model, tokenizer = load_decoder(weights)
    adapted = lora.attach(model, lora.LoraSettings())
    with pytest.raises(FileNotFoundError):
        save(adapted, tokenizer, folder, Weights("gone", tmp_path / "gone.gguf"))
    assert files(folder) == before
    assert not list(tmp_path.glob(".unfinished-*"))
