"""What an example means: how it is shown, how an answer is read, which metrics count."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from preceptor.tasks.choice import ChoiceTask
from preceptor.tasks.text import TextTask

__all__ = ["AnyTask", "ChoiceTask", "TextTask"]

AnyTask = Annotated[ChoiceTask | TextTask, Field(discriminator="kind")]
