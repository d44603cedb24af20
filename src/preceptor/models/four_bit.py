"""Frozen weights in four bits: a model that would not fit beside its training (QLoRA).

Dettmers et al. 2023 (arXiv:2305.14314): the base is held as 4-bit NormalFloat with doubly
quantised scales, and an adapter in full precision is trained beside it.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from preceptor.errors import PreceptorError

if TYPE_CHECKING:
    from torch import nn

NOTE = "loaded in 4 bits (NF4)"
LOADED = {"loaded": "nf4, double quantised"}
"""what tells such weights from the same in full precision"""
METHODS = ("base", "lora", "prefix")
"""methods that leave the base as it is; PEFT's BOFT knows no 4-bit layers"""


def missing() -> str | None:
    """What to install where 4-bit loading is not possible; None where it is."""
    return None if find_spec("bitsandbytes") else "pip install 'preceptor[4bit]'"


def options() -> dict[str, Any]:
    """What ``from_pretrained`` takes to round a model's linear layers as it loads them.

    Embeddings, norms and the head stay as they are; products are computed in bf16.

    Raises:
        PreceptorError: bitsandbytes is not installed.
    """
    import torch
    from transformers import BitsAndBytesConfig

    fix = missing()
    if fix is not None:
        raise PreceptorError("4-bit loading needs bitsandbytes", fix=fix)
    return {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
    }


def keep_differentiable(model: nn.Module) -> None:
    """Have the layers stay as they were loaded, on a CPU too.

    With AVX512-BF16 bitsandbytes packs a layer anew at its first pass without gradients. The
    packed product has no gradient: blocks below would no longer learn, and nothing would say so.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False  # type: ignore[assignment]
