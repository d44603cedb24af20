"""WebNLG from XML and JSONL: how triples are written, what is refused, how it is divided."""

import gzip
import json
import tarfile
import zipfile

import pytest
from pydantic import TypeAdapter, ValidationError
from table_files import ids

from preceptor.data.readers import READERS, ReaderSettings
from preceptor.data.readers.webnlg import WebnlgSettings, linearised, read
from preceptor.errors import DataError
from shared_data import shared

ENTRY = """<entry category="{category}" eid="{eid}" size="{size}">
  <originaltripleset><otriple>x | y | z</otriple></originaltripleset>
  <modifiedtripleset>{triples}</modifiedtripleset>
  {lexes}
</entry>"""


def entry(n, triples=None, lexes=None, **changes):
    triples = triples or [f"Thing{n} | part | Whole{n}", f"Whole{n} | colour | red &amp; blue"]
    lexes = [f"Text {n}.", f"Other\n   text {n}."] if lexes is None else lexes
    given = {"category": "Food", "eid": f"Id{n}", "size": len(triples), **changes}
    return ENTRY.format(
        triples="".join(f"<mtriple>{each}</mtriple>" for each in triples),
        lexes="".join(f'<lex comment="good" lid="Id{i}">{t}</lex>' for i, t in enumerate(lexes, 1)),
        **given,
    )


def xml(path, *entries):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<benchmark><entries>{''.join(entries)}</entries></benchmark>")
    return path


def line(n, **changes):
    triples = [[f"Thing{n}", "part", f"Whole{n}"], [f"Whole{n}", "colour", "red"]]
    given = {"id": f"r{n}", "category": "Food", "triples": triples, "references": [f"Text {n}."]}
    row = {**given, **changes}
    return {key: value for key, value in row.items() if value is not ...}


