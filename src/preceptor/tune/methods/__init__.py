"""How a student's weights move: one file per method, its settings a typed class there.

Every method module has a ``Settings`` class with a ``learning_rate`` of its own (but for ``base``,
which trains nothing), the ``KINDS`` of student that it fits, and a function ``attach(model,
settings, tokenizer) -> model`` that returns the model with the right parameters trainable.
Adding a method is one new file and a line each in
``METHODS`` and ``MethodSettings``.
"""

from __future__ import annotations

from types import ModuleType
from typing import Annotated

from pydantic import Field

from preceptor.tune.methods import base, boft, full, lora, prefix, unfreeze

METHODS: dict[str, ModuleType] = {
    "base": base,
    "full": full,
    "lora": lora,
    "prefix": prefix,
    "boft": boft,
    "unfreeze": unfreeze,
}
MethodSettings = Annotated[
    base.BaseSettings
    | full.FullSettings
    | lora.LoraSettings
    | prefix.PrefixSettings
    | boft.BoftSettings
    | unfreeze.UnfreezeSettings,
    Field(discriminator="name"),
]
