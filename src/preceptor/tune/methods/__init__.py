"""How a student's weights move: one file per method, its settings a typed class there.

Every method module has a ``Settings`` class with a ``learning_rate`` of its own and a function
``attach(model, settings) -> model`` that returns the model with the right parameters trainable.
Adding a method is one new file and one line in ``METHODS``.
"""

from __future__ import annotations

from types import ModuleType
from typing import Annotated

from pydantic import Field

from preceptor.tune.methods import full, lora

METHODS: dict[str, ModuleType] = {"full": full, "lora": lora}
MethodSettings = Annotated[full.FullSettings | lora.LoraSettings, Field(discriminator="name")]
