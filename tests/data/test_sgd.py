"""Schema-Guided Dialogue from JSON and JSONL: how acts are written, what is refused."""

import gzip
import json
import tarfile

import pytest
from pydantic import TypeAdapter, ValidationError
from table_files import ids

from preceptor.data.acts import Act, linearised
from preceptor.data.readers import READERS, ReaderSettings
from preceptor.data.readers.sgd import SgdSettings, read
from preceptor.errors import DataError
from shared_data import shared

SERVICES = [
    {"service_name": "Tables_1", "slots": [{"name": "city"}, {"name": "date"}], "intents": []}
]


def act(act, slot="", *values):
    return {"act": act, "slot": slot, "values": list(values), "canonical_values": list(values)}


ACTS = [act("OFFER", "city", "Rome", "Paris"), act("REQUEST", "date"), act("NOTIFY_SUCCESS")]


def turn(speaker, utterance, *acts, service="Tables_1"):
    frame = {"service": service, "actions": list(acts), "slots": []}
    return {"speaker": speaker, "utterance": utterance, "frames": [frame]}


def dialogue(n, *turns):
    said = [turn("USER", f"Ask {n}.", act("INFORM", "city", "Rome")), turn("SYSTEM", f"Say {n}.")]
    said[1]["frames"][0]["actions"] = ACTS
    return {"dialogue_id": f"1_{n:05}", "services": ["Tables_1"], "turns": list(turns) or said}


def folder(path, *dialogues, schema=SERVICES):
    path.mkdir(parents=True, exist_ok=True)
    for number, several in enumerate(dialogues, 1):
        (path / f"dialogues_{number:03}.json").write_text(json.dumps(several))
    if schema is not None:
        (path / "schema.json").write_text(json.dumps(schema))
    return path


def line(n, **changes):
    acts = [{key: each[key] for key in ("act", "slot", "values")} for each in ACTS]
    given = {
        "id": f"r{n}",
        "dialogue_id": f"d{n // 2}",
        "acts": acts,
        "prompt": f"Ask {n}.",
        "references": [f"Say {n}.", f"Tell {n}."],
        "service": "Tables_1",
        "seen_service": True,
    }
    row = {**given, **changes}
    return {key: value for key, value in row.items() if value is not ...}


def jsonl(path, *lines):
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))


def opened(base, **settings):
    return read(SgdSettings(reader="sgd", **settings), base)


def of_train(base, *dialogues, **given):
    """A study's train folder of these dialogues, and a test folder of a good one."""
    folder(base / "train", list(dialogues), **given)
    folder(base / "test", [dialogue(9)])
    return opened(base, files={"train": "train", "test": "test"})


def refused(action, *given, **settings):
    with pytest.raises(DataError) as error:
        action(*given, **settings)
    return error.value


WRITTEN = "offer( city = Rome | Paris ), request( date ), notify_success"


def test_every_turn_of_the_system_becomes_an_example(tmp_path):
    more = turn("SYSTEM", "Four.", act("INFORM_COUNT", "count", "4"))
    long = dialogue(1)
    long["turns"] += [turn("USER", "How many?"), more]
    splits = of_train(tmp_path, dialogue(0), long)
    assert ids(splits.train) == ["train/1_00000:1", "train/1_00001:1", "train/1_00001:3"]
    first, _, last = splits.train
    assert dict(first.inputs) == {"acts": WRITTEN, "prompt": "Ask 0.", "service": "Tables_1"}
    assert (first.target, first.references) == ("Say 0.", ("Say 0.",))
    assert dict(last.inputs)["prompt"] == "How many?"
    assert dict(last.inputs)["acts"] == "inform_count( count = 4 )"
    assert dict(first.extra) == {"dialogue_id": "1_00000"}
    place = f"{tmp_path}/train/dialogues_001.json, dialogue 1 (id 1_00000), turn 1"
    assert splits.places[first.id] == place
    assert tmp_path / "train" / "schema.json" in splits.files


