import json

import pytest
from pydantic import ValidationError

from preceptor.data.readers.pubmedqa import PubmedqaSettings, read
from preceptor.data.targets import check_labels
from preceptor.errors import DataError
from shared_data import shared

LABELS = ("yes", "no", "maybe")


def item(n):
    return {
        "QUESTION": f"Does treatment {n} help?",
        "CONTEXTS": [f"We treated {n} people.", "Most of them did well."],
        "LABELS": ["METHODS", "RESULTS"],
        "MESHES": ["Adult", "Humans"],
        "YEAR": "2001",
        "reasoning_required_pred": "yes",
        "reasoning_free_pred": "no",
        "final_decision": LABELS[n % 3],
        "LONG_ANSWER": f"Treatment {n} may help.",
    }


def made(folder, count=30, test=10, **changes):
    items = {str(n): item(n) for n in range(count)}
    items.update(changes)
    (folder / "ori_pqal.json").write_text(json.dumps(items))
    answers = {str(n): item(n)["final_decision"] for n in range(test)}
    (folder / "test_ground_truth.json").write_text(json.dumps(answers))
    return folder


def opened(folder, protocol="drllama", **settings):
    given = {"path": "ori_pqal.json", "sizes": (12, 8), **settings}
    return read(PubmedqaSettings(reader="pubmedqa", protocol=protocol, **given), folder)


def refused(folder, *protocol, **settings):
    with pytest.raises(DataError) as error:
        opened(folder, *protocol, **settings)
    return error.value


def names(examples):
    return [example.id for example in examples]


@pytest.mark.parametrize("meshes", [[1, 2], "Humans", {"a": "b"}])
def test_meshes_are_a_list_of_texts(tmp_path, meshes):
    error = refused(made(tmp_path, **{"3": {**item(3), "MESHES": meshes}}))
    assert error.where == f"{tmp_path}/ori_pqal.json:4 (id 3), MESHES"
    assert error.expected == "a list of texts"


def test_half_a_character_and_a_depth_that_python_refuses(tmp_path):
    error = refused(made(tmp_path, **{"3": {**item(3), "CONTEXTS": ["one", "two \ud83d"]}}))
    assert error.what == "half a character"
    assert error.where == f"{tmp_path}/ori_pqal.json, 3/CONTEXTS"
    (tmp_path / "ori_pqal.json").write_text('{"a": ' * 100_000)
    assert "nested too deeply" in refused(tmp_path).what


def test_drllama_takes_the_file_in_order(tmp_path):
    splits = opened(made(tmp_path))
    assert names(splits.train) == [str(n) for n in range(12)]
    assert names(splits.validation) == [str(n) for n in range(12, 20)]
    assert names(splits.test) == [str(n) for n in range(20, 30)]
    assert "Protocol drllama" in splits.notes[0]
    assert "Not the published split" in splits.notes[1]


def test_official_takes_the_published_ids_and_draws_validation_by_label(tmp_path):
    splits = opened(made(tmp_path), "official", sizes=(14, 6))
    assert names(splits.test) == [str(n) for n in range(10)]
    assert sorted(e.target for e in splits.validation) == sorted(LABELS * 2)
    assert len(splits.train) == 14
    assert not set(names(splits.train)) & set(names(splits.validation))
    assert "Protocol official" in splits.notes[0]
    assert [path.name for path in splits.files] == ["ori_pqal.json", "test_ground_truth.json"]


def test_the_long_answer_is_an_input_only_in_the_reasoning_free_setting(tmp_path):
    example = opened(made(tmp_path)).test[0]
    assert dict(example.inputs) == {
        "question": "Does treatment 20 help?",
        "context": "We treated 20 people.\nMost of them did well.",
    }
    assert example.extra["long_answer"] == "Treatment 20 may help."
    assert example.extra["reasoning_required_pred"] == "yes"
    assert (example.extra["meshes"], example.extra["year"]) == ("Adult; Humans", "2001")
    free = opened(tmp_path, setting="reasoning_free")
    assert free.test[0].inputs["long_answer"] == "Treatment 20 may help."
    assert "long_answer" not in free.test[0].extra
    assert any("Reasoning-free" in note for note in free.notes)


def test_too_few_rows(tmp_path):
    error = refused(made(tmp_path), sizes=(450, 50))
    assert (error.found, error.expected) == ("30 rows", "at least 550")
    error = refused(tmp_path, "official", sizes=(12, 9))
    assert (error.found, error.expected) == ("20 rows that are not test", "21")


def test_all_that_is_wrong_with_the_items_at_once(tmp_path):
    made(
        tmp_path,
        **{
            "3": {**item(3), "CONTEXTS": []},
            "4": {**item(4), "QUESTION": " "},
            "5": {key: value for key, value in item(5).items() if key != "final_decision"},
            "6": "text",
        },
    )
    lines = str(refused(tmp_path)).splitlines()
    assert lines[0] == "ori_pqal.json: 4 problems"
    assert f"{tmp_path}/ori_pqal.json:4 (id 3), CONTEXTS: an example without context" in lines[1]
    assert "an example without QUESTION" in lines[2]
    assert "an example without final_decision" in lines[3]
    assert "an item is not an object" in lines[4]


def test_files_that_are_not_what_they_should_be(tmp_path):
    (tmp_path / "ori_pqal.json").write_text('{"1": {"QUESTION": "a"},\n "2" {}}')
    assert "line 2, column 6" in refused(tmp_path).where
    (tmp_path / "ori_pqal.json").write_text("[1]")
    assert refused(tmp_path).what == "a file is not PubMedQA"
    (tmp_path / "ori_pqal.json").write_text('{"1": {}, "1": {}}')
    assert refused(tmp_path).found == "1 more than once"


def test_test_ids_that_are_missing_unknown_or_disagree(tmp_path):
    made(tmp_path)
    ids = tmp_path / "test_ground_truth.json"
    ids.write_text(json.dumps({"0": "no", "99": "yes"}))
    text = str(refused(tmp_path, "official"))
    assert "the two files disagree" in text
    assert "a test id that the data lacks; found 99" in text
    ids.unlink()
    error = refused(tmp_path, "official")
    assert error.what == "the official test ids are missing"
    assert error.where == str(ids)
    (tmp_path / "ids.json").write_text(json.dumps([str(n) for n in range(10)]))
    assert len(opened(tmp_path, "official", test_ids="ids.json").test) == 10


def test_the_protocol_must_be_named():
    with pytest.raises(ValidationError, match="protocol"):
        PubmedqaSettings(reader="pubmedqa", path="x")


def test_the_published_file_under_both_protocols():
    folder = shared("pubmedqa")
    both = [opened(folder, protocol, sizes=(450, 50)) for protocol in ("drllama", "official")]
    for splits in both:
        assert [len(part) for part in splits.labelled().values()] == [450, 50, 500]
        assert check_labels(splits, LABELS) == []
        assert len(splits.notes) == 1
    drllama, official = both
    shared_test = set(names(drllama.test)) & set(names(official.test))
    assert len(shared_test) == 258
    assert len(set(names(drllama.train)) & set(names(official.test))) == 218
    counts = [[e.target for e in drllama.validation].count(label) for label in LABELS]
    assert counts == [32, 17, 1]
    truth = json.loads((folder / "test_ground_truth.json").read_text())
    assert {e.id: e.target for e in official.test} == truth
