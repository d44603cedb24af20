"""A GGUF file as a folder that transformers loads: exported once, kept in the user's cache."""

from __future__ import annotations

from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

from preceptor.errors import WeightsError
from preceptor.models.files import quantization, sha256
from preceptor.models.quiet import quiet
from preceptor.store.atomic import new_folder, sweep_beside, write_json
from preceptor.store.cache import cache_folder

SOURCE = "source.json"


def exported(gguf: Path) -> Path:
    """The folder with the file's weights as fp32 safetensors, its tokenizer and config.

    Made at first use under the hash of the file (SmolLM2-135M: 20 s, 538 MB); ``source.json``
    in it tells the file's path, hash and rounding.

    Raises:
        WeightsError: transformers cannot read this kind of GGUF file.
        OSError: the disk is full.
    """
    from filelock import FileLock

    folder = cache_folder() / "exported" / sha256(gguf)
    if not (folder / SOURCE).is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Cells and tests that start at once would each write the same half gigabyte.
        with FileLock(f"{folder}.lock"):
            if not (folder / SOURCE).is_file():
                sweep_beside(folder)
                _export(gguf, folder)
    return folder


def _export(gguf: Path, folder: Path) -> None:
    # The GGUF reader draws a bar of its own on stderr and takes no setting for it.
    with new_folder(folder) as draft, quiet(), redirect_stderr(StringIO()):
        _convert(gguf, draft)
        record = {"gguf": str(gguf), "sha256": sha256(gguf), "quantization": quantization(gguf)}
        write_json(draft / SOURCE, record)


def _convert(gguf: Path, draft: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    try:
        # Without GgufConfig the model counts as quantized and refuses to be saved.
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent,
            gguf_file=gguf.name,
            dtype=torch.float32,
            quantization_config=GgufConfig(dequantize=True),
        )
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    except (ValueError, KeyError, NotImplementedError) as error:
        raise WeightsError(
            f"transformers cannot read this GGUF file: {error}",
            where=str(gguf),
            fix="use the model's safetensors folder or hub id instead",
        ) from error
    model.config.name_or_path = ""
    model.save_pretrained(draft)
    tokenizer.save_pretrained(draft)
