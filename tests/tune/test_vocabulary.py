"""Whose tokens a teacher writes: told by the files where they tell, by the tokenizers always."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest

from fixtures_models import saved, tiny_decoder, tiny_encoder, tiny_gguf, tiny_tokenizer
from preceptor.errors import PreceptorError
from preceptor.models.weights import Weights, resolve
from preceptor.tune.vocabulary import check_vocabulary, known_vocabulary


def other(**changes: Any) -> Any:
    tokenizer = copy.deepcopy(tiny_tokenizer())
    for name, value in changes.items():
        setattr(tokenizer, name, value)
    return tokenizer


def test_one_tokenizer_is_shared_whole() -> None:
    assert check_vocabulary(tiny_tokenizer(), other()) == len(tiny_tokenizer().get_vocab())


def test_fillers_of_a_gguf_are_no_tokens() -> None:
    padded = other()
    padded.add_tokens([f"[PAD{len(padded)}]"])
    assert check_vocabulary(tiny_tokenizer(), padded) == len(tiny_tokenizer().get_vocab())


def test_other_tokens_ends_and_ways_of_reading_are_refused() -> None:
    size = len(tiny_tokenizer().get_vocab())
    pieces = tiny_tokenizer(kind="pieces")
    with pytest.raises(PreceptorError, match="not the student's") as caught:
        check_vocabulary(tiny_tokenizer(), pieces)
    told = str(caught.value)
    assert f"the {size} tokens of the student" in told
    assert f"{len(pieces.get_vocab())} tokens" in told
    with pytest.raises(PreceptorError, match="answers that end in <s>"):
        check_vocabulary(tiny_tokenizer(), other(eos_token="<s>"))
    with pytest.raises(PreceptorError, match="as the student reads it"):
        check_vocabulary(tiny_tokenizer(), tiny_tokenizer(begin=True))


def test_files_tell_a_vocabulary_whatever_their_form(own_cache: Path, tmp_path: Path) -> None:
    folder = resolve(str(saved(tiny_decoder(), tmp_path / "llama")))
    gguf = resolve(str(tiny_gguf(tmp_path / "llama.gguf")))
    found = known_vocabulary(folder)
    assert found is not None
    assert found[0] == len(tiny_tokenizer().get_vocab())
    assert known_vocabulary(gguf) == found
    pieces = saved(tiny_decoder(), tmp_path / "pieces", tiny_tokenizer(kind="pieces"))
    assert known_vocabulary(resolve(str(pieces))) != found
    saved(tiny_encoder("BertModel"), tmp_path / "bert")
    assert known_vocabulary(resolve("bert+bert", tmp_path)) == found
    shutil.move(tmp_path / "llama" / "tokenizer.json", tmp_path / "gone.json")
    assert known_vocabulary(folder) is None
    assert known_vocabulary(Weights("org/name", None, "org/name")) is None
