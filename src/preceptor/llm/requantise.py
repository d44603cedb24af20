"""GGUF weights in the format that llama.cpp runs fast on a processor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from preceptor.errors import WeightsError
from preceptor.store.atomic import new_file
from preceptor.store.cache import VARIABLE, cache_folder

if TYPE_CHECKING:
    from gguf import GGUFReader, GGUFWriter

RULE = "Q4_1 to Q8_0, 1"
"""What this file does, for fingerprints: change it where the written weights change."""
SLOW_FORMAT = "Q4_1"
"""The format without a fast kernel in llama.cpp's portable wheels. Q8_0 holds its values to
within 1/254 of the largest in a block of 32: the same greedy answer (shared/FACTS.md)."""


def fast_weights(gguf: Path, weights_hash: str) -> Path:
    """The file to serve: ``gguf`` itself, or its Q8_0 copy in the user's cache.

    Args:
        gguf: the weights as they came.
        weights_hash: SHA-256 of that file; names the copy.

    Raises:
        WeightsError: the file is not a GGUF, or the copy cannot be written.
    """
    copy = cache_folder() / "gguf" / f"{weights_hash}-q8_0.gguf"
    if copy.is_file():
        return copy
    reader = _open(gguf)
    if all(tensor.tensor_type.name != SLOW_FORMAT for tensor in reader.tensors):
        return gguf
    try:
        with new_file(copy) as draft:
            _write(reader, draft)
    except OSError as error:
        raise WeightsError(
            "the converted weights cannot be written",
            where=str(copy),
            found=error,
            fix=f"free about {gguf.stat().st_size * 2 >> 20} MB there, or name another folder "
            f"in the environment variable {VARIABLE}",
        ) from error
    return copy


def _open(gguf: Path) -> GGUFReader:
    from gguf import GGUFReader

    try:
        return GGUFReader(gguf)
    except (ValueError, IndexError, OSError) as error:
        raise WeightsError(
            "the weights cannot be read as GGUF",
            where=str(gguf),
            found=error,
            expected="a whole file in llama.cpp's GGUF format",
            fix="download or convert the file anew",
        ) from error


def _write(reader: GGUFReader, path: Path) -> None:
    from gguf import GGUFWriter

    architecture = reader.fields["general.architecture"].contents()
    writer = GGUFWriter(path, architecture, endianess=reader.endianess)
    try:
        _copy_metadata(reader, writer)
        _announce_tensors(reader, writer)
        _copy_tensors(reader, writer)
    finally:
        writer.close()


def _copy_metadata(reader: GGUFReader, writer: GGUFWriter) -> None:
    from gguf import GGUFValueType, LlamaFileType

    writer.data_alignment = reader.alignment
    for field in reader.fields.values():
        # The writer makes these itself.
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        value: Any = field.contents()
        if field.name == "general.file_type":
            value = int(LlamaFileType.MOSTLY_Q8_0)
        inner = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, value, field.types[0], sub_type=inner)


def _announce_tensors(reader: GGUFReader, writer: GGUFWriter) -> None:
    # A GGUF states every tensor's place before the first one's data. Sizes alone are needed
    # here, so that one tensor at a time is in memory. Tied weights are one tensor in the file.
    import numpy as np
    from gguf import GGMLQuantizationType as Format
    from gguf import quant_shape_to_byte_shape

    for tensor in reader.tensors:
        shape, kind = tensor.data.shape, tensor.tensor_type
        dtype, size = tensor.data.dtype, tensor.data.nbytes
        if kind.name == SLOW_FORMAT:
            # GGUF lists the fastest dimension first, numpy last.
            elements = tuple(int(length) for length in reversed(tensor.shape))
            shape, kind = quant_shape_to_byte_shape(elements, Format.Q8_0), Format.Q8_0
            size = int(np.prod(shape))
        writer.add_tensor_info(tensor.name, shape, dtype, size, kind)


def _copy_tensors(reader: GGUFReader, writer: GGUFWriter) -> None:
    from gguf import GGMLQuantizationType as Format
    from gguf.quants import dequantize, quantize

    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in reader.tensors:
        data: Any = tensor.data
        if tensor.tensor_type.name == SLOW_FORMAT:
            data = quantize(dequantize(data, tensor.tensor_type), Format.Q8_0)
        writer.write_tensor_data(data)
