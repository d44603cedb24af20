"""A tuned teacher: asked in the form that it was tuned on, in this process or through vLLM."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch

from fixtures_models import saved, smollm2, tiny_decoder, tiny_tokenizer
from preceptor.errors import TeacherError, WeightsError
from preceptor.evaluate.sampling import encoded
from preceptor.llm import identity_of, open_teacher
from preceptor.llm.chat import Answer, Failure, Message, Request
from preceptor.llm.settings import TunedSettings
from preceptor.llm.tuned import TunedTeacher, lesson_rows, plain
from preceptor.llm.vllm_tuned import TunedVllmTeacher, template_for
from preceptor.models.places import Places
from preceptor.models.save import save
from preceptor.models.seeding import seeded
from preceptor.models.weights import resolve
from preceptor.tune.fit import fit
from preceptor.tune.methods import full
from preceptor.tune.methods.boft import BoftSettings
from preceptor.tune.methods.boft import attach as attach_boft
from preceptor.tune.methods.lora import LoraSettings
from preceptor.tune.methods.lora import attach as attach_lora
from preceptor.tune.methods.prefix import PrefixSettings
from preceptor.tune.methods.prefix import attach as attach_prefix
from preceptor.tune.settings import Budget, FitSettings

from .conftest import ask_for
from .test_vllm import program, told

__all__ = ["program", "smollm2"]
LESSONS = [
    (ask_for("Label: yes\n"), "Does water boil?"),
    (ask_for("Label: no"), " Is the moon made of cheese?"),
    (ask_for("Label: maybe"), "Will it rain tomorrow?"),
]
Open = Callable[..., TunedTeacher]


def moved(model: Any) -> Any:
    """The same after a training that never was."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.requires_grad and "prompt_encoder" not in name:
                value.add_(0.05 * torch.randn(value.shape, generator=torch.manual_seed(0)))
    return model.eval()


def tuned_folder(place: Path, attach: Any = attach_lora, settings: Any = None) -> Path:
    base = resolve(str(saved(tiny_decoder(), place / "base")))
    tokenizer = tiny_tokenizer()
    with seeded(0):
        model = attach(tiny_decoder(), settings or LoraSettings(rank=4), tokenizer)
    save(moved(model), tokenizer, place / "model", base)
    return place / "model"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tuned_folder(tmp_path / "run")


def settings_with(**changes: Any) -> TunedSettings:
    parameters = {"temperature": 1.0, "max_tokens": 12, **changes.pop("parameters", {})}
    return TunedSettings(engine="tuned", parameters=parameters, **changes)


@pytest.fixture
def opened(folder: Path, tmp_path: Path) -> Open:
    def made(at: Path = folder, **changes: Any) -> TunedTeacher:
        teacher = open_teacher(
            settings_with(**changes), tmp_path / "answers.sqlite", folder=at, name="tutor"
        )
        assert isinstance(teacher, TunedTeacher)
        return teacher

    return made


def said(outcomes: list[Answer | Failure]) -> list[str]:
    return [one.text if isinstance(one, Answer) else one.detail for one in outcomes]


def test_an_answer_depends_on_its_own_request_alone(opened: Open, tmp_path: Path) -> None:
    asked = [ask_for(f"Label: {word}", sample=n) for word in ("yes", "no") for n in range(6)]
    with opened() as teacher:
        assert not teacher.running
        together = teacher.ask(asked, "asking")
        assert teacher.running
    assert not teacher.running
    assert len(set(said(together))) == len(asked)
    for number, request in enumerate(asked):
        alone = open_teacher(settings_with(), tmp_path / f"{number}.sqlite", folder=teacher._folder)
        with alone:
            assert said(alone.ask([request], "asking")) == [said(together)[number]]


def test_what_the_cache_answers_loads_no_model(opened: Open) -> None:
    asked = [ask_for("Label: yes", sample=n) for n in range(4)]
    with opened() as teacher:
        first = teacher.ask(asked, "asking")
        assert teacher.usage.calls == 4
    with opened(batch_tokens=32) as again:
        assert said(again.ask(asked, "asking")) == said(first)
        assert not again.running
        assert again.usage.cached == 4


def test_a_seed_draws_other_answers_and_samples_still_differ(opened: Open) -> None:
    asked = [ask_for("Label: yes", sample=n) for n in range(4)]
    drawn = []
    for seed in (0, 7):
        with opened(parameters={"seed": seed}) as teacher:
            drawn += said(teacher.ask(asked, "asking"))
    assert len(set(drawn)) == 8


