"""What the cache holds, and how it stays under its limit without taking from a run."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from preceptor.cli import main
from preceptor.errors import PreceptorError
from preceptor.llm import inventory
from preceptor.llm.cache import AnswerCache
from preceptor.llm.chat import Answer, Failure

DAY = 86_400


def answer(number: int, tokens: int = 10) -> Answer:
    return Answer(f"{number} " * 500, tokens - 3, 3, 0.1, cached=False)


def fill(cache: AnswerCache, first: int, last: int, model: str = "tutor") -> None:
    for number in range(first, last):
        cache.put(f"{number:064x}", "{}", answer(number), model)


def age(cache: AnswerCache, days: float, last: int) -> None:
    """Move the last use of answers below ``last`` into the past, the first ones farthest."""
    with sqlite3.connect(cache.path) as other:
        other.execute(
            "UPDATE about SET used = ? - ? + rowid_ FROM (SELECT key AS k, row_number() OVER"
            " (ORDER BY key) AS rowid_ FROM about) WHERE key = k AND key < ?",
            (int(time.time()), int(days * DAY), f"{last:064x}"),
        )


def there(cache: AnswerCache) -> set[int]:
    with sqlite3.connect(cache.path) as other:
        keys = [row[0] for row in other.execute("SELECT key FROM answers")]
        assert sorted(keys) == sorted(row[0] for row in other.execute("SELECT key FROM about"))
    return {int(key, 16) for key in keys}


def test_answers_are_told_by_model(cache: AnswerCache) -> None:
    fill(cache, 0, 3, "tutor at https://here/v1")
    fill(cache, 3, 4, "smollm2 at xllamacpp 5f9a")
    cache.put("f" * 64, "{}", Failure("truncated", "half", 5, 2), "smollm2 at xllamacpp 5f9a")
    found = inventory.holdings(cache.path)
    first, second = found.models
    assert (first.model, first.answers, first.tokens) == ("tutor at https://here/v1", 3, 30)
    assert (second.model, second.answers, second.tokens) == ("smollm2 at xllamacpp 5f9a", 2, 17)
    assert first.bytes == 3 * (2 + 1000 + 128)
    assert abs(first.used - time.time()) < 5
    assert found.bytes == cache.path.stat().st_size
    assert found.limit == 10e9


def test_reading_an_answer_is_a_use_of_it(cache: AnswerCache) -> None:
    fill(cache, 0, 2)
    age(cache, 30, 2)
    cache.get_many([f"{0:064x}"], "tutor")
    cache.close()
    keys, _ = inventory.chosen(cache.path, older_than=29)
    assert keys == [f"{1:064x}"]


def test_the_least_recently_used_go_first(
    cache: AnswerCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cache, 0, 400)
    age(cache, 30, 400)
    cache.get_many([f"{number:064x}" for number in range(50)])
    monkeypatch.setenv(inventory.LIMIT_VARIABLE, "0.0005")
    cache.close()
    left = there(cache)
    assert set(range(50)) <= left, "what was used just now"
    old = sorted(left - set(range(50)))
    assert old == list(range(400 - len(old), 400)), "of the others the last used"
    assert 100 < len(left) < 300
    assert inventory.holdings(cache.path).removed == 400 - len(left)
    assert cache.path.stat().st_size < 500_000, "the disk has the room again"


def test_what_this_run_used_stays_even_beyond_the_limit(
    cache: AnswerCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(inventory.LIMIT_VARIABLE, "0.00001")
    fill(cache, 0, 100)
    cache.close()
    assert there(cache) == set(range(100))


HOLDER = """
import sys
from pathlib import Path
from preceptor.llm.cache import AnswerCache
cache = AnswerCache(Path(sys.argv[1]))
cache.get("k")
print("open", flush=True)
sys.stdin.readline()
if "die" in sys.argv:
    import os
    os._exit(9)
