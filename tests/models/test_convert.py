"""Pickle checkpoints become safetensors: the same tensors, whole or not at all, no code run."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import huggingface_hub.constants as hub_constants
import psutil
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from fixtures_models import saved, tiny_decoder, tiny_encoder, tiny_seq2seq, tiny_tokenizer
from models.test_hub import COMMIT, hub, point_to
from preceptor.cli import app
from preceptor.errors import WeightsError
from preceptor.models import unpickle
from preceptor.models.convert import convert
from preceptor.models.decoder import load_decoder
from preceptor.models.encoder import load_encoder
from preceptor.models.pickled import Source
from preceptor.models.seq2seq import load_seq2seq
from preceptor.models.weights import check, resolve
from preceptor.store.fingerprint import file_hash

__all__ = ["hub"]
PROGRAM = Path(sys.executable).with_name("preceptor")


def pickled(model: Any, folder: Path, state: Any = None, name: str = "pytorch_model.bin") -> Path:
    """The folder as old versions of transformers wrote it: shared tensors share memory."""
    saved(model, folder)
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict() if state is None else state, folder / name)
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("make", "load", "tied"),
    [
        (lambda: tiny_decoder("BioGptForCausalLM"), load_decoder, "output_projection.weight"),
        (tiny_seq2seq, load_seq2seq, "model.encoder.embed_tokens.weight"),
        (lambda: tiny_seq2seq("T5ForConditionalGeneration"), load_seq2seq, "lm_head.weight"),
    ],
)
def test_a_checkpoint_keeps_every_tensor(make: Any, load: Any, tied: str, tmp_path: Path) -> None:
    model = make().half()
    source = pickled(model, tmp_path / "old")
    assert "preceptor convert" in str(check(str(source)))
    record = convert(str(source), tmp_path / "new")
    stored = load_file(tmp_path / "new" / "model.safetensors")
    state = model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in stored.items())
    assert {value.dtype for value in stored.values()} == {torch.float16}
    plain = {path.name for path in saved(model, tmp_path / "plain").iterdir()}
    assert stored.keys() == load_file(tmp_path / "plain" / "model.safetensors").keys()
    assert tied in state
    assert tied not in stored
    assert names(tmp_path / "new") == plain | {"converted.json"}
    loaded, tokenizer = load(resolve(str(tmp_path / "new")))
    assert tokenizer("Is it so?")["input_ids"] == tiny_tokenizer()("Is it so?")["input_ids"]
    for name, value in state.items():
        assert torch.equal(loaded.state_dict()[name], value.float())
    assert record == json.loads((tmp_path / "new" / "converted.json").read_text())
    assert record["files"] == {"pytorch_model.bin": file_hash(source / "pytorch_model.bin")}
    assert (record["source"], record["commit"]) == (str(source), None)
    assert (record["architecture"], record["dtype"]) == (type(model).__name__, "float16")
    import transformers

    auto = getattr(transformers, type(model).__name__).from_pretrained(tmp_path / "new")
    assert auto.dtype == torch.float16


def test_shards_and_a_wrapped_table_of_the_old_format(tmp_path: Path) -> None:
    model = tiny_decoder()
    state = model.state_dict()
    first = dict(list(state.items())[:5])
    parts = {"a.bin": first, "b.bin": {k: v for k, v in state.items() if k not in first}}
    sharded = pickled(model, tmp_path / "sharded", {})
    (sharded / "pytorch_model.bin").unlink()
    for name, part in parts.items():
        torch.save(part, sharded / name)
    index = {"weight_map": {key: name for name, part in parts.items() for key in part}}
    (sharded / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    old = pickled(model, tmp_path / "old", {}, "model.pt")
    torch.save(
        {"epoch": 3, "state_dict": state}, old / "model.pt", _use_new_zipfile_serialization=False
    )
    (old / "optimizer.pt").write_bytes(b"not read")
    for folder in (sharded, old):
        record = convert(str(folder), tmp_path / f"{folder.name}-new")
        loaded, _ = load_decoder(resolve(str(tmp_path / f"{folder.name}-new")))
        assert all(torch.equal(loaded.state_dict()[name], value) for name, value in state.items())
        assert (record["dtype"], record["kind"]) == ("float32", "decoder")
    assert "model-00001-of-00002.safetensors" in names(tmp_path / "sharded-new")
    (sharded / "b.bin").unlink()
    with pytest.raises(WeightsError, match="shards of this checkpoint are missing"):
        convert(str(sharded), tmp_path / "third")


def test_old_names_and_heads_that_the_model_does_not_have(tmp_path: Path) -> None:
    model = tiny_encoder("BertForMaskedLM")
    state = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): value
        for name, value in model.state_dict().items()
    }
    pooler = torch.randn(32, 32)
    state |= {"bert.pooler.dense.weight": pooler, "bert.pooler.dense.bias": torch.zeros(32)}
    state["cls.seq_relationship.weight"] = torch.ones(2, 32)
    record = convert(str(pickled(model, tmp_path / "old", state)), tmp_path / "new")
    assert "cls.seq_relationship.weight" in record["not_in_model"]
    loaded, _ = load_encoder(resolve(str(tmp_path / "new")), ["yes", "no"])
    assert torch.equal(loaded.bert.pooler.dense.weight, pooler)
    expected = model.bert.embeddings.LayerNorm.weight
    assert torch.equal(loaded.bert.embeddings.LayerNorm.weight, expected)


def test_shared_memory_that_the_model_does_not_tie_is_written_twice(tmp_path: Path) -> None:
    model = tiny_decoder()
    state = dict(model.state_dict())
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    convert(str(pickled(model, tmp_path / "old", state)), tmp_path / "new")
    loaded, _ = load_decoder(resolve(str(tmp_path / "new")))
    assert torch.equal(loaded.lm_head.weight, model.model.embed_tokens.weight)
    assert loaded.lm_head.weight is not loaded.model.embed_tokens.weight


class Evil:
    """A pickle that runs a command when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


