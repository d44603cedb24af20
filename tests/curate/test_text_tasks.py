"""What filters make of answers in words, and of texts that a teacher annotated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from curate.material import nobody
from preceptor.curate import CurationSettings, curate, filters, left_out, unfit
from preceptor.curate.decisions import Decision, read_decisions
from preceptor.curate.filter import Material
from preceptor.data.candidate import Candidate
from preceptor.data.example import Example, Origin
from preceptor.errors import DataError
from preceptor.tasks import AnyTask, ChoiceTask, TextTask

FACTS = TextTask.model_validate({"kind": "text", "about": "Facts.", "input": "{{ triples }}"})
CHOICE = ChoiceTask.model_validate({"kind": "choice", "labels": ["a", "b"], "input": "{{ text }}"})
BORN = "Ada Lovelace | born in | London\nAda Lovelace | died in | Marylebone"
SAID = "Ada Lovelace was born in London and she died in Marylebone."
OTHER = (
    "The town where Ada Lovelace first saw the light is London; her last days were Marylebone's."
)
HUMAN = [
    Example("h1", {"triples": BORN}, SAID),
    Example("h2", {"triples": "The moon | goes round | the earth"}, "The moon circles the earth."),
]
WRITTEN = ("meta", "length", "language")
REWRITTEN = ("unchanged", "facts", "meaning")
LABELLED = ("labels", "judge", "balance")
ALL: dict[str, Any] = {
    "length": {},
    "language": {},
    "semantic": {},
    "meaning": {},
    "labels": {"by": "student"},
    "judge": {},
}


def material(
    task: AnyTask = FACTS,
    human: Sequence[Example] = HUMAN,
    held_out: Sequence[Example] = (),
    operation: str = "create",
) -> Material:
    return Material(task, human, held_out, operation, 10, 0, nobody)


def made(answer: str, triples: str = BORN, operation: str = "create", id: str = "c") -> Candidate:
    example = Example(id, {"triples": triples}, answer, origin=Origin("t", operation, ("h1",)))
    return Candidate(example, answer)


def reasons(
    candidates: Sequence[Candidate], about: Material, settings: CurationSettings | None = None
) -> list[str | None]:
    named = [
        replace(one, example=replace(one.example, id=f"c{number}"))
        for number, one in enumerate(candidates)
    ]
    found = curate(named, filters(settings or CurationSettings(), about))
    return [one.rejection and one.rejection.reason for one in found]


def chain(task: AnyTask, operation: str, **settings: Any) -> set[str]:
    given = CurationSettings.model_validate({**ALL, **settings})
    human = HUMAN if task is FACTS else [Example("h", {"text": "A long enough text."}, "a")]
    return set(filters(given, material(task, human, (), operation)))


def test_filters_that_cannot_judge_an_arm_are_left_out() -> None:
    every = {*chain(CHOICE, "create")}
    assert every == {*WRITTEN, *REWRITTEN, *LABELLED, *chain(FACTS, "annotate")}
    assert chain(FACTS, "create") == every - {*LABELLED}
    assert chain(CHOICE, "annotate") == every - {*WRITTEN, *REWRITTEN}
    assert chain(FACTS, "annotate") == every - {*LABELLED, *REWRITTEN}


def test_those_that_a_study_names_are_told_with_the_reason() -> None:
    named = CurationSettings.model_validate({"labels": {"by": "student"}, "balance": {}})
    assert left_out(named, FACTS, "create") == {
        "labels": "the task has no labels",
        "balance": "the task has no labels",
    }
    assert left_out(named, CHOICE, "annotate") == {}
    assert left_out(CurationSettings(), FACTS, "annotate") == {}, "on by default, so not named"
    off = CurationSettings.model_validate({"meta": False, "meaning": {}})
    assert left_out(off, CHOICE, "annotate") == {
        "meaning": "a teacher that annotates rewrites no text"
    }
    assert unfit("meta", CHOICE, "annotate") == "a teacher that gives labels writes no text"
    assert unfit("near", FACTS, "annotate") == ""


def test_another_answer_to_the_same_is_another_example() -> None:
    answers = [OTHER, SAID.upper(), SAID.replace("she died", "she then died"), OTHER + "!"]
    assert reasons([made(one) for one in answers], material()) == [
        None,
        "duplicate",
        "near duplicate",
        "duplicate",
    ]


def test_a_kept_field_is_not_held_against_an_answer_but_its_likes_are_found() -> None:
    human = [
        Example(f"h{n}", {"triples": BORN, "style": style}, f"{SAID} {style}")
        for n, style in enumerate(["plain", "ornate"])
    ]
    task = TextTask.model_validate({"kind": "text", "input": "{{ triples }} {{ style }}"})
    fresh = Example("c", {"triples": BORN, "style": "plain"}, OTHER)
    copied = replace(fresh, target=f"{SAID} plain, in a way")
    found = reasons([Candidate(one, "") for one in (fresh, copied)], material(task, human))
    assert found == [None, "near duplicate"]


def test_near_inputs_with_other_answers_are_other_examples() -> None:
    year = "Ada Lovelace | year in which she was born | 1815"
    settings = CurationSettings.model_validate({"contamination": False})
    pair = [
        made("It was in 1815 that the countess came into the world.", year),
        made("Born one year later: a claim that no source supports.", year.replace("5", "6")),
        made("It was in 1815 that the countess came to the world.", year.replace("5", "7")),
    ]
    assert reasons(pair, material(), settings) == [None, None, "near duplicate"]


@pytest.mark.parametrize("operation", ["create", "annotate"])
def test_an_answer_that_holds_a_held_out_input_is_contaminated(operation: str) -> None:
    asked = "Which of the two rivers that meet below the old castle is the longer one in summer?"
    held_out = [Example("t1", {"triples": asked}, "what no filter may read")]
    about = material(held_out=held_out, operation=operation)
    assert reasons([made(f"{asked} Nobody knows.", operation=operation)], about) == [
        "contamination"
    ]
    assert reasons([made("what no filter may read", operation=operation)], about) == [None]


def test_an_input_that_is_held_out_is_contaminated() -> None:
    triples = "Grace Hopper | wrote | the first compiler of them all"
    held_out = [Example("t1", {"triples": triples}, "no matter")]
    assert reasons([made(OTHER, triples)], material(held_out=held_out)) == ["contamination"]


@pytest.mark.parametrize("operation", ["create", "annotate"])
def test_talk_in_an_answer_is_found(operation: str) -> None:
    talk = "Sure! Here is the sentence: Ada was a Londoner who died in Marylebone."
    about = material(operation=operation)
    assert reasons([made(talk, operation=operation)], about) == ["meta talk"]


def test_of_an_annotated_text_the_answer_alone_is_judged() -> None:
    talk = "As an AI language model | says | nothing"
    annotated = made("The program keeps silent.", talk, "annotate")
    assert reasons([annotated], material(operation="annotate")) == [None]
    created = made("The program keeps silent.", talk)
    assert reasons([created], material()) == ["meta talk"]


def test_length_and_language_look_at_answers() -> None:
    settings = CurationSettings.model_validate(
        {"length": {}, "language": {}, "contamination": False, "meta": False}
    )
    long = made("Ada was born here, or so they say, on a day of rain and wind, " * 3)
    german = made("Ada wurde in London geboren und ist später auch dort gestorben.")
    assert reasons([long], material(), settings) == ["too long"]
    assert reasons([german], material(), settings) == ["other language"]


def test_the_same_meaning_is_a_duplicate_only_if_input_and_answer_are_alike() -> None:
    settings = CurationSettings.model_validate({"near": False, "semantic": {"similarity": 0.9}})
    reworded = "Ada Lovelace was born in London, and in Marylebone she died."
    candidates = [made(reworded), made("Nobody has ever seen the far side of it.")]
    assert reasons(candidates, material(), settings) == ["semantic duplicate", None]


def test_semantic_contamination_reads_inputs_alone() -> None:
    settings = CurationSettings.model_validate(
        {"near": False, "contamination": False, "semantic": {"contamination": True}}
    )
    held_out = [Example("t1", {"triples": "Rome | lies on | the Tiber"}, SAID)]
    about = material(held_out=held_out)
    assert reasons([made(OTHER)], about, settings) == [None]
    same = made("It is on a river.", "Rome | lies on | the Tiber.")
    assert reasons([same], about, settings) == ["contamination"]


def test_texts_that_were_annotated_are_held_against_the_human_ones() -> None:
    human = [Example("h", {"text": "My knee has been swollen since I fell off the ladder"}, "a")]
    texts = [
        "My knee has been swollen since I fell off the ladder!",
        "My knee has been swollen since I fell off a ladder",
        "Here is the text: as an AI language model I cannot help",
    ]
    rows = [
        Candidate(Example("c", {"text": text}, "a", origin=Origin("t", "annotate", ("p",))), "")
        for text in texts
    ]
    about = Material(CHOICE, human, [], "annotate", 10, 0, nobody)
    assert reasons(rows, about) == ["duplicate", "near duplicate", None]


def decisions(folder: Path, rows: str, labels: Sequence[str] = ()) -> dict[str, Decision]:
    (folder / "d.csv").write_text(f"id,decision,label\n{rows}", encoding="utf-8")
    return read_decisions("d.csv", folder, labels, ["create"])


def test_relabel_gives_a_text_another_answer(tmp_path: Path) -> None:
    told = decisions(tmp_path, 'create-0-00001,relabel,"She was born in London, I think."\n')
    one = made("Ada!", id="create-0-00001")
    (found,) = curate([one], filters(CurationSettings(), material()), told)
    assert (found.example.target, found.rejection) == ("She was born in London, I think.", None)
    with pytest.raises(DataError, match=r"relabel without a label(.|\n)*the right answer"):
        decisions(tmp_path, "create-0-00001,relabel, \n")


def test_an_accepted_answer_may_have_come_through_a_spreadsheet(tmp_path: Path) -> None:
    one = made("Ada was born\nin London.", id="create-0-00001")
    told = decisions(tmp_path, 'create-0-00001,accept,"Ada was born \r\nin London."\n')
    (found,) = curate([one], {}, told)
    assert found.decision == "accept"
    told = decisions(tmp_path, "create-0-00001,accept,Ada was born in Rome.\n")
    with pytest.raises(DataError, match="another label than it has"):
        curate([one], {}, told)


def test_a_relabelled_row_does_not_teach_its_old_probabilities(tmp_path: Path) -> None:
    told = decisions(tmp_path, "create-0-00001,relabel,b\n", ["a", "b"])
    row = Example("create-0-00001", {"text": "x"}, "a", soft={"a": 0.9, "b": 0.1})
    (found,) = curate([Candidate(row, "")], {}, told)
    assert (found.example.target, found.example.soft) == ("b", {})
