"""A teacher on this machine's GPUs: weights served by vLLM, spoken to like any endpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from preceptor.errors import PreceptorError, WeightsError
from preceptor.llm.cache import AnswerCache
from preceptor.llm.served import ServedTeacher, Server
from preceptor.llm.settings import VllmSettings
from preceptor.llm.vllm_server import VllmServer, check_gpu, find_vllm
from preceptor.models import weights
from preceptor.models.files import model_hash

_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""that vLLM can be told to make room for (vllm/config/lora.py)"""


def model_of(settings: VllmSettings, base_dir: Path) -> dict[str, Any]:
    """What tells a model served by vLLM from others; never its port.

    The chat template and the tokenizer lie beside the weights, or within a GGUF, and their
    hash covers them. Memory and concurrency are left out: they change an answer only as far
    as vLLM's batches do at each start.

    Raises:
        TeacherError: vLLM is not installed.
        WeightsError: the weights or the adapter are not there.
    """
    return {
        "engine": "vllm",
        "engine_version": find_vllm().version,
        "weights": weights.resolve(settings.weights, base_dir).identity(),
        "adapter": _adapter_identity(settings, base_dir),
        "dtype": settings.dtype,
        "max_model_len": settings.max_model_len,
        "tensor_parallel_size": settings.tensor_parallel_size,
        "seed": settings.seed,
    }


def problems(settings: VllmSettings, base_dir: Path) -> Iterator[str]:
    """What can be known to be wrong before the server is started, each with its setting."""
    yield from _told("engine", lambda: check_gpu(find_vllm()))
    wrong = weights.check(settings.weights, base_dir, "decoder")
    if wrong is None:
        yield from _told("weights", lambda: _check_template(settings, base_dir))
    else:
        yield f"weights: {wrong}"
    yield from _told("adapter", lambda: _rank(settings, base_dir))


class VllmTeacher(ServedTeacher):
    """Weights on this machine's GPUs, served by vLLM.

    Args:
        settings: the model and how it is served.
        cache: where whole answers are kept.
        base_dir: the folder that a relative path starts from.
        name: what the report calls it; else the folder's name.
        identity: what tells it from others, if not :func:`model_of`.
        template: Jinja that makes a prompt of messages, if not the weights' own.

    Raises:
        TeacherError: vLLM is not installed.
        WeightsError: the weights or the adapter are not there.
    """

    def __init__(
        self,
        settings: VllmSettings,
        cache: AnswerCache,
        base_dir: Path,
        *,
        name: str | None = None,
        identity: Mapping[str, Any] | None = None,
        template: str | None = None,
    ) -> None:
        super().__init__(
            name or Path(settings.adapter or settings.weights).name,
            model_of(settings, base_dir) if identity is None else identity,
            settings.parameters,
            cache,
            concurrency=settings.concurrency,
            salt=(settings.seed,),
        )
        self._settings = settings
        self._base_dir = base_dir
        self._template = template
        self._written: TemporaryDirectory[str] | None = None

    def _start(self) -> Server:
        vllm = find_vllm()
        check_gpu(vllm)
        adapter = _adapter(self._settings, self._base_dir)
        arguments = [*self._arguments(), *self._templated()]
        return VllmServer(vllm, arguments, adapter, self._settings.startup_timeout)

    def _stop(self) -> None:
        super()._stop()
        if self._written is not None:
            self._written.cleanup()
            self._written = None

    def _templated(self) -> list[str]:
        if self._template is None:
            return []
        self._written = TemporaryDirectory(prefix="preceptor-vllm-")
        path = Path(self._written.name) / "template.jinja"
        path.write_text(self._template, "utf-8")
        # Else vLLM guesses from the template's text whether a message is a string.
        return ["--chat-template", str(path), "--chat-template-content-format", "string"]

    def _arguments(self) -> list[str]:
        settings = self._settings
        folder = weights.resolve(settings.weights, self._base_dir).folder
        rank = _rank(settings, self._base_dir)
        options: dict[str, object] = {
            "max-model-len": settings.max_model_len,
            "gpu-memory-utilization": settings.gpu_memory_utilization,
            "dtype": settings.dtype,
            "tensor-parallel-size": settings.tensor_parallel_size,
            "seed": settings.seed,
            # Only what the study asks for is sampled by, not what the weights bring along.
            "generation-config": "vllm",
            "max-lora-rank": rank,
        }
        given = {name: value for name, value in options.items() if value is not None}
        return [str(folder), *(str(part) for name in given for part in (f"--{name}", given[name]))]


def _check_template(settings: VllmSettings, base_dir: Path) -> None:
    folder = weights.resolve(settings.weights, base_dir).path
    if folder is None or folder.is_file() or (folder / "chat_template.jinja").is_file():
        return
    config = folder / "tokenizer_config.json"
    if not config.is_file() or "chat_template" not in json.loads(config.read_text("utf-8")):
        raise WeightsError(
            "these weights have no chat template, so vLLM cannot hold a conversation with them",
            where=str(folder),
            expected="chat_template.jinja, or chat_template in tokenizer_config.json",
            fix="name weights that were tuned to follow instructions",
        )


def _adapter(settings: VllmSettings, base_dir: Path) -> Path | None:
    """The adapter's folder.

    Raises:
        WeightsError: it is not there, or is no LoRA adapter that vLLM can serve.
    """
    if settings.adapter is None:
        return None
    folder = base_dir / Path(settings.adapter).expanduser()
    if not any(folder.glob("*.safetensors")) or not (folder / "adapter_config.json").is_file():
        raise WeightsError(
            "no adapter in this folder",
            where=str(folder),
            expected="adapter_config.json and adapter_model.safetensors, as PEFT saves them",
        )
    return folder.resolve()


def _rank(settings: VllmSettings, base_dir: Path) -> int | None:
    folder = _adapter(settings, base_dir)
    if folder is None:
        return None
    try:
        told = json.loads((folder / "adapter_config.json").read_text("utf-8"))
        kind, ranks = told.get("peft_type"), (told.get("rank_pattern") or {}).values()
        rank = next((rank for rank in _RANKS if rank >= max([told["r"], *ranks])), None)
    except (ValueError, LookupError, TypeError, AttributeError):
        kind = rank = None
    if kind != "LORA" or rank is None:
        raise WeightsError(
            "vLLM cannot serve this adapter",
            where=str(folder / "adapter_config.json"),
            expected=f"peft_type LORA of rank {_RANKS[-1]} at most",
            fix="merge the adapter into its weights, and name these",
        )
    return rank


def _adapter_identity(settings: VllmSettings, base_dir: Path) -> str | None:
    folder = _adapter(settings, base_dir)
    return None if folder is None else model_hash(folder)


def _told(setting: str, action: Callable[[], object]) -> Iterator[str]:
    try:
        action()
    except PreceptorError as error:
        yield f"{setting}: {error}"