def test_a_pickle_that_would_run_code_is_refused_and_does_not(tmp_path: Path) -> None:
    folder = pickled(tiny_decoder(), tmp_path / "old")
    ran = tmp_path / "ran"
    file = folder / "pytorch_model.bin"
    torch.save({"weight": torch.ones(2), "evil": Evil(ran)}, file)
    with pytest.raises(WeightsError, match="could run code") as caught:
        convert(str(folder), tmp_path / "new")
    assert "system in pytorch_model.bin" in str(caught.value.found)
    assert not ran.exists()
    assert names(tmp_path) == {"old"}
    torch.load(file, weights_only=False)
    assert ran.exists()  # it would have


def test_the_old_format_runs_no_code_either(tmp_path: Path) -> None:
    """In this process; the one that converts does the same."""
    ran, file = tmp_path / "ran", tmp_path / "pytorch_model.bin"
    torch.save([Evil(ran)], file, _use_new_zipfile_serialization=False)
    with pytest.raises(unpickle.RefusedError, match="could run code") as caught:
        unpickle.read([file], tmp_path, set())
    assert "system in pytorch_model.bin" in caught.value.found
    assert not ran.exists()


@pytest.mark.parametrize(
    ("state", "what", "found"),
    [
        ({"args": Source("a", Path(), None)}, "could run code", "preceptor.models.pickled.Source"),
        ({"weight": torch.ones(2), "step": 7}, "no plain table", "step"),
        ([torch.ones(2)], "no plain table", "list"),
        (b"junk", "cannot be read", "pytorch_model.bin"),
        (b"PK\x03\x04junk", "cannot be read", "pytorch_model.bin"),
        ({"weight": torch.ones(2, 2).to_sparse()}, "sparse", "weight"),
    ],
)
def test_what_is_no_table_of_tensors_is_named(
    state: Any, what: str, found: str, tmp_path: Path
) -> None:
    """In this process, since what is refused runs nothing."""
    file = tmp_path / "pytorch_model.bin"
    if isinstance(state, bytes):
        file.write_bytes(state)
    else:
        torch.save(state, file)
    with pytest.raises(unpickle.RefusedError, match=what) as caught:
        unpickle.read([file], tmp_path, set())
    assert found in caught.value.found
    assert names(tmp_path) == {"pytorch_model.bin"}