@pytest.mark.parametrize(
    ("attach", "settings"),
    [
        (full.attach, full.FullSettings()),
        (attach_boft, BoftSettings()),
        (attach_prefix, PrefixSettings(virtual_tokens=4)),
    ],
)
def test_whatever_was_tuned_writes(
    opened: Open, tmp_path: Path, attach: Any, settings: Any
) -> None:
    at = tuned_folder(tmp_path / "other", attach, settings)
    with opened(at) as teacher, opened() as lora:
        asked = [ask_for("Label: yes", sample=n) for n in range(3)]
        mine = said(teacher.ask(asked, "asking"))
        assert len(set(mine)) == 3
        assert mine != said(lora.ask(asked, "asking"))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_answers_as_its_lessons_taught_it(opened: Open, tmp_path: Path, precision: str) -> None:
    base = resolve(str(saved(tiny_decoder(), tmp_path / "base")))
    tokenizer = tiny_tokenizer()
    model = full.attach(tiny_decoder(), full.FullSettings())
    rows = lesson_rows(tokenizer, LESSONS)
    options: Any = {"learning_rate": 5e-3, "seed": 0, "label": "fit", "pad_id": 0}
    fit(model, rows, Budget(steps=60), FitSettings(), **options)
    save(model.eval(), tokenizer, tmp_path / "taught", base)
    with opened(
        tmp_path / "taught",
        fit=FitSettings(precision=precision),
        parameters={"temperature": 0, "max_tokens": 40},
    ) as teacher:
        answers = teacher.ask([request for request, _ in LESSONS], "asking")
    assert said(answers) == [answer.strip() for _, answer in LESSONS]
    (first, *_), before = answers, encoded(model, tokenizer, [plain(LESSONS[0][0])])[0]
    assert isinstance(first, Answer)
    assert first.prompt_tokens == len(before)
    assert first.completion_tokens == len(rows[0].tokens) - len(before)


@pytest.mark.parametrize("kind", ["bytes", "pieces"])
@pytest.mark.parametrize("begin", [False, True])
def test_what_is_read_are_the_tokens_that_were_trained_on(kind: str, begin: bool) -> None:
    tokenizer = tiny_tokenizer(begin, kind)
    for text in ("Label: yes", "Label: yes\n", "Label: yes \n\n", "Will it rain? "):
        for answer in ("Does water boil?", " yes", "\nno"):
            request = Request((Message("system", "Write."), Message("user", text)))
            (row,) = lesson_rows(tokenizer, [(request, answer)])
            assert (
                encoded(tiny_decoder(), tokenizer, [plain(request)])[0] == row.tokens[: row.first]
            )
            assert row.tokens[-1] == tokenizer.eos_token_id
            after = tokenizer.decode(row.tokens[row.first :], skip_special_tokens=True)
            assert after.strip() == answer.strip()
            if kind == "bytes":  # pieces lose the space that stands before the first of them
                assert after[0].isspace()


def test_a_request_is_read_without_a_chats_markup() -> None:
    request = Request((Message("system", "Be brief."), Message("user", "Label: yes\n")))
    assert plain(request) == "Be brief.\n\nLabel: yes\n"


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"presence_penalty": 1.0}, "does not know the parameter presence_penalty"),
        ({"temperature": -1.0}, "cannot sample with this temperature"),
        ({"temperature": "hot"}, "cannot sample with this temperature"),
        ({"top_p": 0.0}, "cannot sample with this top_p"),
        ({"top_k": 1.5}, "cannot sample with this top_k"),
        ({"max_tokens": 0}, "cannot sample with this max_tokens"),
        ({"seed": -1}, "cannot sample with this seed"),
    ],
)
def test_parameters_that_it_cannot_honour_are_refused(
    opened: Open, parameters: dict[str, Any], words: str
) -> None:
    with pytest.raises(TeacherError, match=words):
        opened(parameters=parameters)
    with opened() as teacher, pytest.raises(TeacherError, match=words):
        teacher.ask([ask_for("Label: yes", **parameters)], "asking")
    assert not teacher.running


def test_a_requests_own_parameters_win(opened: Open) -> None:
    with opened(parameters={"temperature": 2.0}) as teacher:
        cold = [ask_for("Label: yes", sample=n, temperature=0.0) for n in range(3)]
        short = ask_for("Label: yes", max_tokens=3)
        answers = teacher.ask([*cold, short], "asking")
    assert len(set(said(answers[:3]))) == 1
    assert isinstance(answers[3], Failure)
    assert answers[3].completion_tokens <= 3


