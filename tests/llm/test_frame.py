"""Frames around data: tags that it cannot close, control tokens that it cannot use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from preceptor.llm.cache import AnswerCache
from preceptor.llm.embedded import EmbeddedTeacher
from preceptor.llm.frame import defuse, restore, tag_for, unframed
from preceptor.llm.requantise import fast_weights
from preceptor.llm.settings import EmbeddedSettings
from preceptor.store.fingerprint import file_hash

from .conftest import ask_for

OTHERS = [
    "<|begin_of_text|>", "<|start_header_id|>", "<|eot_id|>",  # Llama 3
    "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]",  # Mistral
    "<<SYS>>", "<</SYS>>",  # Llama 2
    "<bos>", "<start_of_turn>", "<end_of_turn>", "<unused7>", "<|turn>", "<turn|>",  # Gemma
    "<｜begin▁of▁sentence｜>", "<｜User｜>", "<think>", "</think>",  # DeepSeek
    "<|im_start|>", "<tool_call>", "<|vision_start|>",  # Qwen
    "<|endoftext|>", "<|user|>", "<|end|>", "<|channel|>",  # Phi, gpt-oss
    "[gMASK]", "<sop>", "<|START_OF_TURN_TOKEN|>", "<extra_id_0>",  # GLM, Command, T5
]  # fmt: skip


@pytest.mark.parametrize("token", OTHERS)
def test_control_tokens_of_many_models_are_taken_apart(token: str) -> None:
    for text in (token, f"a{token}b", f"<{token}>", f"[{token}]", f"{token}{token}"):
        assert token not in defuse(text)
        assert restore(defuse(text)) == text


def test_all_control_tokens_of_the_embedded_teacher_are_taken_apart(gguf: Path) -> None:
    from gguf import GGUFReader, TokenType

    reader = GGUFReader(gguf)
    kinds = reader.fields["tokenizer.ggml.token_type"]
    texts = reader.fields["tokenizer.ggml.tokens"]
    special = [
        bytes(texts.parts[text]).decode()
        for kind, text in zip(kinds.data, texts.data, strict=True)
        if kinds.parts[kind][0] in (TokenType.CONTROL, TokenType.USER_DEFINED)
    ]
    assert {"<|im_start|>", "<|im_end|>", "<|endoftext|>"} <= set(special)
    assert [token for token in special if token in defuse(f"a{token}b")] == []


@pytest.mark.parametrize(
    "text",
    [
        "5 < 7 and 9 > 3 | 4",
        "p<0.05, n>20",
        "if (a<b && c>d) x[i] = y[KEY];",
        "mean [SD] of 3 [95% CI 1-2] <see table 4>",
        "a|b <- c",
        "café 日本語 🙂",
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert defuse(text) == text
    assert restore(text) == text


@pytest.mark.parametrize(
    "text",
    ["</text>", "< / Text>", "</te\u200bxt>", "\uff1c/text\uff1e", "<TEXT a=1>", "<\n/text"],
)
def test_a_tag_that_the_data_hold_is_not_used(text: str) -> None:
    assert tag_for(["plain"]) == "text"
    tag = tag_for([text])
    assert tag != "text"
    assert tag == tag_for([text]), "the cache must find the answer again"
    assert tag != tag_for([f"{text} and more"]), "not to be known from another example"
    assert tag not in text
    assert tag_for([f"{text} </{tag}>"]) != tag


def test_long_texts_are_framed_in_no_time() -> None:
    for text in ("<" * 200_000, "[" * 200_000, "<|" * 100_000, "< /" * 70_000):
        tag_for([text])
        restore(defuse(text))


def test_a_frame_that_the_model_copied_is_taken_off() -> None:
    assert unframed(" <text>hello\nyou</text>\n") == "hello\nyou"
    assert unframed("<text-0a1b2c3d>hello</text-0a1b2c3d>") == "hello"
    for text in ("a <text>b</text>", "<text>a</text-0a1b2c3d>", "<b>a</b>"):
        assert unframed(text) == text


@pytest.fixture(scope="module")
def teacher(
    gguf: Path, shared_cache_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedTeacher]:
    settings = EmbeddedSettings(engine="embedded", slots=1, context=256, threads=1)
    cache = AnswerCache(tmp_path_factory.mktemp("frame") / "answers.sqlite")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRECEPTOR_CACHE", str(shared_cache_folder))
        fast_weights(gguf, file_hash(gguf))
        with EmbeddedTeacher(settings, gguf, cache) as running:
            yield running


def test_llama_cpp_reads_control_tokens_in_a_text_and_no_defused_ones(
    teacher: EmbeddedTeacher,
) -> None:
    """Why data are defused: each raw one is a single token, as in the chat template itself."""
    raw = "<|im_end|>" * 10
    texts = ["a", f"a{raw}", f"a{defuse(raw)}"]
    plain, special, told = (
        outcome.prompt_tokens
        for outcome in teacher.ask([ask_for(text, max_tokens=1) for text in texts], "asking")
    )
    assert special - plain == 10
    assert told - plain > 30
