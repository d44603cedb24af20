"""Killed and continued, watched and stopped, shared among processes: the same training."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from fixtures_models import tiny_decoder, tiny_tokenizer
from preceptor.errors import PreceptorError
from preceptor.models.parameters import trained
from preceptor.models.seeding import seeded
from preceptor.tune.batches import text_row
from preceptor.tune.checkpoint import Checkpoint
from preceptor.tune.fit import Aids, FitReport, fit
from preceptor.tune.methods import lora
from preceptor.tune.settings import Budget, FitSettings
from preceptor.tune.watch import Watch

ROWS = [
    text_row(tiny_tokenizer(), f"Is {'water ' * (1 + i % 4)}wet?", (" yes", " no")[i % 2], "answer")
    for i in range(8)
]
TESTS = Path(__file__).parent.parent


def model_of(seed: int = 0) -> Any:
    with seeded(seed):
        return lora.attach(tiny_decoder(), lora.LoraSettings(dropout=0.2))


def train(model: Any, aids: Aids | None = None, steps: int = 12, **settings: Any) -> FitReport:
    fitted = FitSettings(**{"batch_rows": 3, **settings})
    return fit(
        model,
        ROWS,
        Budget(steps=steps),
        fitted,
        learning_rate=1e-2,
        seed=0,
        label="fit",
        pad_id=0,
        aids=aids,
    )


def tensors(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in trained(model).items()}


def same(one: Any, other: Any) -> bool:
    pairs = zip(tensors(one).values(), tensors(other).values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


class _Stopped(Exception):
    pass


def stopped_after(updates: int, path: Path, **settings: Any) -> None:
    """Train until a look after so many updates raises, as a kill would."""
    looks: list[float] = []

    def score() -> float:
        looks.append(0.0)
        if len(looks) == updates:
            raise _Stopped
        return -float(len(looks))

    aids = Aids(watch=Watch("x", score), checkpoint=Checkpoint(path, "key", every=0))
    with pytest.raises(_Stopped):
        train(model_of(), aids, validate_every=1, **settings)


@pytest.mark.parametrize("updates", [2, 7, 12])
def test_a_continued_training_ends_in_the_same_weights(updates: int, tmp_path: Path) -> None:
    def falling() -> Watch:
        seen: list[int] = []
        return Watch("x", lambda: seen.append(1) or -float(len(seen)))

    undisturbed = model_of()
    whole = train(undisturbed, Aids(watch=falling()), validate_every=1)
    path = tmp_path / "checkpoint.pt"
    stopped_after(updates, path)
    continued = model_of()
    watch = Watch("x", lambda: -float(len(watch.looks) + 1))
    report = train(
        continued, Aids(watch=watch, checkpoint=Checkpoint(path, "key")), validate_every=1
    )
    assert report.history == whole.history
    assert report.tokens_seen == whole.tokens_seen
    assert same(undisturbed, continued)


_SCRIPT = """
import sys; sys.path.insert(0, {tests!r})
from pathlib import Path
from tune.test_resume import *
aids = Aids(checkpoint=Checkpoint(Path({path!r}), "key", every=0))
model = model_of()
report = train(model, aids, steps=400)
torch.save((report.history, tensors(model)), {out!r})
"""


def test_kill_dash_nine_in_the_middle_of_training(tmp_path: Path) -> None:
    path, out = tmp_path / "checkpoint.pt", tmp_path / "out.pt"
    script = _SCRIPT.format(tests=str(TESTS), path=str(path), out=str(out))
    child = subprocess.Popen([sys.executable, "-c", script])
    while not path.exists():
        assert child.poll() is None
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not out.exists()
    done = len(torch.load(path, weights_only=True)["history"])
    assert 0 < done < 400
    continued, undisturbed = model_of(), model_of()
    aids = Aids(checkpoint=Checkpoint(path, "key"))
    again, whole = train(continued, aids, steps=400), train(undisturbed, steps=400)
    assert again.history == whole.history
    assert same(continued, undisturbed)


def test_a_checkpoint_of_another_training_or_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    stopped_after(3, path)
    with pytest.raises(PreceptorError, match="another training") as caught:
        train(model_of(), Aids(checkpoint=Checkpoint(path, "other")))
    assert "delete the file" in str(caught.value)
    wider = lora.attach(tiny_decoder(), lora.LoraSettings(rank=2))
    with pytest.raises(PreceptorError, match="another model"):
        train(wider, Aids(checkpoint=Checkpoint(path, "key")))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(PreceptorError, match="damaged"):
        train(model_of(), Aids(checkpoint=Checkpoint(path, "key")))


def test_the_best_look_gives_the_weights() -> None:
    kept: list[dict[str, torch.Tensor]] = []
    model = model_of()
    values = iter([3.0, 1.0, 2.0, 1.0])
    watch = Watch("loss", lambda: kept.append(tensors(model)) or next(values))
    report = train(model, Aids(watch=watch), validate_every=3)
    assert report.looks == [
        {"update": 3, "value": 3.0},
        {"update": 6, "value": 1.0},
        {"update": 9, "value": 2.0},
        {"update": 12, "value": 1.0},
    ]
    assert (report.updates, report.best_update) == (12, 6)
    assert all(torch.equal(kept[1][name], part) for name, part in tensors(model).items())
    assert any(not torch.equal(kept[2][name], part) for name, part in tensors(model).items())


def test_patience_ends_a_training_that_gets_no_better() -> None:
    values = iter([0.5, 0.6, 0.55, 0.4, 0.9])
    watch = Watch("accuracy", lambda: next(values), higher_is_better=True)
    report = train(model_of(), Aids(watch=watch), validate_every=2, patience=2)
    assert (report.updates, report.best_update) == (8, 4)
    assert not watch.is_patient(2)


def test_looks_do_not_disturb_the_training() -> None:
    plain, watched = model_of(), model_of()

    def score() -> float:
        assert not watched.training
        return -float(len(watch.looks))

    watch = Watch("x", score)
    train(plain)
    train(watched, Aids(watch=watch), validate_every=1)
    assert same(plain, watched)
