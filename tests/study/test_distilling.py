"""Students that distil: what is refused before anything is loaded, and what their rows hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures_models import (
    saved,
    tiny_decoder,
    tiny_encoder,
    tiny_seq2seq,
    tiny_tokenizer,
)
from preceptor.data.example import Example
from preceptor.errors import DataError
from preceptor.models.pairs import PairRow, opening_of
from preceptor.study.file import parse_study
from preceptor.study.inputs import Inputs
from preceptor.study.plan import Plan
from preceptor.study.students import student_problems
from preceptor.tune.batches import LabelRow, TaughtPair
from study.conftest import Cli, Place

STUDY = """\
name: small
task: {kind: choice, labels: [yes, no, maybe], input: "{{ text }}"}
data:
  reader: table
  path: rows.jsonl
  columns: {id: id, target: kind, inputs: [text]}
  split: {by: draw, test: 24, validation: 12}
teachers:
  tuned: {engine: tuned, weights: llama}
  pieces: {engine: tuned, weights: pieces}
  asked: {engine: endpoint, model: x, base_url: "http://localhost:1/v1", key_env: null}
arms:
  none: none
  annotate: {operation: annotate, teacher: tuned}
  both: {operation: mix, of: [annotate]}
students:
  one: {kind: decoder, weights: llama, method: lora, distill: {teacher: tuned}}
budget: {steps: 3}
"""
ONE = "{kind: decoder, weights: llama, method: lora, distill: {teacher: tuned}}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("distilling")
    saved(tiny_decoder(), made / "llama")
    saved(tiny_decoder(), made / "pieces", tiny_tokenizer(kind="pieces"))
    saved(tiny_encoder(), made / "bert")
    saved(tiny_seq2seq(), made / "bart")
    return made


def problems(folder: Path, student: str) -> list[str]:
    study = parse_study(STUDY.replace(ONE, student), "s.yaml")
    return list(student_problems(Plan(study, folder, folder / "run")))


@pytest.mark.parametrize(
    "student",
    [
        ONE,
        "{kind: seq2seq, weights: bart, method: full, distill: {teacher: tuned, weight: 1}}",
        "{kind: encoder, weights: bert, method: full, distill: {temperature: 2}}",
        "{kind: encoder, weights: bert, method: full, distill: {}, arms: [none, both]}",
    ],
)
def test_what_can_be_distilled_passes(folder: Path, student: str) -> None:
    assert problems(folder, student) == []


@pytest.mark.parametrize(
    ("student", "told"),
    [
        (
            "{kind: encoder, weights: bert, method: full, distill: {teacher: tuned}}",
            ".teacher: a classifier learns what annotated rows keep",
        ),
        (
            "{kind: encoder, weights: bert, method: full, distill: {}, arms: [none]}",
            ": none of its arms annotates",
        ),
        (
            "{kind: decoder, weights: llama, method: lora, distill: {weight: 0.5}}",
            "name it in teacher; those are: tuned, pieces",
        ),
        (
            "{kind: seq2seq, weights: bart, method: full, distill: {}}",
            "name it in teacher; those are: tuned, pieces",
        ),
        (
            "{kind: decoder, weights: llama, method: lora, distill: {teacher: tuend}}",
            ".teacher: 'tuend' is no teacher (did you mean 'tuned'?)",
        ),
        (
            "{kind: decoder, weights: llama, method: lora, distill: {teacher: asked}}",
            ".teacher: 'asked' is not tuned (engine: tuned)",
        ),
        (
            "{kind: decoder, weights: llama, method: base, distill: {teacher: tuned}}",
            ": base trains nothing",
        ),
    ],
)
def test_what_cannot_is_told(folder: Path, student: str, told: str) -> None:
    found = problems(folder, student)
    assert len(found) == 1
    assert found[0].startswith("students.one.distill")
    assert told in found[0]


def test_another_vocabulary_is_told_with_both_sizes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRECEPTOR_CACHE", str(tmp_path))
    found = problems(
        folder, "{kind: decoder, weights: llama, method: lora, distill: {teacher: pieces}}"
    )
    sizes = [len(tiny_tokenizer(kind=kind).get_vocab()) for kind in ("pieces", "bytes")]
    assert len(found) == 1
    assert f"another vocabulary ({sizes[0]} tokens) than llama ({sizes[1]})" in found[0]
    study = STUDY.replace("weights: pieces", "weights: pieces, tuned_from: elsewhere")
    plan = Plan(
        parse_study(study.replace("teacher: tuned}}", "teacher: pieces}}"), "s"), folder, folder
    )
    assert not list(student_problems(plan))  # what it was tuned from is known when it is loaded


def inputs(student: str) -> Inputs:
    study = parse_study(STUDY.replace(ONE, student), "s.yaml")
    opening = opening_of(tiny_seq2seq()) if "bart" in student else ()
    return Inputs(
        study.task, study.students["one"], "refuse", tiny_tokenizer(), 128, opening=opening
    )


SOFT = Example("1", {"text": "wet"}, "no", soft={"maybe": 0.1, "no": 0.7, "yes": 0.2})
HUMAN = Example("2", {"text": "dry"}, "yes")


def test_a_classifiers_rows_hold_the_probabilities_in_the_order_of_the_labels() -> None:
    distils = inputs("{kind: encoder, weights: bert, method: full, distill: {}}")
    row, human = distils.row(SOFT), distils.row(HUMAN)
    assert isinstance(row, LabelRow)
    assert isinstance(human, LabelRow)
    assert (row.label, row.soft) == (1, (0.2, 0.7, 0.1))
    assert human.soft == ()
    plain = inputs("{kind: encoder, weights: bert, method: full}")
    assert plain.row(SOFT) == LabelRow(row.tokens, 1)


@pytest.mark.parametrize("soft", [{"yes": 0.5, "no": 0.5}, {"yes": -1.0, "no": 1, "maybe": 1}])
def test_probabilities_of_other_labels_are_refused(soft: dict[str, float]) -> None:
    distils = inputs("{kind: encoder, weights: bert, method: full, distill: {}}")
    with pytest.raises(DataError, match="not those of the task's labels"):
        distils.row(Example("1", {"text": "wet"}, "no", soft=soft))


def test_a_seq2seq_students_rows_say_how_a_decoder_reads_them() -> None:
    source = "{kind: seq2seq, weights: bart, method: full"
    row = inputs(source + ", distill: {teacher: tuned}}").row(SOFT)
    assert isinstance(row, TaughtPair)
    assert tiny_tokenizer().decode(row.read.tokens) == "wet\nAnswer: no</s>"
    plain = inputs(source + "}").row(SOFT)
    assert type(plain) is PairRow
    assert (plain.source, plain.target, plain.first) == (row.source, row.target, row.first)


def test_a_decoders_rows_are_as_they_were() -> None:
    distils, plain = inputs(ONE), inputs("{kind: decoder, weights: llama, method: lora}")
    assert distils.row(SOFT) == plain.row(SOFT)


RUN = """\
name: distilled
seeds: 1
task: {kind: choice, labels: [yes, no, maybe], input: "{{ text }}"}
data:
  reader: table
  path: rows.jsonl
  columns: {id: id, target: kind, inputs: [text]}
  split: {by: draw, test: 12, validation: 6}
  train: {per_label: 4}
  pool: {of: rest}
