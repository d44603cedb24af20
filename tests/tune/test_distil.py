"""Distillation: the gradient of the plain formula, however an update is cut, kept or shared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy, kl_div, log_softmax, one_hot, softmax

from fixtures_models import tiny_decoder, tiny_encoder, tiny_seq2seq, tiny_tokenizer
from preceptor.errors import DataError, PreceptorError
from preceptor.models.logits import logits_at
from preceptor.models.pairs import opening_of, pair_row
from preceptor.models.parameters import trained
from preceptor.models.seeding import seeded
from preceptor.tune import distil as distil_module
from preceptor.tune import teacher as teacher_module
from preceptor.tune.batches import LabelRow, TaughtPair, TextRow, cut_pair, taught_pair, text_row
from preceptor.tune.checkpoint import Checkpoint
from preceptor.tune.collate import collate
from preceptor.tune.distil import Distil
from preceptor.tune.fit import Aids, FitReport, fit
from preceptor.tune.methods import full, lora, unfreeze
from preceptor.tune.settings import Budget, FitSettings
from preceptor.tune.trunk import TrunkCache
from preceptor.tune.update import Forward
from preceptor.tune.watch import Watch

CPU = torch.device("cpu")
TEXTS = [
    (f"Is {'water ' * (1 + i % 4)}wet?", ("yes", "no, it is dry", "maybe")[i % 3]) for i in range(8)
]
ROWS = [text_row(tiny_tokenizer(), prompt, f" {answer}", "answer") for prompt, answer in TEXTS]
SOFT = [(0.7, 0.2, 0.1), (), (0.0, 0.25, 0.75), ()]
LABELLED = [LabelRow((1, 5 + i % 3, 9, 2 + i % 4), i % 3, SOFT[i % 4]) for i in range(8)]
WIDER = {"hidden_size": 64, "num_hidden_layers": 3}


def movable(model: Any) -> Any:
    return full.attach(model, full.FullSettings())


def llama(**more: Any) -> Any:
    return movable(tiny_decoder(**more))


def bert() -> Any:
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return movable(tiny_encoder(num_labels=3, **still))


def bart(**more: Any) -> Any:
    return tiny_seq2seq(dropout=0.0, **more)


def longer(vocabulary: int) -> Any:
    """A teacher whose head is padded, as some families' are."""
    model = tiny_decoder()
    with seeded(0):
        model.resize_token_embeddings(vocabulary, mean_resizing=False)
    return model


def pairs(model: Any) -> list[TaughtPair]:
    opening = opening_of(model)
    made = [pair_row(tiny_tokenizer(), opening, prompt, answer) for prompt, answer in TEXTS]
    return [taught_pair(one, row) for one, row in zip(made, ROWS, strict=True)]


def train(model: Any, rows: Any = ROWS, distil: Distil | None = None, **more: Any) -> FitReport:
    budget, aids = more.pop("budget", Budget(steps=4)), more.pop("aids", {})
    settings = FitSettings(**{"batch_rows": 8, "warmup": 0, "weight_decay": 0, **more})
    options: Any = {"learning_rate": 1e-3, "seed": 0, "label": "fit", "pad_id": 0}
    return fit(model, rows, budget, settings, **options, aids=Aids(distil=distil, **aids))


def losses(report: FitReport) -> list[float]:
    return [step["loss"] for step in report.history]


def tensors(model: Any) -> list[torch.Tensor]:
    return [part.detach().clone() for part in trained(model).values()]


def same(one: Any, other: Any) -> bool:
    return all(torch.equal(a, b) for a, b in zip(tensors(one), tensors(other), strict=True))


def hinton(
    logits: torch.Tensor, target: torch.Tensor, teacher: torch.Tensor, heat: float, weight: float
) -> torch.Tensor:
    """The loss in words of 2015: cross-entropy with soft targets, less what no gradient has."""
    soft = softmax(teacher / heat, -1)
    entropy = -torch.xlogy(soft, soft).sum()
    crossed = cross_entropy(logits / heat, soft, reduction="sum") - entropy
    hard = cross_entropy(logits, target, reduction="sum")
    return (1 - weight) * hard + weight * heat**2 * crossed