def jsonl(path, *lines):
    data = "".join(json.dumps(each) + "\n" for each in lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def parts(folder, ending="xml", **given):
    """A study's files, of one good entry a part where nothing else is given."""
    for number, name in enumerate(("train", "test")):
        if ending == "xml":
            xml(folder / name / "1triples" / "Food.xml", *given.get(name, [entry(number)]))
        else:
            jsonl(folder / f"{name}.{ending}", *given.get(name, [line(number)]))
    return {name: name if ending == "xml" else f"{name}.{ending}" for name in ("train", "test")}


def opened(folder, **settings):
    return read(WebnlgSettings(reader="webnlg", **settings), folder)


def refused(folder, **settings):
    with pytest.raises(DataError) as error:
        opened(folder, **settings)
    return error.value


def test_an_entry_becomes_an_example(tmp_path):
    splits = opened(tmp_path, files=parts(tmp_path))
    (example,) = splits.train
    assert example.id == "train/1triples/Food:Id0"
    assert dict(example.inputs) == {
        "triples": "Thing0 | part | Whole0 && Whole0 | colour | red & blue",
        "category": "Food",
    }
    assert example.target == "Text 0."
    assert example.references == ("Text 0.", "Other text 0.")
    assert splits.targets == "text"
    place = f"{tmp_path}/train/1triples/Food.xml, entry 1 (eid Id0)"
    assert splits.place(example) == f"{place}, id {example.id}"
    assert splits.files == [tmp_path / part / "1triples" / "Food.xml" for part in ("train", "test")]


def test_texts_of_another_language_are_left_aside(tmp_path):
    lexes = '<lex lang="ru" lid="Id1">Текст.</lex><lex lang="en" lid="Id2">Text.</lex>'
    both = entry(0, lexes=[]).replace("</entry>", f"{lexes}</entry>")
    files = parts(tmp_path, train=[both], test=[both])
    assert opened(tmp_path, files=files).train[0].references == ("Text.",)
    assert opened(tmp_path, files=files, language="ru").train[0].references == ("Текст.",)


def test_repeated_texts_count_once(tmp_path):
    files = parts(tmp_path, train=[entry(0, lexes=["Same.", "Other.", "Same."])])
    assert opened(tmp_path, files=files).train[0].references == ("Same.", "Other.")


def test_folders_archives_and_single_files_say_the_same(tmp_path):
    parts(tmp_path)
    file = tmp_path / "train" / "1triples" / "Food.xml"
    with tarfile.open(tmp_path / "train.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "train", "train")
    with zipfile.ZipFile(tmp_path / "train.zip", "w") as archive:
        archive.write(file, "1triples/Food.xml")
    forms = ["train", "train.tar.gz", "train.zip", "train/1triples/Food.xml"]
    read_of = [opened(tmp_path, files={"train": form, "test": "test"}) for form in forms]
    assert all(each.train == read_of[0].train for each in read_of)
    assert read_of[1].files[0] == tmp_path / "train.tar.gz"


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz"])
def test_lines_of_json(tmp_path, ending):
    splits = opened(tmp_path, files=parts(tmp_path, ending))
    (example,) = splits.train
    assert (example.id, example.target) == ("r0", "Text 0.")
    assert example.inputs["triples"] == "Thing0 | part | Whole0 && Whole0 | colour | red"


def test_one_path_is_divided_by_sets_of_triples(tmp_path):
    turned = [line(n, id=f"t{n}", triples=line(n)["triples"][::-1]) for n in range(30)]
    jsonl(tmp_path / "all.jsonl", *[line(n) for n in range(30)], *turned)
    splits = opened(tmp_path, path="all.jsonl", split={"test": 20, "validation": 0.1})
    assert [len(part) for part in splits.labelled().values()] == [34, 6, 20]
    sides = [{one.id[1:] for one in part} for part in splits.labelled().values()]
    assert sum(map(len, sides)) == len(set().union(*sides)) == 30


def test_validation_may_come_out_of_train(tmp_path):
    files = parts(tmp_path, "jsonl", train=[line(n) for n in range(10)], test=[line(10)])
    splits = opened(tmp_path, files=files, split={"validation": 3})
    assert [len(part) for part in splits.labelled().values()] == [7, 3, 1]


def test_an_unlabelled_part_needs_no_text(tmp_path):
    files = parts(tmp_path)
    xml(tmp_path / "more.xml", entry(7, lexes=[]), entry(8))
    splits = opened(tmp_path, files={**files, "unlabelled": "more.xml"})
    assert [one.target for one in splits.unlabelled] == [None, None]
    assert [one.references for one in splits.unlabelled] == [(), ()]
    bare = line(9, references=...)
    jsonl(tmp_path / "more.jsonl", bare)
    splits = opened(tmp_path, files={**files, "unlabelled": "more.jsonl"})
    assert ids(splits.unlabelled) == ["r9"]


def test_an_entry_without_text_is_left_out_of_train_and_refused_in_test(tmp_path):
    files = parts(tmp_path, train=[entry(0, lexes=[]), entry(1)])
    splits = opened(tmp_path, files=files)
    assert ids(splits.train) == ["train/1triples/Food:Id1"]
    assert [(one.where, one.reason) for one in splits.dropped] == [
        (
            f"{tmp_path}/train/1triples/Food.xml, entry 1 (eid Id0)",
            "no text (lex) for the triples",
        )
    ]
    assert splits.notes == ["1 rows without an answer were left out."]
    error = refused(tmp_path, files=parts(tmp_path, test=[entry(0), entry(1, lexes=[])]))
    assert error.what == "an entry without a text"
    assert error.where == f"{tmp_path}/test/1triples/Food.xml, entry 2 (eid Id1), lex"
    assert "file with references" in error.fix


def test_all_that_is_wrong_with_entries_at_once(tmp_path):
    wrong = [
        entry(0, triples=["only | two"]),
        entry(1, triples=["a | b | "]),
        entry(2).replace("mtriple", "other"),
        entry(3, lexes=["Good.", "  "]),
    ]
    error = refused(tmp_path, files=parts(tmp_path, train=wrong))
    lines = str(error).splitlines()
    assert lines[0] == "train, test: 4 problems"
    place = f"{tmp_path}/train/1triples/Food.xml, entry"
    assert f"{place} 1 (eid Id0), modifiedtripleset: not a triple; found 'only | two'" in lines[1]
    assert "entry 2 (eid Id1), modifiedtripleset: not a triple" in lines[2]
    assert "entry 3 (eid Id2), modifiedtripleset: an entry without triples" in lines[3]
    assert "entry 4 (eid Id3), lex 2: a reference is empty text" in lines[4]


def test_files_that_are_not_what_they_should_be(tmp_path):
    files = parts(tmp_path)
    file = tmp_path / "train" / "1triples" / "Food.xml"
    file.write_text("<benchmark>\n<entries></entry></benchmark>")
    error = refused(tmp_path, files=files)
    assert error.what == "a file is not XML: mismatched tag"
    assert error.where == f"{file}:2 (line 2, column 12)"
    file.write_text("<html/>")
    assert refused(tmp_path, files=files).what == "an XML file is not a WebNLG document"
    file.write_text("<benchmark/>")
    assert refused(tmp_path, files=files).what == "a file has no entries"
    file.write_text('<!DOCTYPE d [<!ENTITY a "ha">]>\n<benchmark>&a;</benchmark>')
    assert refused(tmp_path, files=files).what == "an XML file with a document type definition"
    (tmp_path / "train.txt").write_text("x")
    error = refused(tmp_path, files={**files, "train": "train.txt"})
    assert error.what == "a file is of an unknown format"
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path, files={**files, "train": "empty"}).what == "no .xml file"
    assert "did you mean" in refused(tmp_path, files={**files, "train": "train.txd"}).fix


@pytest.mark.parametrize(
    ("changes", "what", "where", "found"),
    [
        ({"references": []}, "an empty list", "references", "[]"),
        ({"references": ["Good.", " "]}, "empty text", "references.1", "' '"),
        ({"references": ...}, "a key is missing", "references", "keys id, category, triples"),
        ({"triples": [["a", "b"]]}, "a list is too short", "triples.0", "['a', 'b']"),
        ({"triples": "a | b | c"}, "a value of another kind", "triples", "'a | b | c'"),
        ({"triples": [["a", "b", 3]]}, "a value of another kind", "triples.0.2", "3"),
        ({"category": 7}, "a value of another kind", "category", "7"),
        ({"input": "a | b"}, "a line contradicts itself", "input", "'a | b'"),
        ({"target": "Not it."}, "a line contradicts itself", "target", "'Not it.'"),
    ],
)
def test_lines_that_are_wrong(tmp_path, changes, what, where, found):
    files = parts(tmp_path, "jsonl", train=[line(5), line(6, **changes)])
    error = refused(tmp_path, files=files)
    assert (error.what, error.found) == (what, found)
    assert error.where == f"{tmp_path}/train.jsonl:2, {where}"
    assert error.expected


def test_a_duplicate_id_and_a_line_that_is_no_json(tmp_path):
    files = parts(tmp_path, "jsonl", train=[line(1)])
    error = refused(tmp_path, files=files)
    assert (error.what, error.found) == ("a duplicate id", f"r1, as in {tmp_path}/train.jsonl:1")
    (tmp_path / "train.jsonl").write_text('{"id": ')
    assert refused(tmp_path, files=files).what.startswith("a line is not JSON")


def test_settings():
    given = {"reader": "webnlg", "path": "a", "split": {"test": 0.2}}
    settings = TypeAdapter(ReaderSettings).validate_python(given)
    assert READERS["webnlg"].read is read
    assert settings.columns.fields() == {"triples": "input", "category": "category"}
    for wrong, said in (
        ({"path": "a"}, "path needs split"),
        ({"path": "a", "split": {"validation": 3}}, "no test part"),
        ({"files": {"train": "a", "test": "a"}}, "one file stands for two parts"),
        ({"files": {"train": "a", "test": "b"}, "split": {"test": 3}}, "split draws test"),
        ({}, "path or files"),
    ):
        with pytest.raises(ValidationError, match=said):
            WebnlgSettings(reader="webnlg", **wrong)
    with pytest.raises(DataError, match="targets are texts"):
        read(settings, None, "label")


def test_the_xml_says_what_the_jsonl_says():
    folder = shared("webnlg")
    archive = "webnlg_dev_xml_sample.tar.gz"
    splits = opened(folder, path=archive, split={"test": 0.2})
    entries = [one for part in splits.labelled().values() for one in part]
    assert (len(entries), len(splits.dropped)) == (397, 0)
    files = {"train": "train.jsonl.gz", "validation": "dev.jsonl.gz", "test": "test.jsonl.gz"}
    lines = opened(folder, files=files)
    assert [len(part) for part in lines.labelled().values()] == [5000, 500, 1000]
    ours = {tuple(one.inputs.values()): one.references for one in entries}
    both = [one for one in lines.validation if tuple(one.inputs.values()) in ours]
    assert len(both) == 227
    assert all(ours[tuple(one.inputs.values())] == one.references for one in both)


def test_the_linearisation_is_that_of_the_published_lines():
    with gzip.open(shared("webnlg/test.jsonl.gz"), "rt", encoding="utf-8") as file:
        rows = [json.loads(each) for each in file]
    assert len(rows) == 1000
    assert all(linearised(row["triples"]) == row["input"] for row in rows)