def compressed(file: Path, packed: Path, zeros: int = 0) -> Path:
    """The same archive, compressed; with so many megabytes of zeros for its data."""
    packed.parent.mkdir()
    how: Any = {"compression": zipfile.ZIP_DEFLATED, "compresslevel": 1}
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(packed, "w", **how) as new:
        for name in old.namelist():
            with old.open(name) as one, new.open(name, "w", force_zip64=True) as other:
                if zeros and name.endswith("data/0"):
                    other.writelines([bytes(2**20)] * zeros)
                else:
                    shutil.copyfileobj(one, other)
    return packed


def test_a_compressed_file_holds_the_same_tensors(tmp_path: Path) -> None:
    torch.save({"weight": torch.arange(5000.0)}, tmp_path / "plain.pt")
    packed = compressed(tmp_path / "plain.pt", tmp_path / "packed" / "plain.pt")
    told = [unpickle.read([file], file.parent, set()) for file in (packed, tmp_path / "plain.pt")]
    assert told[0] == told[1]
    assert torch.equal(
        load_file(tmp_path / "packed" / "model.safetensors")["weight"], torch.arange(5000.0)
    )


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded on Linux alone")
def test_a_small_file_that_unpacks_to_a_huge_one_is_stopped(tmp_path: Path) -> None:
    folder = pickled(tiny_decoder(), tmp_path / "old")
    with torch.serialization.skip_data():  # a file with a hole for the zeros
        torch.save({"weight": torch.empty(2**27)}, tmp_path / "zeros")
    packed = compressed(tmp_path / "zeros", tmp_path / "packed" / "zeros", 512)
    packed.replace(folder / "pytorch_model.bin")
    assert (folder / "pytorch_model.bin").stat().st_size < 2**23
    with pytest.raises(WeightsError, match=r"cannot be read(.|\n)*memory"):
        convert(str(folder), tmp_path / "new")


def test_what_is_not_the_whole_model_is_refused(tmp_path: Path) -> None:
    model = tiny_decoder()
    state = dict(model.state_dict())
    lacking = {name: value for name, value in state.items() if "layers.1." not in name}
    folder = pickled(model, tmp_path / "old", lacking)
    with pytest.raises(WeightsError, match=r"lacks parts of the model(.|\n)*layers\.1\."):
        convert(str(folder), tmp_path / "new")
    torch.save({**state, "adapter.weight": torch.ones(2, 2)}, folder / "pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"no place for parts(.|\n)*adapter\.weight"):
        convert(str(folder), tmp_path / "new")
    assert names(tmp_path) == {"old"}


def refused(source: str, out: Path, **options: Any) -> str:
    with pytest.raises(WeightsError) as caught:
        convert(source, out, **options)
    return str(caught.value)


def test_what_cannot_be_converted_is_told_before_the_pickle_is_read(tmp_path: Path) -> None:
    out = tmp_path / "new"
    safe = str(saved(tiny_decoder(), tmp_path / "safe"))
    assert "it has safetensors" in refused(safe, out)
    assert "nothing to convert" in refused("smollm2", out)
    assert "did you mean" in refused("smolm2", out)
    folder = pickled(tiny_decoder(), tmp_path / "old")
    (folder / "pytorch_model.bin").write_bytes(b"not read")
    assert "name the folder" in refused(str(folder / "pytorch_model.bin"), out)
    assert "in use" in refused(str(folder), folder)
    assert "expected: encoder" in refused(str(folder), out, kind="encoder")
    config = json.loads((folder / "config.json").read_text())
    for change, told in (
        ({"model_type": "nosuch"}, "unknown architecture"),
        ({"architectures": None}, "--kind decoder"),
        ({"quantization_config": {}}, "quantized"),
    ):
        (folder / "config.json").write_text(json.dumps({**config, **change}))
        assert told in refused(str(folder), out)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").unlink()
    assert "no tokenizer" in refused(str(folder), out)
    (folder / "pytorch_model.bin").unlink()
    assert "no pickle checkpoint" in refused(str(folder), out)
    assert names(tmp_path) == {"safe", "old"}


def test_the_kind_is_taken_where_the_config_does_not_tell(tmp_path: Path) -> None:
    model = tiny_decoder("GPT2LMHeadModel")
    state = dict(model.transformer.state_dict())
    state["h.0.attn.masked_bias"] = torch.tensor(-1e4)
    folder = pickled(model, tmp_path / "old", state)
    config = json.loads((folder / "config.json").read_text())
    del config["architectures"]
    (folder / "config.json").write_text(json.dumps(config))
    (tmp_path / "new").mkdir()  # an empty folder is as good as none
    record = convert(str(folder), tmp_path / "new", "decoder")
    assert record["architecture"] == "GPT2LMHeadModel"
    assert record["not_in_model"] == ["h.0.attn.masked_bias"]
    tokens = torch.tensor([[5, 6, 7]])
    loaded, _ = load_decoder(resolve(str(tmp_path / "new")))
    assert torch.equal(loaded(tokens).logits, model(tokens).logits)


def test_secrets_do_not_reach_the_process_that_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program in python's place writes down what it was given."""
    spy = tmp_path / "python"
    spy.write_text(f"#!/bin/sh\nenv > {tmp_path}/given\nexit 3\n")
    spy.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(spy))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    told = refused(str(pickled(tiny_decoder(), tmp_path / "old")), tmp_path / "new")
    assert "exit 3" in told
    given = (tmp_path / "given").read_text()
    assert "HF_HUB_OFFLINE=1" in given
    assert "secret" not in given
    assert "TORCH_FORCE" not in given


