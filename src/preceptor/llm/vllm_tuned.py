"""A tuned teacher that vLLM serves: its base with its LoRA adapter, asked as it was tuned."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preceptor.errors import TeacherError
from preceptor.llm import vllm
from preceptor.llm.cache import AnswerCache
from preceptor.llm.cached import Deliver, Outcome
from preceptor.llm.chat import Answer, Request
from preceptor.llm.settings import TunedSettings, VllmSettings
from preceptor.llm.tuned import own_seed, sampling_parameters
from preceptor.models.save import base_of, record_of
from preceptor.models.saved import saved_identity
from preceptor.models.tokens import encode_prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_DTYPES = {"bf16": "bfloat16", "fp32": "float32"}
_JOINED = r"{{ (messages | map(attribute='content') | join('\n\n')).rstrip() }}"
_PROCESS = "let it write in this process (serve: process)"


def template_for(tokenizer: PreTrainedTokenizerBase) -> str:
    """The chat template that makes :func:`preceptor.llm.tuned.plain`'s prompt of messages.

    vLLM encodes what a template makes without special tokens, so what
    :func:`preceptor.models.tokens.encode_prompt` puts in front stands in the template.
    """
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = encode_prompt(tokenizer, "a")
    first = tokenizer.convert_ids_to_tokens(whole[: len(whole) - len(bare)])
    return f"{{{{ {json.dumps(''.join(first))} }}}}{_JOINED}"


def model_of(settings: TunedSettings, folder: Path) -> dict[str, Any]:
    """What tells a tuned model served by vLLM from others; never where it lies.

    Raises:
        TeacherError: vLLM is not installed, or cannot serve what was tuned.
        WeightsError: there is no tuned model in the folder, or its base is gone or another.
    """
    served = _served(settings, folder)
    return {
        **vllm.model_of(served, folder),
        "adapter": saved_identity(folder),
        "template": _template(folder),
    }


class TunedVllmTeacher(vllm.VllmTeacher):
    """A tuned teacher on this machine's GPUs.

    Args:
        settings: of the study.
        folder: the tuned model, as :func:`preceptor.models.save.save` writes it.
        cache: where whole answers are kept.
        name: what the report calls it.

    Raises:
        TeacherError: vLLM is not installed or cannot serve what was tuned, or a parameter cannot
            be used.
        WeightsError: there is no tuned model in the folder, or its base is gone or another.
    """

    def __init__(
        self, settings: TunedSettings, folder: Path, cache: AnswerCache, name: str
    ) -> None:
        sampling_parameters(settings.parameters)
        super().__init__(
            _served(settings, folder),
            cache,
            folder,
            name=name,
            identity=model_of(settings, folder),
            template=_template(folder),
        )

    def _call(self, requests: Sequence[Request], deliver: Deliver) -> None:
        super()._call(requests, lambda number, outcome: deliver(number, _bare(outcome)))

    def _seeded(self, request: Request) -> Request:
        sampling_parameters(request.parameters)
        return replace(request, parameters={**request.parameters, "seed": own_seed(request)})


def _bare(outcome: Outcome) -> Outcome:
    # The space that its tuning put between prompt and answer.
    return replace(outcome, text=outcome.text.strip()) if isinstance(outcome, Answer) else outcome


def _served(settings: TunedSettings, folder: Path) -> VllmSettings:
    record = record_of(folder)
    _check_servable(folder, rounded=record["rounded"])
    return VllmSettings.model_validate(
        {
            "engine": "vllm",
            "weights": base_of(folder, record).ref,
            "adapter": str(folder.resolve()),
            "dtype": _DTYPES[settings.fit.precision],
            "parameters": settings.parameters,
            "stands_for": settings.stands_for,
        }
    )


def _check_servable(folder: Path, *, rounded: bool) -> None:
    path = folder / "adapter_config.json"
    told = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    kind = "DoRA" if told.get("use_dora") else told.get("peft_type", "no adapter")
    if kind != "LORA":
        raise TeacherError(
            "vLLM can serve a tuned teacher through a LoRA adapter alone",
            where=str(folder),
            found=kind,
            fix=f"tune it with method: lora (without dora), or {_PROCESS}",
        )
    if rounded:
        raise TeacherError(
            "this teacher was tuned beside 4-bit weights, which vLLM would serve in full precision",
            where=str(folder),
            fix=f"tune it with load_in_4bit: false, or {_PROCESS}",
        )


def _template(folder: Path) -> str:
    from transformers import AutoTokenizer

    return template_for(AutoTokenizer.from_pretrained(folder))
