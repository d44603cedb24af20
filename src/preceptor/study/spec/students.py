"""The students of a study file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from preceptor.evaluate.settings import Decoding
from preceptor.settings import Settings
from preceptor.study.spec.named import named
from preceptor.tune.methods import MethodSettings
from preceptor.tune.settings import Budget, FitSettings


class Distillation(Settings):
    """Learn from a teacher's probabilities as well as from its labels (Hinton, Vinyals and Dean,
    Distilling the Knowledge in a Neural Network, 2015)."""

    teacher: str | None = None
    """of a decoder or seq2seq student: the tuned teacher (with the student's vocabulary) whose
    probabilities of the next token it learns, at every supervised token; the probabilities that
    annotated rows keep play no part then. A classifier needs none: it learns just these"""
    temperature: float = Field(1.0, gt=0)
    """both sides' logits are divided by it; the soft loss is multiplied by its square, so that
    its gradient keeps its size (section 2.1)"""
    weight: float = Field(0.5, gt=0, le=1)
    """share of the soft loss; the rest is the loss of the hard labels"""


class StudentSettings(Settings):
    """What every student has."""

    weights: str
    """a known package (smollm2, minilm), a folder, a GGUF file, or a hub id (org/name[@rev]);
    for seq2seq also two encoders joined (minilm+minilm), a stand-in without pretraining"""
    stands_for: str | None = None
    """the model that a paper used, where this one is a substitute for it; the report says so"""
    method: Annotated[MethodSettings, named("name", MethodSettings)]
    """how the weights move: full, lora, prefix, boft, unfreeze, or base (not at all), by name or
    with settings"""
    fit: FitSettings = FitSettings()
    budget: Budget | None = None
    """this student's own budget, in place of the study's"""
    grid: Mapping[str, Annotated[list[Any], Field(min_length=1)]] = {}
    """method settings to try, each with a list of values (alpha: [32, 64]); every combination
    is a cell, and the validation split chooses"""
    arms: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """train it on these arms only"""
    seeds: int | None = Field(None, ge=1)
    """train it under the first so many seeds only"""
    distill: Distillation | None = None
    """learn a teacher's probabilities too"""


class WritingStudent(StudentSettings):
    """What every student has that writes its answers."""

    decoding: Decoding = "default"
    """how it writes: `default` is greedy; `drllama` are the paper's processors and beams"""
    readings: Annotated[tuple[Literal["likelihood", "generation"], ...], Field(min_length=1)] = (
        "likelihood",
        "generation",
    )
    """how labels are predicted and scored; the first is the one that comparisons rest on. A
    text task has its own, `score_by`"""
    max_new_tokens: int = Field(32, ge=1)
    """tokens of a written answer at most; a longer one is cut off, and the report counts them"""


class DecoderStudent(WritingStudent):
    """A causal language model; predicts by writing an answer and by label likelihood."""

    kind: Literal["decoder"]
    load_in_4bit: bool = False
    """hold the frozen weights in 4 bits (NF4, as QLoRA does), for a model too large otherwise:
    trained by lora or prefix; needs `pip install 'preceptor[4bit]'`"""


class Seq2SeqStudent(WritingStudent):
    """An encoder-decoder model: its encoder reads the task's `prompt`, its decoder writes the
    `answer`, and is trained on it alone; predicts as a decoder does. Of a text task it has no
    figures over all tokens, since it does not foresee what it reads"""

    kind: Literal["seq2seq"]


class EncoderStudent(StudentSettings):
    """An encoder with a classification head."""

    kind: Literal["encoder"]


AnyStudent = Annotated[
    DecoderStudent | EncoderStudent | Seq2SeqStudent, Field(discriminator="kind")
]