def test_a_hub_checkpoint(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_decoder("BioGptForCausalLM")
    pickled(model, hub / "pickle")
    saved(model, hub / "whole")
    with pytest.raises(WeightsError, match="preceptor convert org/pickle FOLDER"):
        _ = resolve("org/pickle").folder
    record = convert("org/pickle", tmp_path / "new")
    assert (record["source"], record["commit"]) == ("org/pickle", COMMIT)
    loaded, _ = load_decoder(resolve(str(tmp_path / "new")))
    assert torch.equal(loaded.biogpt.embed_tokens.weight, model.biogpt.embed_tokens.weight)
    assert "use org/whole as weights" in refused("org/whole", tmp_path / "second")
    assert not list((hub / "cache").rglob("models--org--whole/**/*.safetensors"))
    point_to(monkeypatch, "http://127.0.0.1:9", tmp_path / "empty")
    assert "not on this machine" in refused("org/pickle", tmp_path / "second")
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in refused("org/pickle", tmp_path / "second")


@pytest.mark.skipif(os.name == "nt", reason="signals of its own")
def test_a_killed_conversion_leaves_nothing_and_is_made_again(tmp_path: Path) -> None:
    model = tiny_decoder(intermediate_size=2**15)
    folder = pickled(model, tmp_path / "old")
    out = tmp_path / "new"
    command = [PROGRAM, "convert", folder, out]
    for number in (signal.SIGTERM, signal.SIGKILL):
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as running:
            while not (drafts := list(tmp_path.glob(".unfinished-new-*"))):
                assert running.poll() is None
                time.sleep(0.01)
            reader = child_of(running.pid)
            running.send_signal(number)
        assert not out.exists()
        assert not alive(reader)
        assert [path.exists() for path in drafts] == [number == signal.SIGKILL]
    done = CliRunner().invoke(app, ["convert", str(folder), str(out)])
    assert done.stdout == f"wrote {out}: LlamaForCausalLM (decoder), float32\n"
    assert names(tmp_path) == {"old", "new"}


def child_of(parent: int) -> psutil.Process:
    for _ in range(500):
        if found := psutil.Process(parent).children():
            return found[0]
        time.sleep(0.01)
    raise AssertionError("no process that reads the pickle")


def alive(process: psutil.Process) -> bool:
    for _ in range(500):  # it dies as soon as it sees its parent gone
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        time.sleep(0.01)
    return True
