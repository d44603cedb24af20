"""Semantic duplicates, by the real MiniLM."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from curate.material import made_of, material
from preceptor.curate import CurationSettings, curate, filters, semantic
from preceptor.curate.filter import Material
from preceptor.curate.semantic import SemanticSettings
from preceptor.data.example import Example, Origin
from preceptor.models.embedding import embedder

KNEE = "My knee hurts when I climb stairs."
ALSO_KNEE = "When I climb stairs my knee hurts."
BILL = "Could you send me a copy of last month's bill?"
ALSO_BILL = "Could you please send me a copy of the bill of last month?"
HUMAN = [Example("h1", {"text": KNEE}, "a")]


def verdicts(
    examples: Sequence[Example], about: Material, settings: SemanticSettings | None = None
) -> list[str]:
    """The example that each is like; "" for one that passes."""
    judged = semantic.make(settings or SemanticSettings(), about).judge(examples)
    return ["" if one is None else one.detail.split(" ")[2] for one in judged]


def made(texts: Sequence[str], start: int = 0) -> list[Example]:
    return [one.example for one in made_of(texts, start)]


def rewritten(text: str, parent: str, operation: str = "rewrite") -> Example:
    return Example("c", {"text": text}, "a", origin=Origin("t", operation, (parent,)))


def test_what_a_human_example_or_an_earlier_one_says_is_rejected_and_shown() -> None:
    one = semantic.make(SemanticSettings(), material(HUMAN))
    first = one.judge(made([ALSO_KNEE, BILL, ALSO_BILL, "My ear is ringing."]))
    assert [bool(verdict) for verdict in first] == [True, False, True, False]
    assert first[0] is not None
    assert first[0].reason == "semantic duplicate"
    assert "h1" in first[0].detail
    assert KNEE in first[0].detail
    assert 0.95 <= first[0].figures["similarity"] < 1
    assert "c1" in (first[2].detail if first[2] else "")
    (later,) = one.judge(made(["My ears are ringing.", ALSO_BILL], 4)[1:])
    assert "c1" in (later.detail if later else "")


def test_nothing_is_a_duplicate_of_what_was_rejected() -> None:
    # The second is like the first and the third like the second, but not like the first.
    chain = ["I need more of my tablets.", "I need more tablets.", "I need more pills."]
    similar = similarities(chain)
    settings = SemanticSettings(similarity=min(similar[0, 1], similar[1, 2]) - 1e-3)
    assert similar[0, 2] < settings.similarity
    assert verdicts(made(chain), material([]), settings) == ["", "c0", ""]


def similarities(texts: Sequence[str]) -> np.ndarray:
    vectors = embedder().embed(texts)
    return vectors @ vectors.T


def test_a_rewrite_may_be_like_its_own_parent_and_like_no_other() -> None:
    human = [*HUMAN, Example("h2", {"text": "Nothing in common"}, "a")]
    assert verdicts([rewritten(ALSO_KNEE, "h1")], material(human)) == [""]
    assert verdicts([rewritten(ALSO_KNEE, "h2")], material(human)) == ["h1"]
    assert verdicts([rewritten(ALSO_KNEE, "h1", "create")], material(human)) == ["h1"]


def two_fields(id: str, context: str, question: str) -> Example:
    return Example(id, {"context": context, "question": question}, "a")


def on_contexts(human: Sequence[Example], held_out: Sequence[Example] = ()) -> Material:
    about = material(human, held_out)
    task = about.task.model_copy(update={"input": "{{ context }}\n{{ question }}"})
    return Material(task, human, held_out, "create", 10, 0, about.ask)


def test_examples_that_share_one_field_are_duplicates_only_if_all_fields_are_alike() -> None:
    about = on_contexts([two_fields("h1", BILL, KNEE)])
    new = [two_fields("c1", BILL, "Is my ear ringing?"), two_fields("c2", BILL, ALSO_KNEE)]
    assert verdicts(new, about) == ["", "h1"]


def test_held_out_inputs_count_only_where_that_is_asked_for() -> None:
    held_out = [Example("t1", {"text": KNEE})]
    asked = SemanticSettings(contamination=True)
    assert verdicts(made([ALSO_KNEE, BILL]), material([], held_out)) == ["", ""]
    assert verdicts(made([ALSO_KNEE, BILL]), material([], held_out), asked) == ["t1", ""]
    (done, _) = semantic.make(asked, material([], held_out)).judge(made([ALSO_KNEE, BILL]))
    assert done is not None
    assert done.reason == "contamination"
    assert KNEE in done.detail


def test_one_field_like_a_held_out_one_is_enough_unless_it_was_taken_over() -> None:
    held_out = [two_fields("t1", BILL, KNEE)]
    asked = SemanticSettings(contamination=True)
    new = [two_fields("c1", ALSO_BILL, "Is my ear ringing?")]
    assert verdicts(new, on_contexts([], held_out), asked) == ["t1"]
    human = [two_fields("h1", ALSO_BILL, "Where is the clinic?")]
    assert verdicts(new, on_contexts(human, held_out), asked) == [""]


def test_blocks_and_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["knee", "ear", "bill", "sleep", "tablet"]
    texts = [f"my {one} and my {other} and the {n % 3}" for one in words for other in words
             for n in range(3)]  # fmt: skip
    human = [Example(f"h{n}", {"text": text}, "a") for n, text in enumerate(texts[::7])]
    settings = SemanticSettings(similarity=0.9)
    whole = verdicts(made(texts), material(human), settings)
    monkeypatch.setattr(semantic, "_ROWS", 4)
    monkeypatch.setattr(semantic, "_CHUNK", 5)
    assert verdicts(made(texts), material(human), settings) == whole
    assert 10 < whole.count("") < 65


def test_texts_that_were_cut_are_told_of() -> None:
    one = semantic.make(SemanticSettings(), material(HUMAN))
    one.judge(made(["knee " * 300, BILL]))
    assert one.notes == ["1 text is longer than the encoder reads: the beginning was judged"]


def test_the_filter_is_off_by_default_and_named_in_what_it_rejects() -> None:
    assert CurationSettings().semantic is False
    settings = CurationSettings(semantic=SemanticSettings())
    chosen = {"semantic": filters(settings, material(HUMAN))["semantic"]}
    (done,) = curate(made_of([ALSO_KNEE]), chosen)
    assert done.rejection is not None
    assert done.rejection.filter == "semantic"