def written(model: Any, row: Any) -> torch.Tensor:
    """The logits of a row alone, without anything that training does for speed."""
    if isinstance(row, TextRow):
        return model(torch.tensor([row.tokens])).logits[0, row.first - 1 : -1]
    source, target = torch.tensor([row.source]), torch.tensor([row.target[:-1]])
    return model(input_ids=source, decoder_input_ids=target).logits[0, row.first - 1 :]


def of_tokens(student: Any, teacher: Any, rows: Any, heat: float, weight: float) -> torch.Tensor:
    whole = torch.zeros(())
    for row in rows:
        own, first = written(student, row), row.first
        target = torch.tensor((row.target if hasattr(row, "target") else row.tokens)[first:])
        read = row.read if hasattr(row, "read") and not hasattr(teacher.model, "encoder") else row
        with torch.no_grad():
            said = written(teacher, read)
        alone = len(own) - len(said)
        whole = whole + cross_entropy(own[:alone], target[:alone], reduction="sum")
        whole = whole + hinton(own[alone:], target[alone:], said, heat, weight)
    return whole


def of_labels(student: Any, rows: Any, heat: float, weight: float) -> torch.Tensor:
    whole = torch.zeros(())
    for row in rows:
        own, target = student(torch.tensor([row.tokens])).logits, torch.tensor([row.label])
        said = torch.tensor([row.soft]).log()
        plain = cross_entropy(own, target, reduction="sum")
        whole = whole + (hinton(own, target, said, heat, weight) if row.soft else plain)
    return whole


def gradients(model: Any) -> dict[str, torch.Tensor]:
    found = {name: part.grad.clone() for name, part in trained(model).items()}
    model.zero_grad()
    return found


def held_against(model: Any, rows: Any, distil: Distil, expected: torch.Tensor) -> None:
    """Loss and gradient of a batch are those of the reference."""
    expected.backward()
    reference = gradients(model)
    found = Forward(model, FitSettings(), 0, distil).losses(rows)
    assert found[0].item() == pytest.approx(expected.item(), rel=1e-4)
    found[0].backward()
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, reference[name], rtol=1e-3, atol=1e-5)


HEATS = [(1.0, 0.5), (4.0, 0.5), (4.0, 1.0), (0.5, 0.1)]


@pytest.mark.parametrize(("heat", "weight"), HEATS)
def test_a_classifiers_gradient_is_that_of_the_plain_formula(heat: float, weight: float) -> None:
    model = bert()
    expected = of_labels(model, LABELLED, heat, weight)
    held_against(model, LABELLED, Distil(heat, weight), expected)


@pytest.mark.parametrize(("heat", "weight"), HEATS)
def test_a_decoders_gradient_is_that_of_the_plain_formula(heat: float, weight: float) -> None:
    model, teacher = llama(), tiny_decoder(**WIDER)
    expected = of_tokens(model, teacher, ROWS, heat, weight)
    held_against(model, ROWS, Distil(heat, weight, teacher), expected)


@pytest.mark.parametrize("forced", [None, 1])
@pytest.mark.parametrize("by", ["decoder", "seq2seq"])
def test_a_seq2seqs_gradient_is_that_of_the_plain_formula(by: str, forced: int | None) -> None:
    model = movable(bart())
    model.generation_config.forced_bos_token_id = forced
    teacher = tiny_decoder(**WIDER) if by == "decoder" else bart(d_model=48)
    rows = pairs(model)
    expected = of_tokens(model, teacher, rows, 2.0, 0.5)
    held_against(model, rows, Distil(2.0, 0.5, teacher), expected)


def test_many_tokens_are_worked_through_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distil_module, "_AT_ONCE", 3)
    model, teacher = llama(), tiny_decoder(**WIDER)
    distil = Distil(2.0, 0.5, teacher)
    held_against(model, ROWS, distil, of_tokens(model, teacher, ROWS, 2.0, 0.5))
    mixed = [row for row in LABELLED if not row.soft] + LABELLED  # a part of which nothing is said
    one = bert()
    held_against(one, mixed, Distil(2.0, 0.5), of_labels(one, mixed, 2.0, 0.5))