teachers:
  tuned: {engine: tuned, weights: llama, budget: {steps: 6}}
arms:
  none: none
  annotate: {operation: annotate, amount: 6}
students:
  llama: {kind: decoder, weights: llama, method: lora, distill: {teacher: tuned}}
  bart: {kind: seq2seq, weights: bart, method: full, max_new_tokens: 4, readings: [likelihood],
    distill: {teacher: tuned, temperature: 2}, fit: {max_length: 100}}
  bert: {kind: encoder, weights: bert, method: full, distill: {weight: 1}, fit: {max_length: 100}}
budget: {steps: 4}
"""


def test_a_study_distils_from_the_yaml_to_the_results(place: Place, cli: Cli, folder: Path) -> None:
    (place.folder / "bart").symlink_to(folder / "bart")
    place.study.write_text(RUN)
    assert cli("run", place.study, "--out", "run") == 0
    results = place.results()
    assert results["finished"], results["failed"]
    told = {(cell["student"], cell["arm"]): cell["distil"] for cell in results["cells"]}
    for arm in ("none", "annotate"):
        assert told["llama", arm]["taught"] == 1.0
        assert 0 < told["bart", arm]["taught"] < 1  # nothing of " yes", which it writes as "yes"
        assert told["bart", arm]["temperature"] == 2
    assert told["bert", "none"]["taught"] == 0
    assert told["bert", "annotate"]["taught"] == pytest.approx(6 / 18)
    assert all(one["soft"] > 0 for key, one in told.items() if key != ("bert", "none"))
