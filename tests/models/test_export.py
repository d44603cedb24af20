"""A GGUF file becomes a safetensors folder, once."""

import json
import os
from pathlib import Path

import gguf
import pytest
import torch

from fixtures_models import tiny_gguf
from preceptor.errors import WeightsError
from preceptor.models.decoder import load_decoder
from preceptor.models.export import exported
from preceptor.models.files import sha256
from preceptor.models.weights import resolve
from preceptor.store.atomic import UNFINISHED


def test_export_holds_the_files_own_numbers(
    tmp_path: Path, own_cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = tiny_gguf(tmp_path / "t.gguf")
    model, tokenizer = load_decoder(resolve(str(source)))
    assert model.dtype == torch.float32
    assert tokenizer.eos_token == "</s>"
    tensor = next(t for t in gguf.GGUFReader(source).tensors if t.name == "blk.0.ffn_up.weight")
    values = torch.tensor(gguf.dequantize(tensor.data, tensor.tensor_type))
    assert torch.equal(model.model.layers[0].mlp.up_proj.weight, values)
    assert capfd.readouterr().err == ""


def test_export_happens_once_and_records_its_source(tmp_path: Path, own_cache: Path) -> None:
    source = tiny_gguf(tmp_path / "t.gguf")
    folder = exported(source)
    stamp = os.stat(folder / "model.safetensors").st_mtime_ns
    assert exported(source) == folder
    assert os.stat(folder / "model.safetensors").st_mtime_ns == stamp
    record = json.loads((folder / "source.json").read_text())
    assert record["gguf"] == str(source)
    assert folder == own_cache / "exported" / record["sha256"]
    assert record["quantization"] == "Q8_0"
    assert not list(own_cache.rglob(".unfinished-*"))


def test_what_a_killed_export_left_is_removed(tmp_path: Path, own_cache: Path) -> None:
    source = tiny_gguf(tmp_path / "t.gguf")
    folder = own_cache / "exported" / sha256(source)
    mine, other = (
        folder.with_name(f"{UNFINISHED}{name}-0a1b2c3d") for name in (folder.name, "another")
    )
    for leftover in (mine, other):
        leftover.mkdir(parents=True)
        (leftover / "model.safetensors").touch()
    assert exported(source) == folder
    assert not mine.exists()
    assert other.exists(), "its writer may be at work"


def test_a_gguf_that_transformers_does_not_know_is_refused(tmp_path: Path, own_cache: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "t.gguf", "nosuch")
    writer.add_block_count(1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(WeightsError, match="transformers cannot read"):
        exported(tmp_path / "t.gguf")
    assert not any((own_cache / "exported").glob("[!.]*[!k]"))
