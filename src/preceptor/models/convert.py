"""An old pickle checkpoint as a folder of safetensors, made once, on purpose, and checked.

A pickle can run code when it is read, so nothing else in this program reads one. Here it is read
by :mod:`preceptor.models.unpickle` in a process of its own, with ``weights_only=True``, without
this process's environment (tokens, keys) and under limits of memory, time and file size. Every
tensor keeps its name, its type and its bytes; of tensors that the model ties, one is written, as
``save_pretrained`` does. What the model has no place for (a pretraining head, say) stays in the
file and is named in ``converted.json``.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NoReturn, cast

from preceptor import __version__
from preceptor.errors import WeightsError
from preceptor.models.files import sha256
from preceptor.models.kinds import Kind, kind_of, read_config, wrong_kind
from preceptor.models.loading import load_tokenizer
from preceptor.models.pickled import Source, find, pickles
from preceptor.models.verify import (
    ModelClass,
    Written,
    check_loads,
    floating_types,
    model_class,
)
from preceptor.models.weights import Weights
from preceptor.store.atomic import new_folder, sweep_beside, write_json
from preceptor.store.cache import cache_folder
from preceptor.store.fingerprint import fingerprint

RECORD = "converted.json"
_SMALL = ("*.json", "*.txt", "*.model", "*.jinja")
# All that the reading process gets of the environment.
_KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")


def convert(source: str, out: Path, kind: Kind | None = None) -> dict[str, Any]:
    """Write a pickle checkpoint as safetensors, with its config and its tokenizer.

    Args:
        source: a folder or a hub id (``org/name``, ``org/name@revision``) whose weights are
            ``pytorch_model.bin``, its shards, or one ``.pt`` file.
        out: where to; must not exist, or be empty. Appears whole or not at all.
        kind: what the model shall be used as; needed where its config does not tell.

    Returns:
        What ``converted.json`` in ``out`` says: ``source``, ``commit`` (from the hub), ``files``
        and ``sha256`` (of the pickles), ``kind``, ``architecture``, ``dtype`` (of the floating
        tensors), ``not_in_model`` (tensors that the architecture has no place for).

    Raises:
        WeightsError: there is nothing to convert, the pickle holds more than tensors, the model
            is not known or not whole, it has no tokenizer, or ``out`` is in use.
    """
    _check_free(out)
    found = find(source)
    files = pickles(found)
    config, kind = _config(found, kind)
    weights = Weights(found.ref, found.folder)
    load_tokenizer(weights)
    model = model_class(weights, kind)
    with _alone(out), _terminable(), new_folder(out) as draft:
        _copy_small(found.folder, draft)
        written = _unpickle(files, draft, sorted(model.tied), found.ref)
        dtype = _finish(config, model.architecture, written, draft)
        extra = check_loads(model, Weights(found.ref, draft), written)
        record = _record(found, files, model, dtype, extra)
        write_json(draft / RECORD, record)
        _check_free(out)
    return record


def _check_free(out: Path) -> None:
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists():
        raise WeightsError(
            "the place for the converted model is in use",
            where=str(out),
            expected="a folder that does not exist yet, or an empty one",
            fix="name another, or remove it",
        )


def _config(source: Source, kind: Kind | None) -> tuple[dict[str, Any], Kind]:
    if not (source.folder / "config.json").is_file():
        raise WeightsError(
            "no config.json beside the checkpoint", where=source.ref, fix="name a model's folder"
        )
    config = read_config(source.folder / "config.json")
    if "quantization_config" in config:
        raise WeightsError(
            "this checkpoint is quantized", where=source.ref, fix="name the original"
        )
    found = kind_of(config)
    if kind is not None and found not in (None, kind):
        raise wrong_kind(source.ref, str(found), kind)
    known = kind or cast(Kind | None, found)
    if known is None:
        raise WeightsError(
            "config.json does not tell what kind of model this is",
            where=source.ref,
            found=", ".join(config.get("architectures") or ["no architectures"]),
            fix="add --kind decoder, --kind encoder or --kind seq2seq",
        )
    return config, known


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keep others from converting to ``out``, and remove what a killed conversion to it left."""
    from filelock import FileLock, Timeout

    locks = cache_folder() / "converting"
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / f"{fingerprint(str(out.resolve()))[:32]}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise WeightsError("another conversion to this folder runs", where=str(out)) from error
    try:
        sweep_beside(out)
        yield
    finally:
        lock.release()


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the block as an error does, so that the draft is removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, _: object) -> NoReturn:
        raise SystemExit(128 + signum)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _copy_small(source: Path, draft: Path) -> None:
    for path in sorted({path for pattern in _SMALL for path in source.glob(pattern)}):
        if not path.name.endswith(".index.json") and path.name != RECORD:
            shutil.copyfile(path, draft / path.name)


