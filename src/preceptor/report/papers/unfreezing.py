"""Schwarzbach, selective unfreezing on MedQuAD (2024): its table and its two figures.

The figures draw the table's numbers. The paper tells of "the final transformer block and lm_head";
Llama-3.2-1B ties its head to the embedding, so that this probably trained the embedding too. The
study runs both ways, and both stand beside the paper's one row.
"""

from __future__ import annotations

from preceptor.report.papers.exhibit import Exhibit, Measure, Row, Setting, Trained

_PAPER = "Schwarzbach, selective unfreezing, 2024"
_MODEL = "meta-llama/Llama-3.2-1B"
_PRINTED = {
    "unfreeze-tied": ("Selective Unfreezing, tied head", 2.9599, 0.7329),
    "unfreeze": ("Selective Unfreezing, untied head", 2.9599, 0.7329),
    "lora": ("LoRA", 4.6205, 0.6433),
    "boft": ("BOFT", 3.2522, 0.7146),
    "base": ("Base Model", 6.1104, 0.5907),
}
"""student: technique, perplexity, next-token accuracy"""
_SETTINGS = (
    Setting("data.reader", "medquad"),
    Setting("data.split.by", "random"),
    Setting("data.split.test", 0.2, "80 % to train on, 20 % to test on"),
    Setting("data.drop", "any", "rows with missing or empty fields left out", "qa"),
    Setting("data.train.limit", None, "all training rows"),
    Setting("data.test.limit", None, "all test rows"),
    Setting("task.loss", "all", "question and answer in one sequence", "answer"),
    Setting("budget.epochs", 3),
    Setting("students.*.fit.precision", "bf16"),
    Setting("students.*.fit.layout", "fixed", "padded or cut to a fixed length", "padded"),
    *(
        Setting(f"students.{student}.method.name", name)
        for student, name in {
            "unfreeze-tied": "unfreeze",
            "unfreeze": "unfreeze",
            "lora": "lora",
            "boft": "boft",
            "base": "base",
        }.items()
    ),
    Setting("students.unfreeze-tied.method.last_blocks", 1, "the final block", 1),
    Setting("students.unfreeze.method.last_blocks", 1, "the final block", 1),
    Setting("students.lora.method.targets", ["q_proj", "v_proj"]),
    Setting("students.boft.method.targets", ["q_proj", "v_proj"]),
)
_NOTES = (
    "The paper has one row for selective unfreezing; it does not say whether the head was untied "
    "from the embedding, and stands here beside both ways.",
    "Numbers beside the paper's count all tokens, the question's too, as the paper joins both in "
    "one sequence; it does not say whether padding counts.",
)
_PERPLEXITY = Measure("perplexity_all", "Perplexity", 4)
_ACCURACY = Measure("next_token_accuracy_all", "Next-Token Accuracy", 4)


def _rows(*columns: int) -> tuple[Row, ...]:
    return tuple(
        Row((told[0],), Trained(student, "none"), tuple(float(told[n]) for n in columns))
        for student, told in _PRINTED.items()
    )


def _exhibit(
    name: str, title: str, place: str, measures: tuple[Measure, ...], *columns: int
) -> Exhibit:
    return Exhibit(
        name=f"unfreezing.{name}",
        title=title,
        source=f"{_PAPER}, {place}, section 3",
        study="studies/unfreezing/table1.yaml",
        heads=("Technique",),
        measures=measures,
        rows=_rows(*columns),
        readings=("next_token",),
        weights=dict.fromkeys(_PRINTED, _MODEL),
        settings=_SETTINGS,
        drawing="" if name == "table1" else "beside",
        notes=_NOTES,
    )


EXHIBITS = (
    _exhibit(
        "table1",
        "Performance comparison of fine-tuning techniques",
        "Table 1",
        (
            _PERPLEXITY,
            _ACCURACY,
            Measure("perplexity", "Perplexity, answers alone", 4, printed=False),
            Measure("next_token_accuracy", "Accuracy, answers alone", 4, printed=False),
        ),
        *(1, 2),
    ),
    _exhibit(
        "figure1", "Perplexity comparison of fine-tuning techniques", "Figure 1", (_PERPLEXITY,), 1
    ),
    _exhibit(
        "figure2",
        "Next-token accuracy comparison of fine-tuning techniques",
        "Figure 2",
        (_ACCURACY,),
        2,
    ),
)
