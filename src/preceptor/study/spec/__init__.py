"""The study file, typed. Every key is explained by the text below it."""

from __future__ import annotations

from preceptor.study.spec.arms import (
    ArmSettings,
    GoldArm,
    MixArm,
    NoneArm,
    RepeatArm,
)
from preceptor.study.spec.students import (
    AnyStudent,
    DecoderStudent,
    Distillation,
    EncoderStudent,
    Seq2SeqStudent,
    StudentSettings,
    WritingStudent,
)
from preceptor.study.spec.study import (
    Baselines,
    CardSettings,
    ReportSettings,
    Study,
    Tracker,
    chosen_by,
)

__all__ = [
    "AnyStudent",
    "ArmSettings",
    "Baselines",
    "CardSettings",
    "DecoderStudent",
    "Distillation",
    "EncoderStudent",
    "GoldArm",
    "MixArm",
    "NoneArm",
    "RepeatArm",
    "ReportSettings",
    "Seq2SeqStudent",
    "StudentSettings",
    "Study",
    "Tracker",
    "WritingStudent",
    "chosen_by",
]
