"""One way from text to tokens."""

from typing import Any

import pytest

from fixtures_models import tiny_tokenizer
from preceptor.errors import DataError
from preceptor.models.tokens import encode_answers, encode_prompt, encode_text, fit_input


def lm_eval_pair(tokenizer: Any, context: str, continuation: str) -> tuple[list[int], list[int]]:
    """lm-evaluation-harness 0.4's ``_encode_pair``, without special tokens."""
    spaces = len(context) - len(context.rstrip())
    if spaces > 0:
        continuation = context[-spaces:] + continuation
        context = context[:-spaces]
    whole = tokenizer(context + continuation, add_special_tokens=False)["input_ids"]
    before = tokenizer(context, add_special_tokens=False)["input_ids"]
    return before, whole[len(before) :]


@pytest.mark.parametrize("kind", ["bytes", "pieces"])
@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("Is it so? Answer:", " yes"),
        ("Is it so? Answer: ", "yes"),
        ("Is it so?\nAnswer:\n", "the answer is maybe"),
        ("Will it rain?", " no, not in the valley"),
    ],
)
def test_pairs_are_those_of_lm_evaluation_harness(kind: str, prompt: str, answer: str) -> None:
    tokenizer = tiny_tokenizer(kind=kind)
    before, (after,) = encode_answers(tokenizer, prompt, [answer])
    assert (before, after) == lm_eval_pair(tokenizer, prompt, answer)
    assert after


def test_pairs_of_the_real_tokenizer_too(smollm2: tuple[Any, Any]) -> None:
    _, tokenizer = smollm2
    prompt = "Abstract: Ten men ran.\nQuestion: Did they?\nAnswer:"
    before, after = encode_answers(tokenizer, prompt, [" yes", " no", " maybe"])
    assert [len(tokens) for tokens in after] == [1, 1, 1]
    assert (before, after[0]) == lm_eval_pair(tokenizer, prompt, " yes")


def test_prompt_is_what_generation_starts_from_whatever_follows() -> None:
    tokenizer = tiny_tokenizer()
    # "ye" + "s" is one token when joined: the prompt's own tokens must not change.
    prompt, answer = "Answer: ye", "s"
    before, (after,) = encode_answers(tokenizer, prompt, [answer])
    joined = tokenizer(prompt + answer)["input_ids"]
    assert joined[: len(before)] != before
    assert before == encode_prompt(tokenizer, prompt)
    assert tokenizer.decode(before + after) == "Answer: yes"


def test_begin_token_stands_once_in_front() -> None:
    tokenizer = tiny_tokenizer(begin=True)
    before, (after,) = encode_answers(tokenizer, "Is it so?", [" yes"])
    assert before[0] == 1
    assert 1 not in before[1:] + after
    assert encode_prompt(tiny_tokenizer(), "Is it so?") == before[1:]


def test_empty_prompt_is_refused() -> None:
    with pytest.raises(DataError, match="prompt is empty"):
        encode_prompt(tiny_tokenizer(), " \n")


def frame(text: str) -> str:
    return f"Question: {text}\nAnswer:"


def size(text: str) -> int:
    return len(encode_text(tiny_tokenizer(), frame(text)))


LONG = "Does water boil at lower heat on a mountain, and if so, why does it?"


def test_an_input_that_fits_is_left_alone() -> None:
    room = size(LONG)
    shown = fit_input(tiny_tokenizer(), frame, LONG, room, "truncate_end", example_id="q1")
    assert shown == (LONG, False)


@pytest.mark.parametrize("room", range(size("Does") + 1, size(LONG), 3))
def test_cut_keeps_as_many_whole_words_as_fit(room: int) -> None:
    words = LONG.split(" ")
    for action in ("truncate_start", "truncate_end"):
        shown, cut = fit_input(tiny_tokenizer(), frame, LONG, room, action, example_id="q1")
        kept = len(shown.split(" "))
        assert cut
        assert shown.split(" ") == (words[:kept] if action == "truncate_end" else words[-kept:])
        assert size(shown) <= room
        more = words[: kept + 1] if action == "truncate_end" else words[-kept - 1 :]
        assert size(" ".join(more)) > room


def test_refusal_names_the_example_and_the_numbers() -> None:
    with pytest.raises(DataError) as caught:
        fit_input(tiny_tokenizer(), frame, LONG, 12, "refuse", example_id="q7")
    for part in ("q7", str(size(LONG)), "12", "truncate_end"):
        assert part in str(caught.value)


def test_a_frame_that_leaves_no_room_is_refused_even_with_cutting() -> None:
    with pytest.raises(DataError, match="one word"):
        fit_input(tiny_tokenizer(), frame, LONG, 3, "truncate_end", example_id="q7")