def test_what_a_head_has_beyond_the_vocabulary_takes_no_part() -> None:
    model, teacher = llama(), longer(416)
    expected = torch.zeros(())
    for row in ROWS:
        target, said = torch.tensor(row.tokens[row.first :]), written(teacher, row)[:, :400]
        expected = expected + hinton(written(model, row), target, said.detach(), 1.0, 0.5)
    held_against(model, ROWS, Distil(teacher=teacher, tokens=400), expected)


def test_the_teacher_learns_nothing_and_is_no_part_of_the_student() -> None:
    teacher = lora.attach(tiny_decoder(**WIDER), lora.LoraSettings())
    before = [part.clone() for part in teacher.parameters()]
    names = set(trained(model := llama()))
    report = train(model, distil=Distil(teacher=teacher))
    assert report.history[-1]["loss"] < report.history[0]["loss"]
    assert set(trained(model)) == names
    assert not trained(teacher)
    assert not teacher.training
    parts = zip(before, teacher.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in parts)


def test_the_report_tells_both_losses() -> None:
    report = train(bert(), LABELLED, Distil(2.0, 0.25), budget=Budget(steps=3), batch_rows=4)
    for step in report.history:
        assert step["hard"] > 0
        assert step["soft"] > 0
    taught = [step["soft"] for step in report.history]
    assert report.distil["soft"] == pytest.approx(sum(taught) / 3)
    assert {key: report.distil[key] for key in ("temperature", "weight", "taught")} == {
        "temperature": 2.0,
        "weight": 0.25,
        "taught": 0.5,
    }
    one = report.history[0]
    model = bert()
    whole = train(model, LABELLED, Distil(2.0, 0.25), budget=Budget(steps=1)).history[0]
    # of 8 rows 4 have soft labels: their share of the hard loss is less by the weight
    with torch.no_grad():
        logits = [bert()(torch.tensor([row.tokens])).logits for row in LABELLED]
        hard = [
            cross_entropy(a, torch.tensor([r.label])) for a, r in zip(logits, LABELLED, strict=True)
        ]
    mixed = sum(h * (0.75 if r.soft else 1) for h, r in zip(hard, LABELLED, strict=True)) / 8
    assert whole["hard"] == pytest.approx(float(sum(hard) / 8), rel=1e-4)
    assert whole["loss"] == pytest.approx(float(mixed) + 0.25 * whole["soft"] * 4 / 8, rel=1e-4)
    assert set(one) == {"update", "loss", "learning_rate", "hard", "soft"}
    assert train(llama()).distil == {"off": "not asked for"}


