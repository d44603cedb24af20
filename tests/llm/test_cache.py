"""Answers are paid for once, whatever happens to the process."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from preceptor.errors import PreceptorError
from preceptor.llm import inventory
from preceptor.llm.cache import AnswerCache, default_path
from preceptor.llm.chat import Answer, Message, Request
from preceptor.llm.endpoint import EndpointTeacher
from preceptor.store.cache import cache_folder

from .conftest import MakeTeacher, ask_for
from .faulty import FaultyServer, Reply, completion

ANSWER = Answer("yes", 5, 1, 0.25, cached=False)


def test_a_second_run_calls_nobody(make_teacher: MakeTeacher, server: FaultyServer) -> None:
    requests = [ask_for("a"), ask_for("b", sample=1), ask_for("b", seed=4)]
    first = make_teacher().ask(requests, "asking")
    again = make_teacher()
    second = again.ask(requests, "asking")
    assert server.calls == 3
    assert [answer.text for answer in second] == [answer.text for answer in first]
    assert all(isinstance(answer, Answer) and answer.cached for answer in second)
    assert (again.usage.calls, again.usage.cached) == (0, 3)


def test_what_answers_cost_does_not_depend_on_when_they_were_paid(
    make_teacher: MakeTeacher, cache: AnswerCache, server: FaultyServer
) -> None:
    def priced() -> EndpointTeacher:
        price = {"input": 1.0, "output": 2.0}
        return make_teacher(price=price, concurrency=1)

    def cut_off(place: int) -> None:
        server.replies.extend([Reply()] * place + [Reply(body=completion("half", "length"))])

    requests = [ask_for(str(number)) for number in range(10)]
    cut_off(3)
    undisturbed = priced()
    undisturbed.ask(requests, "asking")
    cache.close()
    cache.path.unlink()
    cut_off(3)
    priced().ask(requests[:8], "stopped after 8")
    resumed = priced()
    resumed.ask(requests, "asking")

    whole, later = undisturbed.usage, resumed.usage
    once = (10 * 7 * 1.0 + 10 * 3 * 2.0) / 1e6
    assert (later.calls, later.cached) == (2, 8)
    assert (whole.calls, whole.cached) == (10, 0)
    for used in (whole, later):
        assert (used.failed, used.prompt_tokens, used.completion_tokens) == (1, 70, 30)
        assert used.cost == pytest.approx(once)
    assert (later.cached_prompt_tokens, later.cached_completion_tokens) == (56, 24)
    assert later.cached_cost == pytest.approx(0.8 * once)
    assert (whole.cached_prompt_tokens, whole.cached_cost) == (0, 0)


def test_a_request_that_stands_twice_in_a_batch_costs_once(make_teacher: MakeTeacher) -> None:
    for teacher in (make_teacher(), make_teacher()):
        teacher.ask([ask_for("a"), ask_for("a")], "asking")
        assert teacher.usage.prompt_tokens == 7


@pytest.mark.parametrize(
    ("settings", "request_"),
    [
        ({}, ask_for("b")),
        ({}, Request((Message("system", "a"),))),
        ({}, Request((Message("system", "be brief"), Message("user", "a")))),
        ({}, ask_for("a", sample=1)),
        ({}, ask_for("a", seed=1)),
        ({}, ask_for("a", temperature=0.9)),
        ({"parameters": {"temperature": 0.9, "max_tokens": 512}}, ask_for("a")),
        ({"parameters": {"temperature": 1.0}}, ask_for("a")),
        ({"model": "another"}, ask_for("a")),
    ],
)
def test_whatever_can_change_an_answer_misses(
    make_teacher: MakeTeacher, server: FaultyServer, settings: dict[str, Any], request_: Request
) -> None:
    make_teacher().ask([ask_for("a")], "asking")
    make_teacher(**settings).ask([request_], "asking")
    assert server.calls == 2


def test_another_server_misses(make_teacher: MakeTeacher, server: FaultyServer) -> None:
    make_teacher().ask([ask_for("a")], "asking")
    make_teacher(base_url=server.url.replace("127.0.0.1", "localhost")).ask([ask_for("a")], "x")
    assert server.calls == 2


def test_what_cannot_change_an_answer_hits(
    make_teacher: MakeTeacher, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_teacher().ask([ask_for("a")], "asking")
    monkeypatch.setenv("TEACHER_KEY", "sk-another-key-0987654321")
    changed = make_teacher(concurrency=1, retries=0, timeout=9.0, base_url=server.url + "/")
    changed.ask([ask_for("a")], "asking")
    changed.ask([ask_for("a", temperature=1.0)], "asking")
    assert server.calls == 1


def test_an_answer_survives_as_it_was(cache: AnswerCache) -> None:
    answer = Answer("größer\n\x00 \u2028 🙂", 5, 2, 0.125, cached=False)
    cache.put("k", "{}", answer)
    assert AnswerCache(cache.path).get("k") == Answer(answer.text, 5, 2, 0.125, cached=True)
    assert cache.get("other") is None


def test_the_first_answer_stays(cache: AnswerCache) -> None:
    cache.put("k", "{}", ANSWER)
    cache.put("k", "{}", Answer("no", 5, 1, 1.0, cached=False))
    kept = cache.get("k")
    assert kept is not None
    assert kept.text == "yes"


def test_the_request_is_kept_readable(make_teacher: MakeTeacher, cache: AnswerCache) -> None:
    make_teacher(parameters={"top_p": 0.5}).ask([ask_for("wörter", sample=2)], "asking")
    (written,) = sqlite3.connect(cache.path).execute("SELECT request FROM answers").fetchone()
    assert json.loads(written) == {
        "messages": [{"role": "user", "content": "wörter"}],
        "parameters": {"top_p": 0.5},
        "sample": 2,
    }


def test_the_folder_follows_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PRECEPTOR_CACHE", str(tmp_path / "here"))
    assert default_path() == tmp_path / "here" / "answers.sqlite"
    assert not cache_folder().exists()
    monkeypatch.delenv("PRECEPTOR_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    if sys.platform == "linux":
        assert cache_folder() == tmp_path / "xdg" / "preceptor"


@pytest.mark.parametrize("content", [b"not a database, for sure " * 400, b"SQLite format 3\0" * 99])
def test_a_damaged_file_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "answers.sqlite"
    path.write_bytes(content)
    with pytest.raises(PreceptorError, match=r"damaged(.|\n)*fix: move it away") as caught:
        AnswerCache(path).get("k")
    assert str(path) in str(caught.value)
    assert path.read_bytes() == content


def test_damage_within_the_file_is_told(cache: AnswerCache) -> None:
    for i in range(200):
        cache.put(f"{i:064}", "{}" * 100, ANSWER)
    cache.close()
    with cache.path.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(cache.path.stat().st_size - 8192))
    with pytest.raises(PreceptorError, match="damaged"):
        for i in range(200):
            cache.get(f"{i:064}")


def test_a_file_of_a_later_version_is_refused_and_left_alone(cache: AnswerCache) -> None:
    cache.put("k", "{}", ANSWER)
    cache.close()
    with sqlite3.connect(cache.path) as other:
        other.execute("PRAGMA user_version = 7")
    with pytest.raises(PreceptorError, match=r"later version(.|\n)*version 7") as caught:
        cache.get("k")
    assert "mv " not in str(caught.value), "its answers are good"
    with sqlite3.connect(cache.path) as other:
        assert other.execute("SELECT count(*) FROM answers").fetchone() == (1,)


@pytest.mark.parametrize("version", [1, 2])
def test_answers_of_an_earlier_version_are_used_on(
    make_teacher: MakeTeacher, server: FaultyServer, cache: AnswerCache, version: int
) -> None:
    """The tables as versions 1 and 2 wrote them; keys are the same ever since."""
    first = make_teacher()
    first.ask([ask_for("a")], "asking")
    cache.close()
    with sqlite3.connect(cache.path) as other:
        columns = "key, request, text, prompt_tokens, completion_tokens, seconds"
        columns += ", failure" if version == 2 else ""
        rows = other.execute(f"SELECT {columns} FROM answers").fetchall()
    cache.path.unlink()
    failure = ", failure TEXT NOT NULL" if version == 2 else ""
    with sqlite3.connect(cache.path) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute(
            "CREATE TABLE answers (key TEXT PRIMARY KEY, request TEXT NOT NULL, text TEXT NOT NULL,"
            " prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,"
            f" seconds REAL NOT NULL{failure})"
        )
        marks = ",".join("?" * len(rows[0]))
        other.executemany(f"INSERT INTO answers VALUES ({marks})", rows)
        other.execute(f"PRAGMA user_version = {version}")
    (unknown,) = inventory.holdings(cache.path).models
    assert (unknown.model, unknown.answers, unknown.tokens) == (
        "kept before models were noted", 1, 10
    )  # fmt: skip
    again = make_teacher()
    assert isinstance(again.ask([ask_for("a"), ask_for("b")], "asking")[0], Answer)
    assert server.calls == 2, "one for a, before; one for b"
    again.close()
    (known,) = inventory.holdings(cache.path).models
    assert (known.model, known.answers) == (f"tutor at {server.url}", 2)


def test_a_full_disk_is_told(cache: AnswerCache) -> None:
    cache.put("k", "{}", ANSWER)
    with cache._told() as connection:
        connection.execute("PRAGMA max_page_count = 24")
    with pytest.raises(PreceptorError, match=r"disk is full(.|\n)*PRECEPTOR_CACHE"):
        for i in range(100):
            cache.put(str(i), "{}" * 2000, ANSWER)
    assert cache.get("0") is not None, "what was kept before must stay"


def test_a_full_disk_ends_a_batch(
    make_teacher: MakeTeacher, cache: AnswerCache, server: FaultyServer
) -> None:
    cache.put("k", "{}", ANSWER)
    with cache._told() as connection:
        connection.execute("PRAGMA max_page_count = 24")
    with pytest.raises(PreceptorError, match="disk is full"):
        make_teacher(concurrency=2).ask([ask_for("long " * 2000 + str(i)) for i in range(40)], "x")
    assert server.calls < 40


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PreceptorError, match=r"cannot be opened(.|\n)*PRECEPTOR_CACHE"):
        AnswerCache(tmp_path / "file" / "answers.sqlite").get("k")


@pytest.mark.parametrize("name", ["fuller", "locked-away", "malformed"])
def test_a_folders_name_is_not_taken_for_the_cause(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    with pytest.raises(PreceptorError, match="cannot be opened or written"):
        AnswerCache(tmp_path / name / "answers.sqlite").get("k")


def test_a_disk_without_room_for_the_file_is_told_as_full(tmp_path: Path) -> None:
    """Nothing but the number of the system's error says so."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=1", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    try:
        with pytest.raises(PreceptorError, match="the disk is full"):
            AnswerCache(tmp_path / "preceptor" / "answers.sqlite").get("k")
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_file_that_another_process_holds_is_told(
    cache: AnswerCache,
) -> None:
    cache.put("k", "{}", ANSWER)
    with cache._told() as connection:
        connection.execute("PRAGMA busy_timeout = 20")
    with sqlite3.connect(cache.path, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(PreceptorError, match="has been locked"):
            cache.put("l", "{}", ANSWER)


WRITER = """
import sys
from pathlib import Path
from preceptor.llm.cache import AnswerCache
from preceptor.llm.chat import Answer
cache, name = AnswerCache(Path(sys.argv[1])), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
for i in range(300):
    cache.put(f"{name}{i}", "{}", Answer(name, 1, 1, 0.1, cached=False))
    cache.put(f"both{i}", "{}", Answer(name, 1, 1, 0.1, cached=False))
    assert cache.get(f"{name}{i}").text == name
"""


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    writers = [_python(WRITER, str(path), name) for name in "ab"]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        assert writer.wait(timeout=30) == 0
    cache = AnswerCache(path)
    assert all(cache.get(f"{name}{i}") for name in ("a", "b", "both") for i in range(300))


ASKER = """
import signal, sys
from pathlib import Path
from preceptor.llm import open_teacher
from preceptor.llm.chat import Message, Request
from preceptor.llm.settings import EndpointSettings
settings = EndpointSettings(
    engine="endpoint", model="tutor", base_url=sys.argv[2], key_env=None, concurrency=4
)
# A shell that started the tests in the background has them ignore Ctrl-C, children included.
signal.signal(signal.SIGINT, signal.default_int_handler)
with open_teacher(settings, Path(sys.argv[1])) as teacher:
    try:
        answers = teacher.ask([Request((Message("user", str(i)),)) for i in range(60)], "asking")
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(130)
    print([answer.text for answer in answers] == [f"echo: {i}" for i in range(60)], flush=True)
"""


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_pays_only_for_calls_in_flight_again(
    server: FaultyServer, tmp_path: Path, blow: signal.Signals
) -> None:
    server.always = Reply(wait=0.03)
    path = str(tmp_path / "answers.sqlite")
    asker = _python(ASKER, path, server.url)
    while server.calls < 25 and asker.poll() is None:
        time.sleep(0.005)
    asker.send_signal(blow)
    out, _ = asker.communicate(timeout=10)
    assert asker.returncode == (-9 if blow == signal.SIGKILL else 130)
    assert out == ("" if blow == signal.SIGKILL else "interrupted\n")
    assert 25 <= server.calls < 60
    out, _ = _python(ASKER, path, server.url).communicate(timeout=20)
    assert out == "True\n"
    assert server.calls <= 60 + 4


def _python(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