def test_archives_and_single_files(tmp_path):
    folder(tmp_path / "train", [dialogue(0)], [dialogue(1)])
    folder(tmp_path / "test", [dialogue(9)])
    with tarfile.open(tmp_path / "train.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "train", "sgd/train")
    packed = opened(tmp_path, files={"train": "train.tar.gz", "test": "test"})
    plain = opened(tmp_path, files={"train": "train", "test": "test"})
    assert packed.train == plain.train
    one = opened(tmp_path, files={"train": "train/dialogues_002.json", "test": "test"})
    assert one.train == plain.train[1:]
    assert one.files[:2] == [
        tmp_path / "train" / name for name in ("dialogues_002.json", "schema.json")
    ]


def test_lines_of_json(tmp_path):
    jsonl(tmp_path / "train.jsonl", line(0), line(1, dialogue_id=...))
    jsonl(tmp_path / "test.jsonl", line(2, input=WRITTEN, target="Say 2."))
    splits = opened(tmp_path, files={"train": "train.jsonl", "test": "test.jsonl"})
    example = splits.train[0]
    assert dict(example.inputs) == {"acts": WRITTEN, "prompt": "Ask 0.", "service": "Tables_1"}
    assert example.references == ("Say 0.", "Tell 0.")
    assert dict(example.extra) == {"dialogue_id": "d0", "seen_service": "true"}


def test_one_path_is_divided_by_dialogues(tmp_path):
    jsonl(tmp_path / "all.jsonl", *[line(n) for n in range(40)])
    splits = opened(tmp_path, path="all.jsonl", split={"test": 10, "validation": 4})
    assert [len(part) for part in splits.labelled().values()] == [26, 4, 10]
    sides = [{one.extra["dialogue_id"] for one in part} for part in splits.labelled().values()]
    assert sum(map(len, sides)) == len(set().union(*sides)) == 20
    jsonl(tmp_path / "all.jsonl", line(0), line(1, dialogue_id=...))
    error = refused(opened, tmp_path, path="all.jsonl", split={"test": 1})
    assert (error.what, error.expected) == ("a key is missing", "a key 'dialogue_id'")


def test_turns_without_acts_are_left_out_with_their_reason(tmp_path):
    long = dialogue(1)
    long["turns"] += [turn("USER", "Well?"), turn("SYSTEM", "Hm.")]
    splits = of_train(tmp_path, long)
    (dropped,) = splits.dropped
    assert dropped.reason == "a turn of the system without acts"
    assert dropped.where.endswith("dialogue 1 (id 1_00001), turn 3")


@pytest.mark.parametrize(
    ("acts", "service", "what", "found", "fix"),
    [
        ([act("OFFER", "citty", "Rome")], "Tables_1", "a slot of Tables_1", "'citty'", "'city'"),
        ([act("REQUEST", "zzz")], "Tables_1", "a slot of Tables_1", "'zzz'", "schema.json that"),
        ([act("REQUEST", "date")], "Tables_2", "a service that", "'Tables_2'", "'Tables_1'"),
        ([act("OFFER", "", "Rome")], "Tables_1", "an act without its slot", "OFFER", "name the"),
        ([act("OFER", "city")], "Tables_1", "an act that is none", "'OFER'", "'OFFER'"),
    ],
)
def test_acts_that_the_schema_does_not_know(tmp_path, acts, service, what, found, fix):
    wrong = dialogue(0, turn("USER", "Ask."), turn("SYSTEM", "Say.", *acts, service=service))
    error = refused(of_train, tmp_path, wrong)
    assert error.what.startswith(what)
    assert error.where.endswith("dialogues_001.json, dialogue 1 (id 1_00000), turn 1")
    assert found in error.found
    assert fix in error.fix
    assert error.expected


def test_intent_and_count_are_slots_of_every_service(tmp_path):
    acts = [act("OFFER_INTENT", "intent", "Book"), act("INFORM_COUNT", "count", "2")]
    wrong = dialogue(0, turn("USER", "Ask."), turn("SYSTEM", "Say.", *acts))
    (example,) = of_train(tmp_path, wrong).train
    assert example.inputs["acts"] == "offer_intent( intent = Book ), inform_count( count = 2 )"


def test_dialogues_that_are_wrong_all_at_once(tmp_path):
    mute = dialogue(1, turn("USER", "Ask."), turn("SYSTEM", " ", *ACTS))
    first = dialogue(2, turn("SYSTEM", "Say.", *ACTS))
    strange = {**dialogue(3), "turns": [{"speaker": "CAT", "utterance": 1, "frames": []}]}
    error = refused(of_train, tmp_path, mute, first, strange, {"turns": []}, "none")
    lines = str(error).splitlines()
    assert lines[0] == "train, test: 6 problems"
    assert "dialogue 3 (id 1_00003), turns.0.speaker: a value of another kind" in lines[1]
    assert "found 'CAT'; expected 'USER' or 'SYSTEM'" in lines[1]
    assert "turns.0.utterance: a value of another kind" in lines[2]
    assert "dialogue 4 (id ?), dialogue_id: a key is missing" in lines[3]
    assert "dialogue 5 (id ?): a value of another kind; found 'none'" in lines[4]
    assert "dialogue 1 (id 1_00001), turn 1, target: an example without a target" in lines[5]
    assert "dialogue 2 (id 1_00002), turn 0, prompt: an example without prompt" in lines[6]


def test_folders_without_what_they_need(tmp_path):
    error = refused(of_train, tmp_path, dialogue(0), schema=None)
    assert error.what == "dialogues without their schema"
    assert error.where == f"{tmp_path}/train"
    assert error.expected == f"{tmp_path}/train/schema.json"
    error = refused(of_train, tmp_path / "b", dialogue(0), schema=[{"service_name": "Tables_1"}])
    assert error.what == "a key is missing"
    assert error.where == f"{tmp_path}/b/train/schema.json, services.0.slots"
    folder(tmp_path / "c")
    error = refused(opened, tmp_path, path="c", split={"test": 1})
    assert (error.what, error.found) == ("a folder without dialogues", "schema.json")
    error = refused(opened, tmp_path, path="b", split={"test": 1})
    assert error.what == "dialogues of several folders"
    (tmp_path / "c" / "dialogues_001.json").write_text("[]")
    assert refused(opened, tmp_path, path="c", split={"test": 1}).what == "a file has no dialogues"
    (tmp_path / "c" / "dialogues_001.json").write_text("[{]")
    error = refused(opened, tmp_path, path="c", split={"test": 1})
    assert error.what.startswith("a file is not JSON")
    assert "line 1, column 3" in error.where


@pytest.mark.parametrize(
    ("changes", "what", "where"),
    [
        ({"references": []}, "an empty list", "references"),
        ({"references": [""]}, "empty text", "references.0"),
        ({"acts": []}, "an empty list", "acts"),
        ({"acts": [{"slot": "city"}]}, "a key is missing", "acts.0.act"),
        ({"acts": [act("INFORM")]}, "an act without its slot", "acts"),
        ({"prompt": ...}, "a key is missing", "prompt"),
        ({"prompt": None}, "a value of another kind", "prompt"),
        ({"service": ""}, "empty text", "service"),
        ({"input": "offer"}, "a line contradicts itself", "input"),
    ],
)
def test_lines_that_are_wrong(tmp_path, changes, what, where):
    jsonl(tmp_path / "train.jsonl", line(0), line(1, **changes))
    jsonl(tmp_path / "test.jsonl", line(2))
    files = {"train": "train.jsonl", "test": "test.jsonl"}
    error = refused(opened, tmp_path, files=files)
    assert (error.what, error.where) == (what, f"{tmp_path}/train.jsonl:2, {where}")
    assert error.found
    assert error.expected


def test_settings():
    given = {"reader": "sgd", "path": "a", "split": {"test": 0.2}}
    settings = TypeAdapter(ReaderSettings).validate_python(given)
    assert READERS["sgd"].read is read
    assert set(settings.columns.fields()) == {"acts", "prompt", "service"}
    with pytest.raises(ValidationError, match="path needs split"):
        SgdSettings(reader="sgd", path="a")
    with pytest.raises(DataError, match="targets are texts"):
        read(settings, None, "label")


def test_the_dialogues_say_what_the_jsonl_says():
    base = shared("sgd")
    splits = opened(base, path="sgd_dev_json_sample.tar.gz", split={"test": 0.2})
    turns = {one.id: one for part in splits.labelled().values() for one in part}
    assert (len(turns), len(splits.dropped)) == (825, 0)
    with gzip.open(base / "dev.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(each) for each in file]
    named = [(f"{row['dialogue_id'].removeprefix('dev-')}:{row['turn']}", row) for row in rows]
    both = [(turns[id], row) for id, row in named if id in turns]
    assert len(both) == 22
    for ours, row in both:
        said = {"acts": row["input"], "prompt": row["prompt"], "service": row["service"]}
        assert dict(ours.inputs) == said
        assert ours.target == row["target"]


def test_the_published_lines():
    files = {"train": "train.jsonl.gz", "validation": "dev.jsonl.gz", "test": "test.jsonl.gz"}
    base = shared("sgd")
    splits = opened(base, files=files)
    assert [len(part) for part in splits.labelled().values()] == [5000, 500, 1000]
    assert max(len(one.references) for one in splits.test) > 1
    with gzip.open(base / "test.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(each) for each in file]
    acts = [[Act.model_validate(each) for each in row["acts"]] for row in rows]
    assert [linearised(each) for each in acts] == [row["input"] for row in rows]
