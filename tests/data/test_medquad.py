"""MedQuAD from CSV and XML: what is left out, how it is divided, what leaks."""

import csv
import gzip
import io
import re
import subprocess
import sys
import tarfile
import zipfile

import pytest
from pydantic import TypeAdapter, ValidationError

from preceptor.data.near import NEAR_JACCARD, SHINGLE
from preceptor.data.readers import READERS, ReaderSettings
from preceptor.data.readers.medquad import MedquadSettings, read
from preceptor.data.words import normalise
from preceptor.errors import DataError
from shared_data import shared

HEADER = ["question", "answer", "source", "focus_area"]


def row(n, **changes):
    """A row of its own: no word of its question, focus or answer stands in another's."""
    given = {
        "question": f"What is disease{n} ?",
        "answer": " ".join(f"word{n}x{i}" for i in range(30)),
        "source": "GARD",
        "focus_area": f"disease{n}",
    }
    return {**given, **changes}


ROWS = [row(n) for n in range(40)]


def table(rows, header=HEADER):
    file = io.StringIO()
    writer = csv.DictWriter(file, header, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def opened(folder, path="medquad.csv", rows=None, by="random", **settings):
    if rows is not None:
        (folder / path).write_text(table(rows))
    split = {"by": by, "test": 8, "validation": 4, **settings.pop("split", {})}
    return read(MedquadSettings(reader="medquad", path=path, split=split, **settings), folder)


def refused(folder, *given, **settings):
    with pytest.raises(DataError) as error:
        opened(folder, *given, **settings)
    return error.value


def everything(splits):
    return [one for part in splits.labelled().values() for one in part]


def ids(examples):
    return {one.id for one in examples}


def test_rows_become_examples(tmp_path):
    splits = opened(tmp_path, rows=ROWS)
    assert [len(part) for part in splits.labelled().values()] == [28, 4, 8]
    example = next(one for one in everything(splits) if one.id == "medquad:3")
    assert dict(example.inputs) == {"question": "What is disease2 ?"}
    assert example.target == ROWS[2]["answer"]
    assert dict(example.extra) == {"focus": "disease2", "source": "GARD"}
    assert splits.place(example) == f"{tmp_path}/medquad.csv:3 (line 4), id medquad:3"
    assert (splits.targets, splits.files) == ("text", [tmp_path / "medquad.csv"])
    (tmp_path / "medquad.csv.gz").write_bytes(gzip.compress(table(ROWS).encode()))
    zipped = opened(tmp_path, "medquad.csv.gz")
    assert ids(zipped.test) == ids(splits.test)


def test_what_is_empty_is_left_out_with_its_reason(tmp_path):
    rows = [*ROWS, row(40, answer=" "), row(41, focus_area=""), row(42, question="", answer="")]
    splits = opened(tmp_path, rows=rows)
    assert [(each.where.split("/")[-1], each.reason) for each in splits.dropped] == [
        ("medquad.csv:41 (line 42)", "empty: answer"),
        ("medquad.csv:43 (line 44)", "empty: question, answer"),
    ]
    assert "2 of 43 rows were left out (drop: qa)" in splits.notes[-1]
    splits = opened(tmp_path, rows=rows, drop="any")
    assert len(splits.dropped) == 3
    assert "empty: focus_area: 1" in splits.notes[-1]
    assert len(everything(splits)) == 40


def test_a_random_split_says_what_leaks(tmp_path):
    twins = [row(n, question="What is it ?", focus_area="it") for n in range(20)]
    splits = opened(tmp_path, rows=[*twins, *[row(n) for n in range(20, 40)]])
    share = sum(one.extra["focus"] == "it" for one in splits.test) / 8
    leaks = next(note for note in splits.notes if note.startswith("What leaks into test"))
    assert 0 < share < 1
    assert f"{share:.1%} of its questions stand word for word in train" in leaks
    assert f"{share:.1%} of its rows have a focus that is in train" in leaks
    assert "0.0% of its answers" in leaks
    assert any("carved from what would be train" in note for note in splits.notes)


def test_a_grouped_split_keeps_together_what_hangs_together(tmp_path):
    answers = [f"common words that all of these answers have {'and more ' * 9}" + "end"] * 6
    rows = [
        *[row(n, focus_area=f"focus {n // 3}") for n in range(30)],
        *[row(30 + n, question=f"Question {n // 2}!") for n in range(10)],
        *[row(40 + n, answer=answer) for n, answer in enumerate(answers)],
    ]
    for seed in range(5):
        splits = opened(tmp_path, rows=rows, by="grouped", split={"seed": seed})
        for part in ("test", "validation"):
            (leaks,) = (note for note in splits.notes if note.startswith(f"What leaks into {part}"))
            assert re.findall(r"(\d+\.\d)%", leaks) == ["0.0"] * 3
        for key in (lambda one: one.extra["focus"], lambda one: one.inputs["question"]):
            parts = [{key(one) for one in part} for part in splits.labelled().values()]
            assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]
        assert (
            sum(any("common" in one.target for one in p) for p in splits.labelled().values()) == 1
        )
    assert any("16 groups, the largest of 6 rows" in note for note in splits.notes)


