"""What is kept of a tuned student: the trained tensors alone, or a whole model on demand."""

from pathlib import Path
from typing import Any

import pytest
import torch

from fixtures_models import saved, tiny_decoder, tiny_encoder, tiny_tokenizer
from preceptor.errors import PreceptorError, WeightsError
from preceptor.models.anatomy import is_tied
from preceptor.models.decoder import load_decoder
from preceptor.models.encoder import load_encoder
from preceptor.models.save import export, load_saved, save
from preceptor.models.weights import resolve
from preceptor.tune.batches import LabelRow, text_row
from preceptor.tune.fit import fit
from preceptor.tune.methods import METHODS
from preceptor.tune.methods.boft import BoftSettings
from preceptor.tune.methods.full import FullSettings
from preceptor.tune.methods.lora import LoraSettings
from preceptor.tune.methods.prefix import PrefixSettings
from preceptor.tune.methods.unfreeze import UnfreezeSettings
from preceptor.tune.settings import Budget, FitSettings

TOKENS = torch.tensor([[5, 6, 7, 8]])
LABELS = ["yes", "no"]
SETTINGS: dict[str, Any] = {
    "full": FullSettings(),
    "lora": LoraSettings(),
    "dora": LoraSettings(dora=True, rslora=True),
    "prefix": PrefixSettings(virtual_tokens=3),
    "boft": BoftSettings(targets="all-linear"),
    "unfreeze": UnfreezeSettings(),
    "unfreeze, tied": UnfreezeSettings(head="tied"),
}


def attach(model: Any, settings: Any) -> Any:
    return METHODS[settings.name].attach(model, settings, tiny_tokenizer())


def train(model: Any) -> None:
    rows: Any = [text_row(tiny_tokenizer(), "Is it so?", " yes", "answer")]
    if not model.can_generate():
        rows = [LabelRow((5, 6), 1)]
    options: Any = {"learning_rate": 3e-2, "seed": 0, "label": "fit", "pad_id": 0}
    fit(model, rows, Budget(steps=3), FitSettings(), **options)


def trainable(model: Any) -> set[str]:
    return {name for name, value in model.named_parameters() if value.requires_grad}


def tuned(
    folder: Path, setting: str = "lora", name: str = "LlamaForCausalLM", **more: Any
) -> tuple[Any, Path]:
    """A tuned decoder and the folder that it was saved to."""
    source = resolve(str(saved(tiny_decoder(name, **more), folder / "base")))
    model, tokenizer = load_decoder(source)
    model = attach(model, SETTINGS[setting])
    train(model)
    save(model, tokenizer, folder / "out", source)
    return model, folder / "out"


def test_an_unfrozen_model_is_saved_without_its_base(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    model, folder = tuned(tmp_path, "unfreeze", tie_word_embeddings=True)
    assert not (folder / "model.safetensors").exists()
    assert set(load_file(folder / "trained.safetensors")) == trainable(model)
    again, _ = load_saved(folder)
    assert trainable(again) == trainable(model)
    assert not is_tied(again)


def test_trained_tensors_on_another_base_are_refused(tmp_path: Path) -> None:
    _, folder = tuned(tmp_path, "unfreeze")
    saved(tiny_decoder(rms_norm_eps=0.1), tmp_path / "base")
    with pytest.raises(WeightsError, match="other base weights"):
        load_saved(folder)


def test_trained_tensors_that_the_base_does_not_know_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    _, folder = tuned(tmp_path, "unfreeze")
    file = folder / "trained.safetensors"
    tensors = load_file(file)
    save_file({f"old.{name}": value for name, value in tensors.items()}, file)
    with pytest.raises(WeightsError, match="no such tensors") as caught:
        load_saved(folder)
    assert "old.lm_head.weight" in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "family"),
    [
        ("full", "LlamaForCausalLM"),
        ("lora", "GPT2LMHeadModel"),
        ("dora", "LlamaForCausalLM"),
        ("boft", "GPTNeoXForCausalLM"),
        ("unfreeze", "OPTForCausalLM"),
        ("unfreeze, tied", "BioGptForCausalLM"),
    ],
)
def test_an_exported_student_is_a_whole_model(setting: str, family: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, folder = tuned(tmp_path, setting, family)
    export(folder, tmp_path / "whole")
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "whole").eval()
    assert torch.allclose(plain(TOKENS).logits, model(TOKENS).logits, rtol=1e-3, atol=1e-4)
    assert AutoTokenizer.from_pretrained(tmp_path / "whole").eos_token == "</s>"
    again, _ = load_saved(tmp_path / "whole")
    assert torch.allclose(again(TOKENS).logits, plain(TOKENS).logits, atol=1e-5)


def test_an_exported_classifier_keeps_its_labels(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    source = resolve(str(saved(tiny_encoder("BertForMaskedLM"), tmp_path / "base")))
    model, tokenizer = load_encoder(source, LABELS, seed=3)
    model = attach(model, LoraSettings())
    train(model)
    save(model, tokenizer, tmp_path / "out", source)
    export(tmp_path / "out", tmp_path / "whole")
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "whole").eval()
    assert torch.allclose(plain(TOKENS).logits, model(TOKENS).logits, atol=1e-5)
    assert plain.config.id2label == {0: "yes", 1: "no"}


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    _, folder = tuned(tmp_path, "prefix")
    with pytest.raises(WeightsError, match="a prefix cannot be merged"):
        export(folder, tmp_path / "whole")
    assert not (tmp_path / "whole").exists()
    with pytest.raises(PreceptorError, match="something at this place"):
        export(folder, folder)


def test_peft_alone_loads_a_prefix(tmp_path: Path) -> None:
    from peft import AutoPeftModelForCausalLM

    model, folder = tuned(tmp_path, "prefix")
    plain = AutoPeftModelForCausalLM.from_pretrained(folder).eval()
    assert torch.equal(plain(TOKENS).logits, model(TOKENS).logits)
