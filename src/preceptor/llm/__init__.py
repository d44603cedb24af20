"""Teachers: requests out, answers or typed failures back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from preceptor.llm.settings import (
    AnyTeacher,
    EmbeddedSettings,
    EndpointSettings,
    TunedSettings,
    VllmSettings,
)

if TYPE_CHECKING:
    from preceptor.llm.budget import Account
    from preceptor.llm.cache import AnswerCache
    from preceptor.llm.cached import CachedTeacher
    from preceptor.llm.chat import Teacher

_HERE = Path()


def open_teacher(
    settings: AnyTeacher,
    cache_path: Path | None = None,
    base_dir: Path = _HERE,
    *,
    name: str = "NAME",
    ledger: Path | None = None,
    folder: Path | None = None,
) -> Teacher:
    """The teacher that a study names; no server is started or contacted yet.

    Args:
        settings: from the study.
        cache_path: the file of kept answers; the user's own if not given.
        base_dir: the folder that a relative path to weights starts from.
        name: what the study calls it, for messages.
        ledger: the file in the run folder that tells what this run paid and used; without it,
            a limit holds for this teacher object alone.
        folder: of a teacher that is tuned first, what its tuning saved.

    Raises:
        TeacherError: the key's environment variable is not set, an engine is not installed, or
            a cost is limited and no price is known; a tuned teacher cannot be served or sampled
            as the study asks.
        WeightsError: the weights are not there.
        TypeError: the teacher is tuned first, and no folder is given.
    """
    from preceptor.llm.cache import AnswerCache, default_path

    cache = AnswerCache(cache_path or default_path())
    if isinstance(settings, TunedSettings):
        teacher = _opened_tuned(settings, cache, _tuned(folder), name)
    else:
        teacher = _opened(settings, cache, base_dir)
    teacher.charge(_account(settings, name, ledger))
    return teacher


def _account(settings: AnyTeacher, name: str, ledger: Path | None) -> Account:
    from preceptor.llm.budget import Account
    from preceptor.llm.ledger import Ledger
    from preceptor.llm.prices import quote

    priced = quote(settings)
    limit = settings.limit if isinstance(settings, EndpointSettings) else None
    book = Ledger(ledger) if ledger else None
    price, full = (priced.price, priced.full) if priced else (None, None)
    return Account(price, limit, book, name, full)


def _opened_tuned(
    settings: TunedSettings, cache: AnswerCache, folder: Path, name: str
) -> CachedTeacher:
    if settings.serve == "vllm":
        from preceptor.llm.vllm_tuned import TunedVllmTeacher

        return TunedVllmTeacher(settings, folder, cache, name)
    from preceptor.llm.tuned import TunedTeacher

    return TunedTeacher(settings, folder, cache, name)


def _tuned(folder: Path | None) -> Path:
    if folder is None:
        raise TypeError("a teacher that is tuned first is opened by the folder of its tuning")
    return folder


def _opened(
    settings: EndpointSettings | EmbeddedSettings | VllmSettings,
    cache: AnswerCache,
    base_dir: Path,
) -> CachedTeacher:
    if isinstance(settings, EndpointSettings):
        from preceptor.llm.batch.asking import BatchTeacher
        from preceptor.llm.endpoint import EndpointTeacher

        return (BatchTeacher if settings.batch else EndpointTeacher)(settings, cache)
    if isinstance(settings, VllmSettings):
        from preceptor.llm.vllm import VllmTeacher

        return VllmTeacher(settings, cache, base_dir)
    from preceptor.llm.embedded import EmbeddedTeacher
    from preceptor.models.weights import find_gguf

    return EmbeddedTeacher(settings, find_gguf(settings.weights, base_dir), cache)


def identity_of(
    settings: AnyTeacher, base_dir: Path = _HERE, *, folder: Path | None = None
) -> dict[str, Any]:
    """All that can change a teacher's answers, as JSON values; the same as its ``identity``.

    Args:
        settings: from the study.
        base_dir: the folder that a relative path to weights starts from.
        folder: of a teacher that is tuned first, what its tuning saved.

    Raises:
        TeacherError: an engine is not installed, or vLLM cannot serve what was tuned.
        WeightsError: the weights are not there.
        TypeError: the teacher is tuned first, and no folder is given.
    """
    if isinstance(settings, EndpointSettings):
        from preceptor.llm import endpoint

        model = endpoint.model_of(settings)
    elif isinstance(settings, VllmSettings):
        from preceptor.llm import vllm

        model = vllm.model_of(settings, base_dir)
    elif isinstance(settings, TunedSettings):
        from preceptor.llm import tuned, vllm_tuned

        engine = vllm_tuned if settings.serve == "vllm" else tuned
        model = engine.model_of(settings, _tuned(folder))
    else:
        from preceptor.llm import embedded
        from preceptor.models.weights import find_gguf

        model = embedded.model_of(settings, find_gguf(settings.weights, base_dir))
    return {**model, "parameters": dict(settings.parameters)}