def test_rows_without_focus_do_not_hang_together_by_it(tmp_path):
    splits = opened(tmp_path, rows=[row(n, focus_area="") for n in range(40)], by="grouped")
    assert any("40 groups" in note for note in splits.notes)
    assert len(splits.test) == 8


def test_a_group_too_large_for_a_part_stays_in_train(tmp_path):
    rows = [row(n, focus_area="one" if n < 25 else f"f{n}") for n in range(40)]
    for seed in range(10):
        splits = opened(tmp_path, rows=rows, by="grouped", split={"seed": seed})
        assert len(splits.test) == 8
        assert all(one.extra["focus"] != "one" for one in splits.test)
    rows = [row(n, focus_area="one") for n in range(40)]
    error = refused(tmp_path, rows=rows, by="grouped")
    assert error.what == "the data cannot be divided like this"


def test_seeds_and_rows_decide_and_pythons_hash_seed_does_not(tmp_path):
    first, again, other = (
        opened(tmp_path, rows=ROWS, split={"seed": seed}, by="grouped") for seed in (0, 0, 1)
    )
    assert ids(first.test) == ids(again.test) != ids(other.test)
    program = (
        "from pathlib import Path; from preceptor.data.readers.medquad import *;"
        "s = MedquadSettings(reader='medquad', path='medquad.csv',"
        " split={'by': 'grouped', 'test': 8, 'validation': 4});"
        f"print(sorted(one.id for one in read(s, Path({str(tmp_path)!r})).test))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert said == {str(sorted(ids(first.test)))}


def test_the_paper_has_no_validation_part(tmp_path):
    splits = opened(tmp_path, rows=ROWS, split={"test": 0.2, "validation": None})
    assert [len(part) for part in splits.labelled().values()] == [32, 0, 8]
    assert not any("alidation" in note for note in splits.notes)


DOCUMENT = """<?xml version="1.0" encoding="UTF-8"?>
<Document id="{n}" source="{source}" url="http://example.org/{n}">
 <!-- a remark -->
<Focus>disease{n}</Focus>
<QAPairs>
  <QAPair pid="1"><Question qid="{n}-1" qtype="information">What is disease{n} ?</Question>
    <Answer>Key Points
                - disease{n} is  rare &amp; mild.

              It   passes.</Answer></QAPair>
  <QAPair pid="2"><Question qid="{n}-2" qtype="causes">What causes disease{n} ?</Question>
    <Answer>{answer}</Answer></QAPair>
</QAPairs>
</Document>"""
REMOVED = re.sub(r"<Answer>.*?</Answer>", "<Answer></Answer>", DOCUMENT, flags=re.DOTALL)


def collections(folder):
    """20 documents with answers in one collection, 2 without in another."""
    for name, count, text in (("1_A_QA", 20, DOCUMENT), ("2_B_QA", 2, REMOVED)):
        (folder / name).mkdir(parents=True)
        for n in range(count):
            answer = " ".join(f"cause{n}x{i}" for i in range(9))
            filled = text.format(n=n, source=name[2], answer=answer)
            (folder / name / f"000{n}.xml").write_text(filled)
    return folder


def test_xml_from_a_folder_and_from_archives_is_the_same(tmp_path):
    folder = collections(tmp_path / "MedQuAD")
    (folder / "1_A_QA" / "._0000.xml").write_text("what a file manager left")
    with tarfile.open(tmp_path / "m.tar.gz", "w:gz") as archive:
        archive.add(folder, "MedQuAD-master")
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        for file in folder.rglob("*.xml"):
            archive.write(file, file.relative_to(folder))
    read_of = {path: opened(tmp_path, path) for path in ("MedQuAD", "m.tar.gz", "m.zip")}
    splits = read_of["MedQuAD"]
    assert len(everything(splits)) == 40
    for other in read_of.values():
        assert other.test == splits.test
    example = next(one for one in everything(splits) if one.id == "1_A_QA/0003:1")
    assert example.target == "Key Points\n- disease3 is rare & mild.\nIt passes."
    assert dict(example.extra) == {"focus": "disease3", "source": "A"}
    assert splits.places[example.id] == f"{folder}/1_A_QA/0003.xml, pair 1"
    assert len(splits.files) == 22
    assert [path.name for path in read_of["m.zip"].files] == ["m.zip"]


def test_a_collection_whose_answers_were_removed_is_named(tmp_path):
    splits = opened(tmp_path, str(collections(tmp_path / "MedQuAD")))
    assert [each.reason for each in splits.dropped] == ["empty: answer (no answer in all of B)"] * 4
    error = refused(tmp_path / "MedQuAD", "2_B_QA")
    assert error.what == "no row is left"
    assert "4 rows, 4 of them left out: empty: answer" in error.found


def test_broken_xml_names_file_and_line(tmp_path):
    folder = collections(tmp_path / "MedQuAD")
    (folder / "1_A_QA" / "0001.xml").write_text("<Document>\n<Focus>x</Fokus>\n</Document>")
    error = refused(tmp_path, "MedQuAD")
    assert error.what == "a file is not XML: mismatched tag"
    assert error.where == f"{folder}/1_A_QA/0001.xml:2 (line 2, column 11)"
    (folder / "1_A_QA" / "0002.xml").write_text("")
    (folder / "1_A_QA" / "0003.xml").write_text("<html/>")
    lines = str(refused(tmp_path, "MedQuAD")).splitlines()
    assert lines[0] == "MedQuAD: 3 problems"
    assert "0002.xml:1 (line 1, column 1): a file is not XML: no element found" in lines[2]
    assert "not a MedQuAD document; found 'html'" in lines[3]


def test_entities_are_refused(tmp_path):
    folder = collections(tmp_path / "MedQuAD")
    bomb = '<!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>\n<Document>&b;</Document>'
    (folder / "1_A_QA" / "0001.xml").write_text(bomb)
    error = refused(tmp_path, "MedQuAD")
    assert error.what == "an XML file with a document type definition"
    assert error.where == f"{folder}/1_A_QA/0001.xml:1"


def test_archives_that_cannot_be_read(tmp_path):
    for name in ("a.zip", "a.tar.gz"):
        (tmp_path / name).write_bytes(b"no archive")
        assert refused(tmp_path, name).what.startswith("an archive cannot be read")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing here")
    assert refused(tmp_path, "b.zip").what == "no .xml file"
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        for top in ("one", "two"):
            archive.writestr(f"{top}/1_A_QA/1.xml", "<Document/>")
    error = refused(tmp_path, "c.zip")
    assert error.what == "two files of one folder and name"
    assert error.found == f"1_A_QA/1, as in {tmp_path}/c.zip/one/1_A_QA/1.xml"


def test_files_that_are_not_what_they_should_be(tmp_path):
    (tmp_path / "medquad.csv").write_text(table(ROWS, ["question", "answer", "source"]))
    error = refused(tmp_path)
    assert (error.what, error.expected) == ("a column is missing", "a column 'focus_area'")
    (tmp_path / "medquad.csv").write_text("")
    assert refused(tmp_path).what == "a data file is empty"
    (tmp_path / "medquad.csv").write_text(",".join(HEADER) + "\n")
    assert refused(tmp_path).what == "a data file has no rows"
    assert refused(tmp_path, rows=[row(0, answer="")]).what == "no row is left"
    assert refused(tmp_path, "medqad.csv").fix == "did you mean medquad.csv?"
    (tmp_path / "medquad.json").write_text("{}")
    assert refused(tmp_path, "medquad.json").what == "a file is of an unknown format"


def test_nothing_left_to_train_on(tmp_path):
    error = refused(tmp_path, rows=ROWS, split={"test": 40, "validation": None})
    assert error.found == "40 rows: test 40, train 0"


def test_settings():
    given = {"reader": "medquad", "path": "a.csv", "split": {"by": "grouped"}}
    settings = TypeAdapter(ReaderSettings).validate_python(given)
    assert (settings.drop, settings.split.test, settings.split.validation) == ("qa", 0.2, 0.05)
    assert READERS["medquad"].read is read
    with pytest.raises(ValidationError, match=r"split\n"):
        MedquadSettings(reader="medquad", path="a.csv")
    with pytest.raises(ValidationError, match="by"):
        MedquadSettings(reader="medquad", path="a.csv", split={"test": 0.1})


def test_a_task_of_labels_is_refused(tmp_path):
    settings = MedquadSettings(reader="medquad", path="a.csv", split={"by": "random"})
    with pytest.raises(DataError, match="answers are texts"):
        read(settings, tmp_path, "label")


def test_the_published_csv_under_the_papers_split():
    path = shared("medquad/medquad.csv.gz")
    splits = opened(path.parent, path.name, split={"test": 0.1, "validation": None})
    assert (len(splits.dropped), len(everything(splits))) == (5, 16412 - 5)
    assert len(splits.test) == 1641
    leaks = next(note for note in splits.notes if note.startswith("What leaks into test"))
    shares = [float(each) for each in re.findall(r"(\d+\.\d)%", leaks)]
    assert shares == [pytest.approx(each, abs=2) for each in (21, 86, 8.3)]


def test_the_published_csv_in_groups():
    path = shared("medquad/medquad.csv.gz")
    split = {"test": 0.2, "validation": 0.05}
    splits = opened(path.parent, path.name, by="grouped", drop="any", split=split)
    assert len(splits.dropped) == 19
    assert [len(part) for part in splits.labelled().values()] == [12294, 820, 3279]
    for key in (lambda one: one.extra["focus"], lambda one: one.inputs["question"]):
        parts = [{normalise(key(one)) for one in part} for part in splits.labelled().values()]
        assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]
    assert not near_in_train(splits.test[:100], splits.train)


def near_in_train(held, train):
    """Ids of those with a near-duplicate in train, by comparing with every one exactly."""
    known = [shingles(one.target) for one in train]
    found = []
    for one in held:
        ours = shingles(one.target)
        sized = [s for s in known if NEAR_JACCARD * len(ours) <= len(s) <= len(ours) / NEAR_JACCARD]
        if any(len(ours & s) >= NEAR_JACCARD * len(ours | s) for s in sized):
            found.append(one.id)
    return found


def shingles(text):
    words = normalise(text).split()
    runs = {hash(run) for run in zip(*(words[n:] for n in range(SHINGLE)), strict=False)}
    return runs or {hash(tuple(words))}


def test_the_original_xml_says_what_the_csv_says():
    folder = shared("medquad")
    splits = opened(folder, "medquad_xml_sample.tar.gz", by="grouped")
    assert (len(splits.dropped), len(everything(splits))) == (136, 325)
    assert "no answer in all of MPlusDrugs" in splits.notes[-1]
    with gzip.open(folder / "medquad.csv.gz", "rt", encoding="utf-8", newline="") as file:
        answers = {each["answer"] for each in csv.DictReader(file)}
    assert {one.target for one in everything(splits)} <= answers
