"""Teachers: requests out, answers or typed failures back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from preceptor.llm.settings import EmbeddedSettings, EndpointSettings

if TYPE_CHECKING:
    from preceptor.llm.chat import Teacher

_HERE = Path()


def open_teacher(
    settings: EndpointSettings | EmbeddedSettings,
    cache_path: Path | None = None,
    base_dir: Path = _HERE,
) -> Teacher:
    """The teacher that a study names; no server is started or contacted yet.

    Args:
        settings: from the study.
        cache_path: the file of kept answers; the user's own if not given.
        base_dir: the folder that a relative path to weights starts from.

    Raises:
        TeacherError: the key's environment variable is not set, or an engine is not installed.
        WeightsError: the weights are not there.
    """
    from preceptor.llm.cache import AnswerCache, default_path

    cache = AnswerCache(cache_path or default_path())
    if isinstance(settings, EndpointSettings):
        from preceptor.llm.endpoint import EndpointTeacher

        return EndpointTeacher(settings, cache)
    from preceptor.llm.embedded import EmbeddedTeacher
    from preceptor.models.weights import find_gguf

    return EmbeddedTeacher(settings, find_gguf(settings.weights, base_dir), cache)


def identity_of(
    settings: EndpointSettings | EmbeddedSettings, base_dir: Path = _HERE
) -> dict[str, Any]:
    """All that can change a teacher's answers, as JSON values; the same as its ``identity``.

    Args:
        settings: from the study.
        base_dir: the folder that a relative path to weights starts from.

    Raises:
        TeacherError: an engine is not installed.
        WeightsError: the weights are not there.
    """
    if isinstance(settings, EndpointSettings):
        from preceptor.llm import endpoint

        model = endpoint.model_of(settings)
    else:
        from preceptor.llm import embedded
        from preceptor.models.weights import find_gguf

        model = embedded.model_of(settings, find_gguf(settings.weights, base_dir))
    return {**model, "parameters": dict(settings.parameters)}