def _unpickle(pickles: list[Path], draft: Path, tied: list[str], ref: str) -> Written:
    """Have the pickles read by a process of its own; tells what it wrote."""
    job = {"files": [str(path) for path in pickles], "folder": str(draft.resolve()), "tied": tied}
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
    command = [sys.executable, "-P", "-m", "preceptor.models.unpickle"]
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as complaint:
        streams: Any = {"stdin": subprocess.PIPE, "stdout": told, "stderr": complaint}
        with subprocess.Popen(command, env=environment, **streams) as child:
            _give(child, job)
        return _answer(child.returncode, _text(told), _text(complaint), ref)


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode("utf-8", "replace")


def _give(child: subprocess.Popen[bytes], job: dict[str, Any]) -> None:
    # Standard input stays open until the child is done: its end tells the child to die.
    assert child.stdin is not None
    try:
        with suppress(BrokenPipeError):
            child.stdin.write(json.dumps(job).encode() + b"\n")
            child.stdin.flush()
        child.wait()
    except BaseException:
        child.kill()
        raise
    finally:
        with suppress(BrokenPipeError):
            child.stdin.close()


def _answer(code: int, told: str, complaint: str, ref: str) -> Written:
    answer = json.loads(told) if code == 0 else {}
    if "files" in answer:
        written: Written = answer["files"]
        return written
    if "refused" in answer:
        fix = "get the model as safetensors from someone you trust; nothing of it was run"
        raise WeightsError(answer["refused"], where=ref, found=answer["found"], fix=fix)
    last = (complaint.strip().splitlines() or ["no word"])[-1]
    raise WeightsError(
        "the process that reads the pickle was stopped",
        where=ref,
        found=f"signal {-code}" if code < 0 else f"exit {code}: {last}",
        fix="it may use five times the memory of the largest file, and the disk twice its size: "
        "free some, and try again",
    )


def _finish(config: dict[str, Any], architecture: str, written: Written, draft: Path) -> str:
    """Write the index of shards, and the tensors' type into the config; tells the type."""
    if len(written) > 1:
        names = {name: file for file, digests in written.items() for name in digests}
        size = sum((draft / file).stat().st_size for file in written)
        index = {"metadata": {"total_size": size}, "weight_map": names}
        write_json(draft / "model.safetensors.index.json", index)
    types = floating_types(draft, written)
    config = {**config, "architectures": config.get("architectures") or [architecture]}
    if len(types) == 1:
        config = {key: value for key, value in config.items() if key != "torch_dtype"}
        config["dtype"] = types[0]
    write_json(draft / "config.json", config)
    return " and ".join(types)


def _record(
    source: Source, files: list[Path], model: ModelClass, dtype: str, extra: list[str]
) -> dict[str, Any]:
    hashes = {path.name: sha256(path) for path in files}
    return {
        "source": source.ref,
        "commit": source.commit,
        "files": hashes,
        "sha256": fingerprint(hashes),
        "kind": model.kind,
        "architecture": model.architecture,
        "dtype": dtype,
        "not_in_model": extra,
        "preceptor": __version__,
    }