cache.close()
"""


def test_nothing_is_removed_while_another_run_is_going(
    cache: AnswerCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(inventory.LIMIT_VARIABLE, "0.0003")
    fill(cache, 0, 400)
    age(cache, 30, 400)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(cache.path), "die"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        cache.close()
        assert len(there(cache)) == 400
        with pytest.raises(PreceptorError, match="a run is using"):
            inventory.clear(cache.path, *inventory.chosen(cache.path))
        other.communicate("\n")
    cache.get("k")
    cache.close()
    assert len(there(cache)) < 400, "a run that was killed holds nothing any more"


@pytest.mark.parametrize("told", ["ten", "0", "-1"])
def test_a_limit_that_cannot_be_read_is_told_at_once(
    cache: AnswerCache, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    monkeypatch.setenv(inventory.LIMIT_VARIABLE, told)
    with pytest.raises(PreceptorError, match=inventory.LIMIT_VARIABLE):
        cache.get("k")


def test_no_limit(cache: AnswerCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(inventory.LIMIT_VARIABLE, "inf")
    fill(cache, 0, 2)
    assert inventory.holdings(cache.path).as_dict()["limit"] is None


@pytest.fixture
def user_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AnswerCache:
    monkeypatch.setenv("PRECEPTOR_CACHE", str(tmp_path))
    cache = AnswerCache(tmp_path / "answers.sqlite")
    fill(cache, 0, 5, "tutor at https://here/v1")
    fill(cache, 16, 19, "Smol[b]lm at xllamacpp")
    age(cache, 10, 2)
    cache.close()
    return cache


def told(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["preceptor", "cache", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.usefixtures("user_cache")
def test_the_command_shows_what_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(monkeypatch) == 0
    shown = capsys.readouterr().out
    assert "tutor at https://here/v1" in shown
    assert "Smol[b]lm" in shown
    assert "limit 10.0 GB (PRECEPTOR_CACHE_LIMIT)" in shown
    assert told(monkeypatch, "--model", "SMOL", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["model"], one["answers"]) for one in found["models"]] == [
        ("Smol[b]lm at xllamacpp", 3)
    ]


def test_the_command_says_where_nothing_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PRECEPTOR_CACHE", str(tmp_path / "none"))
    assert told(monkeypatch) == 0
    assert "no answers are kept" in capsys.readouterr().out
    assert told(monkeypatch, "--show", "ab") == 2
    assert "no answer has such a key" in capsys.readouterr().err
    assert not (tmp_path / "none").exists(), "to look is not to make"


def test_clearing_asks_and_takes_what_was_named(
    user_cache: AnswerCache, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", (user_cache.path.parent / "no").open("w+"))
    assert told(monkeypatch, "--clear", "--model", "tutor") == 1, "nobody said yes"
    assert "Remove 5 answers" in capsys.readouterr().err
    assert len(there(user_cache)) == 8
    assert told(monkeypatch, "--clear", "--older-than", "9", "--yes") == 0
    assert there(user_cache) == {2, 3, 4, 16, 17, 18}
    assert told(monkeypatch, "--clear", "--model", "smol", "--yes") == 0
    assert there(user_cache) == {2, 3, 4}
    assert told(monkeypatch, "--clear", "--model", "nobody", "--yes") == 0
    assert "nothing was removed" in capsys.readouterr().err
    assert told(monkeypatch, "--clear", "--yes") == 0
    assert there(user_cache) == set()


def test_one_answer_is_shown_by_the_beginning_of_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRECEPTOR_CACHE", str(tmp_path))
    cache = AnswerCache(tmp_path / "answers.sqlite")
    messages = [{"role": "user", "content": "say it"}]
    request = json.dumps({"messages": messages, "parameters": {"seed": 1}, "sample": 2})
    cache.put("ab" * 32, request, Answer("it \x1b[31mred", 5, 2, 0.1, cached=False), "tutor")
    cache.put("ac" * 32, request, Failure("refused", "never", 5, 1), "tutor")
    cache.close()
    assert told(monkeypatch, "--show", "AB") == 0
    shown = capsys.readouterr().out
    assert "say it" in shown
    assert r"it \x1b[31mred" in shown, "what a model wrote must not steer the terminal"
    assert told(monkeypatch, "--show", "ac", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["failure"], found["text"], found["request"]["sample"]) == ("refused", "never", 2)
    assert told(monkeypatch, "--show", "a") == 2
    assert "abababababababab, acacacacacacacac" in capsys.readouterr().err
