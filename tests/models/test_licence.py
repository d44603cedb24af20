"""Under which licence weights were given out, as their files tell."""

from __future__ import annotations

from pathlib import Path

import gguf
import pytest

from fixtures_models import own_cache  # noqa: F401 - a fixture
from preceptor.models.licence import Licence, hub_name, licence_of
from preceptor.models.weights import resolve


def folder(path: Path, card: str | None) -> Path:
    path.mkdir()
    (path / "config.json").write_text("{}")
    (path / "model.safetensors").touch()
    if card is not None:
        (path / "README.md").write_text(card)
    return path


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("---\nlicense: apache-2.0\n---\n# x", Licence("apache-2.0", "README.md")),
        ("---\nlicense: other\nlicense_name: gemma\n---\n", Licence("gemma", "README.md")),
        ("---\nlicense: [mit, cc0-1.0]\n---\n", Licence("mit, cc0-1.0", "README.md")),
        ("---\nlicense: unknown\n---\n", Licence(None, "README.md names none")),
        ("---\ntags: [x]\n---\n", Licence(None, "README.md names none")),
        ("# no head", Licence(None, "README.md has no head")),
        ("---\n- a list\n---\n", Licence(None, "README.md cannot be read")),
        ("---\na: [\n---\n", Licence(None, "README.md cannot be read")),
        (None, Licence(None, "no README.md there")),
    ],
)
def test_a_folder_tells_by_its_card(tmp_path: Path, card: str | None, expected: Licence) -> None:
    weights = resolve(str(folder(tmp_path / "m", card)))
    assert licence_of(weights) == expected
    assert hub_name(weights) is None


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("name", ["apache-2.0", None])
def test_a_gguf_tells_by_its_header(tmp_path: Path, name: str | None) -> None:
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    if name is not None:
        writer.add_license(name)
    writer.add_block_count(1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    told = "the GGUF file's header"
    expected = Licence(name, told) if name else Licence(None, f"{told} names none")
    assert licence_of(resolve(str(tmp_path / "m.gguf"))) == expected


def test_known_packages_tell_what_they_carry() -> None:
    minilm = resolve("minilm")
    assert licence_of(minilm) == Licence("apache-2.0", "README.md"), "the model's, not the wheel's"
    assert hub_name(minilm) == "sentence-transformers/all-MiniLM-L6-v2"
    pair = resolve("minilm+minilm")
    assert (licence_of(pair), hub_name(pair)) == (licence_of(minilm), None)


def test_a_pair_with_an_unknown_part_is_unknown(tmp_path: Path) -> None:
    known = folder(tmp_path / "a", "---\nlicense: mit\n---\n")
    other = folder(tmp_path / "b", None)
    assert licence_of(resolve(f"{known}+{other}")).name is None
    third = folder(tmp_path / "c", "---\nlicense: cc0-1.0\n---\n")
    assert licence_of(resolve(f"{known}+{third}")).name == "mit and cc0-1.0"
