"""Q4_1 becomes Q8_0, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter
from gguf.quants import dequantize, quantize

from preceptor.errors import WeightsError
from preceptor.llm.requantise import fast_weights
from preceptor.store.cache import cache_folder

TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def write_gguf(path: Path, kind: GGMLQuantizationType) -> Path:
    random = np.random.default_rng(0)
    writer = GGUFWriter(path, "llama")
    writer.add_custom_alignment(64)
    writer.add_file_type(3)
    writer.add_context_length(256)
    writer.add_rope_freq_base(1e5)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["a", "Ġb", "é"])
    writer.add_token_types([1, 3, 1])
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    norm = random.normal(size=33).astype(np.float32)
    writer.add_tensor("blk.0.attn_norm.weight", norm)
    for name, shape, held in (
        ("token_embd.weight", (3, 64), GGMLQuantizationType.Q8_0),
        ("blk.0.ffn_up.weight", (5, 96), kind),
        ("blk.0.ffn_down.weight", (7, 32), kind),
    ):
        values = random.normal(size=shape).astype(np.float32)
        writer.add_tensor(name, quantize(values, held), raw_dtype=held)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_weights_stay_within_half_a_step(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.Q4_1.gguf", GGMLQuantizationType.Q4_1)
    copy = fast_weights(path, "a" * 64)
    assert copy == cache_folder() / "gguf" / f"{'a' * 64}-q8_0.gguf"
    old, new = GGUFReader(path), GGUFReader(copy)
    assert [one.name for one in new.tensors] == [one.name for one in old.tensors]
    assert [one.tensor_type.name for one in new.tensors] == ["F32", "Q8_0", "Q8_0", "Q8_0"]
    for before, after in zip(old.tensors, new.tensors, strict=True):
        assert list(before.shape) == list(after.shape)
        was = dequantize(before.data, before.tensor_type)
        now = dequantize(after.data, after.tensor_type)
        if before.tensor_type.name == "Q4_1":
            # Half a step of Q8_0, whose scale is kept in 16 bits.
            blocks = np.abs(was - now).reshape(-1, 32).max(1)
            assert (blocks <= np.abs(was).reshape(-1, 32).max(1) * (0.5 / 127 + 1e-3)).all()
            assert blocks.max() > 0
        else:
            assert np.array_equal(was, now)


def test_metadata_stays(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.Q4_1.gguf", GGMLQuantizationType.Q4_1)
    old, new = GGUFReader(path), GGUFReader(fast_weights(path, "b" * 64))
    told = {name: field.contents() for name, field in new.fields.items()}
    before = {name: field.contents() for name, field in old.fields.items()}
    assert told.pop("general.file_type") == 7
    assert before.pop("general.file_type") == 3
    assert told == before
    assert told["tokenizer.chat_template"] == TEMPLATE
    assert told["tokenizer.ggml.tokens"] == ["a", "Ġb", "é"]
    assert new.alignment == 64
    assert new.fields["tokenizer.ggml.token_type"].types == (
        old.fields["tokenizer.ggml.token_type"].types
    )


def test_it_is_done_once(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.Q4_1.gguf", GGMLQuantizationType.Q4_1)
    copy = fast_weights(path, "c" * 64)
    before = copy.stat().st_mtime_ns
    path.unlink()
    assert fast_weights(path, "c" * 64) == copy
    assert copy.stat().st_mtime_ns == before


def test_fast_weights_are_served_as_they_are(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.Q8_0.gguf", GGMLQuantizationType.Q8_0)
    assert fast_weights(path, "d" * 64) == path


@pytest.mark.parametrize("content", [b"GGUF\x03\0\0\0" + b"\xff" * 40, b"GGUF", b"", b"x" * 99])
def test_a_broken_file_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="cannot be read as GGUF") as caught:
        fast_weights(path, "e" * 64)
    assert str(path) in str(caught.value)


def test_a_copy_that_cannot_be_written_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_gguf(tmp_path / "tiny.Q4_1.gguf", GGMLQuantizationType.Q4_1)
    (tmp_path / "cache").write_text("a file where a folder should be")
    monkeypatch.setenv("PRECEPTOR_CACHE", str(tmp_path / "cache"))
    with pytest.raises(WeightsError, match="PRECEPTOR_CACHE"):
        fast_weights(path, "f" * 64)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["cache", "tiny.Q4_1.gguf"]