def test_answers_that_are_none_are_told_apart(opened: Open, tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    ends, long = ask_for("Label: yes"), ask_for("Does water boil? " * 60)
    model = full.attach(tiny_decoder(), full.FullSettings())
    options: Any = {"learning_rate": 5e-3, "seed": 0, "label": "fit", "pad_id": 0}
    rows = lesson_rows(tokenizer, [(ends, " ")])
    fit(model, rows, Budget(steps=20), FitSettings(), **options)
    base = resolve(str(saved(tiny_decoder(), tmp_path / "base")))
    save(model.eval(), tokenizer, tmp_path / "mute", base)
    with opened(tmp_path / "mute", parameters={"temperature": 0}) as mute:
        (empty, too_long) = mute.ask([ends, long], "asking")
    with opened(parameters={"temperature": 0, "max_tokens": 2}) as teacher:
        (cut,) = teacher.ask([ends], "asking")
    assert isinstance(empty, Failure)
    assert isinstance(too_long, Failure)
    assert isinstance(cut, Failure)
    assert [empty.cause, too_long.cause, cut.cause] == ["empty", "too_long", "truncated"]
    assert "the model sees 128" in too_long.detail
    assert cut.completion_tokens == 2


def test_without_memory_it_says_what_helps_and_keeps_what_was_answered(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [ask_for("Label: yes", sample=n) for n in range(9)]
    plain_step, steps = Places.step, iter(range(100))

    def step(self: Places, tokens: Any) -> Any:
        if next(steps) == 20:
            torch.empty(2**50)  # more than any address
        return plain_step(self, tokens)

    monkeypatch.setattr(Places, "step", step)
    with opened(batch_tokens=64) as teacher:
        with pytest.raises(TeacherError, match="does not find the memory") as caught:
            teacher.ask(asked, "asking")
        assert "lower its batch_tokens (64)" in str(caught.value)
        done = teacher.usage.calls
        assert 0 < done < 9
        answers = teacher.ask(asked, "asking")
        assert len(answers) == 9
        assert teacher.usage.calls == 9
        assert teacher.usage.cached == done


def test_its_identity_is_what_changes_answers(tmp_path: Path) -> None:
    one, other = tuned_folder(tmp_path / "one"), tuned_folder(tmp_path / "other")

    def identity(at: Path = one, **changes: Any) -> dict[str, Any]:
        return identity_of(settings_with(**changes), folder=at)

    first = identity()
    assert identity(other) == first
    assert "one" not in str(first)
    assert identity(batch_tokens=64) == first
    with open_teacher(settings_with(), tmp_path / "a.sqlite", folder=one) as teacher:
        assert teacher.identity == first
    (other / "preceptor.json").write_text('{"cell": "another"}')
    assert identity(other) == first
    seen = [first, identity(fit=FitSettings(precision="bf16")), identity(parameters={"top_k": 5})]
    config = json.loads((other / "adapter_config.json").read_text())
    (other / "adapter_config.json").write_text(json.dumps({**config, "lora_alpha": 3}))
    seen.append(identity(other))
    seen.append(identity(tuned_folder(tmp_path / "x", attach_lora, LoraSettings(rank=2))))
    seen.append(identity(tuned_folder(tmp_path / "y", full.attach, full.FullSettings())))
    record = json.loads((one / "base.json").read_text())
    (one / "base.json").write_text(json.dumps({**record, "identity": {"folder_sha256": "0"}}))
    seen.append(identity(one))
    assert len({json.dumps(value, sort_keys=True) for value in seen}) == len(seen)


def test_without_its_tuning_it_cannot_be_opened(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(TypeError, match="folder of its tuning"):
        open_teacher(settings_with(), tmp_path / "a.sqlite")
    with pytest.raises(TypeError, match="folder of its tuning"):
        identity_of(settings_with())
    with pytest.raises(WeightsError, match="no model that this program saved"):
        open_teacher(settings_with(), tmp_path / "a.sqlite", folder=tmp_path)
    shutil.rmtree(folder.parent / "base")
    teacher = open_teacher(settings_with(), tmp_path / "a.sqlite", folder=folder)
    with teacher, pytest.raises(WeightsError):
        teacher.ask([ask_for("Label: yes")], "asking")


def test_smollm2_writes_text_by_its_lessons_format(
    smollm2: tuple[Any, Any], tmp_path: Path
) -> None:
    model, tokenizer = smollm2
    at = tmp_path / "model"
    student = attach_lora(deepcopy(model), LoraSettings(rank=2))
    save(student, tokenizer, at, resolve("smollm2"))
    settings = settings_with(fit=FitSettings(precision="bf16"), parameters={"max_tokens": 8})
    with open_teacher(settings, tmp_path / "a.sqlite", folder=at) as teacher:
        asked = [ask_for("The capital of France is", sample=n, temperature=0.0) for n in range(2)]
        (one, other) = teacher.ask(asked, "asking")
    assert isinstance(one, Failure)
    assert one == other
    assert "Paris" in one.detail


def test_imports_stay_light() -> None:
    code = (
        "import sys, preceptor.llm.tuned, preceptor.llm.vllm_tuned, preceptor.evaluate.sampling;"
        "heavy = {'torch', 'transformers', 'peft', 'openai', 'numpy'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Through vLLM, whose program is a stand-in here (test_vllm.py says how far).


@pytest.fixture
def through_vllm(program: Path, folder: Path, tmp_path: Path) -> Callable[..., TunedVllmTeacher]:
    def made(at: Path = folder, **changes: Any) -> TunedVllmTeacher:
        settings = settings_with(serve="vllm", **changes)
        teacher = open_teacher(settings, tmp_path / "v.sqlite", folder=at, name="tutor")
        assert isinstance(teacher, TunedVllmTeacher)
        return teacher

    return made


def test_vllm_serves_the_base_with_the_adapter_and_the_plain_template(
    through_vllm: Callable[..., TunedVllmTeacher], folder: Path, tmp_path: Path
) -> None:
    with through_vllm(fit=FitSettings(precision="bf16"), parameters={"seed": 3}) as teacher:
        assert teacher.name == "tutor"
        asked = [ask_for("Label: yes", sample=n) for n in range(3)]
        answers = teacher.ask(asked, "asking")
        argv = told(tmp_path)["argv"]
        options = {name: argv[argv.index(name) + 1] for name in argv if name.startswith("--")}
        template = Path(options["--chat-template"])
        assert template.read_text() == template_for(tiny_tokenizer())
    assert not template.exists()
    assert argv[1] == str(folder.parent / "base")
    assert json.loads(options["--lora-modules"])["path"] == str(folder)
    assert options["--max-lora-rank"] == "8"
    assert options["--chat-template-content-format"] == "string"
    assert options["--dtype"] == "bfloat16"
    seeds = {text.split(":")[0] for text in said(answers)}
    assert len(seeds) == 3
    assert not seeds & {"seed 3", "seed 0"}


@pytest.mark.parametrize("kind", ["bytes", "pieces"])
@pytest.mark.parametrize("begin", [False, True])
def test_the_template_makes_the_tokens_of_the_tuning(kind: str, begin: bool) -> None:
    check_template(tiny_tokenizer(begin, kind))


def test_the_template_makes_smollm2s_tokens(smollm2: tuple[Any, Any]) -> None:
    check_template(smollm2[1])


def check_template(tokenizer: Any) -> None:
    template = template_for(tokenizer)
    for texts in (["Label: yes\n"], ["Write.", 'A "quote", {{ braces }}\nLabel: no \n\n']):
        request = Request(tuple(Message("user", text) for text in texts))
        conversation = [dataclasses.asdict(message) for message in request.messages]
        # As vLLM does: the template's text, then its tokens without special ones.
        text = tokenizer.apply_chat_template(
            conversation, chat_template=template, tokenize=False, add_generation_prompt=True
        )
        made = tokenizer(text, add_special_tokens=False)["input_ids"]
        (row,) = lesson_rows(tokenizer, [(request, "yes")])
        assert tuple(made) == row.tokens[: row.first]


def test_what_vllm_cannot_serve_is_refused_before_it_starts(
    through_vllm: Callable[..., TunedVllmTeacher], folder: Path, tmp_path: Path
) -> None:
    boft = tuned_folder(tmp_path / "boft", attach_boft, BoftSettings())
    whole = tuned_folder(tmp_path / "whole", full.attach, full.FullSettings())
    dora = tuned_folder(tmp_path / "dora", attach_lora, LoraSettings(rank=2, dora=True))
    for at, kind in ((boft, "BOFT"), (whole, "no adapter"), (dora, "DoRA")):
        with pytest.raises(TeacherError, match="through a LoRA adapter alone") as caught:
            through_vllm(at)
        assert kind in str(caught.value)
        assert "serve: process" in str(caught.value)
    with pytest.raises(TeacherError, match="does not know the parameter logit_bias"):
        through_vllm(parameters={"logit_bias": {}})
    record = json.loads((folder / "base.json").read_text())
    (folder / "base.json").write_text(json.dumps({**record, "rounded": True}))
    with pytest.raises(TeacherError, match="4-bit"):
        through_vllm()
    (folder / "base.json").write_text(json.dumps({**record, "identity": {"folder_sha256": "0"}}))
    with pytest.raises(WeightsError, match="other base weights"):
        through_vllm()


def test_the_identity_through_vllm_is_another(
    through_vllm: Callable[..., TunedVllmTeacher], folder: Path
) -> None:
    settings = settings_with(serve="vllm")
    identity = identity_of(settings, folder=folder)
    with through_vllm() as teacher:
        assert teacher.identity == identity
    assert identity["engine"] == "vllm"
    assert identity["template"] == template_for(tiny_tokenizer())
    assert str(folder) not in str(identity)