@pytest.mark.parametrize("weight", [0.3, 1.0])
def test_rows_without_soft_labels_learn_the_hard_ones_at_full_weight(weight: float) -> None:
    human = [LabelRow(row.tokens, row.label) for row in LABELLED]
    plain, distilled = bert(), bert()
    one, two = train(plain, human), train(distilled, human, Distil(4.0, weight))
    assert losses(one) == pytest.approx(losses(two), rel=1e-5)
    assert "soft" not in two.history[0]
    assert two.distil == {
        "temperature": 4.0,
        "weight": weight,
        "taught": 0.0,
        "hard": pytest.approx(sum(losses(two)) / 4),
    }
    for a, b in zip(tensors(plain), tensors(distilled), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_soft_labels_are_not_looked_at_without_distillation() -> None:
    human = [LabelRow(row.tokens, row.label) for row in LABELLED]
    models = bert(), bert()
    train(models[0], human)
    train(models[1], LABELLED)
    assert same(*models)


def test_a_label_of_probability_1_is_a_hard_label() -> None:
    sure = [
        LabelRow(row.tokens, row.label, tuple(one_hot(torch.tensor(row.label), 3).tolist()))
        for row in LABELLED
    ]
    one, two = train(bert(), LABELLED), train(bert(), sure, Distil(1.0, 0.7))
    assert losses(one) == pytest.approx(losses(two), rel=1e-4)


@pytest.mark.parametrize("rows", ["labels", "answers", "texts", "pairs"])
def test_an_update_is_the_same_however_it_is_cut(rows: str) -> None:
    def run(**settings: Any) -> list[float]:
        if rows == "labels":
            return losses(train(bert(), LABELLED, Distil(3.0, 0.5), **settings))
        distil = Distil(3.0, 0.5, tiny_decoder(**WIDER))
        if rows == "pairs":
            return losses(train(movable(bart()), pairs(bart()), distil, **settings))
        first = [TextRow(row.tokens, 1) if rows == "texts" else row for row in ROWS]
        return losses(train(llama(), first, distil, **settings))

    expected = run()
    assert run(batch_rows=2, accumulation=4) == pytest.approx(expected, rel=1e-4)
    assert run(layout="fixed", max_length=40) == pytest.approx(expected, rel=1e-4)
    if rows in ("answers", "texts"):
        assert run(layout="packed") == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", ["decoder", "seq2seq"])
def test_kept_states_and_reading_anew_come_to_the_same(
    kind: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> FitReport:
        if kind == "decoder":
            student, rows, teacher = llama(), ROWS, tiny_decoder(**WIDER)
        else:
            student, rows, teacher = movable(bart()), pairs(bart()), bart(d_model=48)
        return train(student, rows, Distil(2.0, 0.5, teacher), precision=precision)

    kept = run()
    positions = sum(len(row.tokens) - row.first for row in set(ROWS))
    if kind == "decoder" and precision == "fp32":
        assert kept.distil["states"]["bytes"] == positions * 64 * 4
    assert kept.distil["states"]["bytes"] > 0
    monkeypatch.setattr(teacher_module, "ROOM", 100)
    anew = run()
    assert "more than" in anew.distil["states"]["off"]
    assert losses(kept) == pytest.approx(losses(anew), rel=1e-5 if precision == "fp32" else 1e-2)


def test_a_row_read_once_is_not_kept() -> None:
    distil = Distil(teacher=tiny_decoder(**WIDER))
    report = train(llama(), list(dict.fromkeys(ROWS)), distil, budget=Budget(epochs=1))
    assert report.distil["states"] == {"off": "hardly a row is read twice"}
    assert report.history[0]["soft"] > 0


def test_a_cached_trunk_changes_nothing(tmp_path: Path) -> None:
    def run(**aids: Any) -> FitReport:
        model = unfreeze.attach(tiny_decoder(num_hidden_layers=3), unfreeze.UnfreezeSettings())
        distil = Distil(2.0, 0.5, tiny_decoder(**WIDER))
        return train(model, distil=distil, aids=aids, batch_rows=2, accumulation=4)

    plain, cached = run(), run(trunk=TrunkCache(tmp_path, {"folder_sha256": "one"}, 1e9))
    assert cached.trunk["blocks"] == 2
    assert losses(plain) == pytest.approx(losses(cached), rel=1e-5)


class _Stopped(Exception):
    pass


@pytest.mark.parametrize("room", [2**30, 0])
@pytest.mark.parametrize("updates", [1, 5])
def test_a_continued_distillation_ends_in_the_same_weights(
    updates: int, room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teacher_module, "ROOM", room)

    def student() -> Any:
        with seeded(0):
            return lora.attach(tiny_decoder(), lora.LoraSettings(dropout=0.2))

    def run(model: Any, score: Any, **aids: Any) -> FitReport:
        distil = Distil(2.0, 0.5, tiny_decoder(**WIDER))
        aids["watch"] = Watch("x", score)
        settings: Any = {"batch_rows": 3, "validate_every": 1, "budget": Budget(steps=8)}
        return train(model, distil=distil, aids=aids, **settings)

    def until() -> float:
        seen.append(1.0)
        if len(seen) == updates + 1:
            raise _Stopped
        return 1.0 / len(seen)

    whole = student()
    expected = run(whole, iter([1 / n for n in range(1, 9)]).__next__)
    path, seen = tmp_path / "checkpoint.pt", list[float]()
    with pytest.raises(_Stopped):
        run(student(), until, checkpoint=Checkpoint(path, "key", every=0))
    kept = torch.load(path, weights_only=True)
    assert len(kept["history"]) == updates
    assert set(kept["tensors"]) == set(trained(whole))  # nothing of the teacher
    again = student()
    left = iter([1 / n for n in range(updates + 1, 9)])
    report = run(again, left.__next__, checkpoint=Checkpoint(path, "key"))
    assert report.history == expected.history
    assert report.distil["soft"] == expected.distil["soft"]
    assert same(whole, again)


def divergence(student: Any, teacher: Any) -> float:
    """KL of the teacher's next tokens to the student's, mean over supervised tokens."""
    batch = collate(ROWS, 0, CPU)
    assert batch.at is not None
    with torch.no_grad():
        own, said = (logits_at(m, batch.inputs, batch.at, sparse=True) for m in (student, teacher))
    return float(kl_div(log_softmax(own, -1), softmax(said, -1), reduction="batchmean"))


@pytest.mark.parametrize("weight", [0.5, 1.0])
def test_a_student_comes_near_its_teacher_as_hard_labels_do_not_bring_it(weight: float) -> None:
    teacher = llama(**WIDER)
    train(teacher, budget=Budget(steps=10))  # sure of little yet: there is something to learn
    before = divergence(llama(), teacher)
    hard, soft = llama(), llama()
    train(hard, budget=Budget(steps=200))
    report = train(soft, distil=Distil(1.0, weight, teacher), budget=Budget(steps=200))
    assert report.history[-1]["soft"] < 0.5 * report.history[0]["soft"]
    assert divergence(soft, teacher) < 0.5 * before
    assert divergence(soft, teacher) < 0.5 * divergence(hard, teacher)


def test_a_decoder_says_nothing_of_tokens_that_it_reads_otherwise() -> None:
    tokenizer = tiny_tokenizer()
    row = pairs(bart())[1]
    own = row.target[row.first :]
    shared = own[len(own) - (len(row.read.tokens) - row.read.first) :]
    assert 0 < len(shared) < len(own)  # " no" is another token than "no"
    assert row.read.tokens[row.read.first :] == shared
    assert tokenizer.decode(row.read.tokens) == "Is water water wet? no, it is dry</s>"
    cut = cut_pair(row, len(row.target) - 2)
    assert isinstance(cut, TaughtPair)
    assert (cut.target, cut.read.tokens) == (row.target[:-2], row.read.tokens[:-2])
    assert cut_pair(row, 99) == row
    nothing = cut_pair(row, 2)
    assert isinstance(nothing, TaughtPair)
    assert nothing.read.first == len(nothing.read.tokens)


def test_pairs_cut_until_a_decoder_says_nothing_still_train() -> None:
    model = movable(bart())
    rows = [cut_pair(row, 2) for row in pairs(model)]
    report = train(model, rows, Distil(teacher=tiny_decoder()))
    plain = train(movable(bart()), rows)
    assert report.distil["taught"] == 0
    assert losses(report) == pytest.approx(losses(plain), rel=1e-5)


def test_what_does_not_fit_is_refused() -> None:
    teacher = tiny_decoder()
    with pytest.raises(PreceptorError, match="needs no teacher's model"):
        train(bert(), LABELLED, Distil(teacher=teacher))
    with pytest.raises(PreceptorError, match="there is none"):
        train(llama(), distil=Distil())
    short = [LabelRow((1, 5, 2), 0, (0.5, 0.5))]
    with pytest.raises(DataError, match="2 probabilities"):
        train(bert(), short, Distil())
    with pytest.raises(PreceptorError, match="another vocabulary") as caught:
        train(llama(), distil=Distil(teacher=longer(416)))
    assert "416 tokens" in str(caught.value)
    assert "400" in str(caught.value)
    narrow = tiny_decoder()
    narrow.config.max_position_embeddings = 12
    with pytest.raises(DataError, match="than the teacher can see"):
        train(llama(), distil=Distil(teacher=narrow))
    with pytest.raises(PreceptorError, match="cannot teach a decoder's rows"):
        train(llama(), distil=Distil(teacher=bart()))
    plain = [pair_row(tiny_tokenizer(), opening_of(bart()), *text) for text in TEXTS]
    with pytest.raises(PreceptorError, match="do not say how it reads them"):
        train(movable(bart()), plain, Distil(teacher=teacher))
