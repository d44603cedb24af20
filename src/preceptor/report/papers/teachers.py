"""Kaddour and Liu, synthetic data by fine-tuned teachers (2023): its figures.

The text at hand is a summary: it has the captions of figures 1, 2, 3, 5 and 6 and prints none of
their numbers; figures 4 and 7 and the one table are not in it. So nothing stands beside a run's
numbers; axes and rows are those that the captions and the text tell of.
"""

from __future__ import annotations

from collections.abc import Iterator

from preceptor.report.papers.exhibit import Exhibit, Form, Measure, Row, Setting, Trained

_PAPER = "Kaddour and Liu, synthetic data by fine-tuned teachers, 2023"
_TEACHER = {"tuned": "EleutherAI/gpt-neox-20b"}
_CLASSIFIER = {"classifier": "FacebookAI/roberta-large"}
_GENERATOR = {"generator": "facebook/bart-large"}
_LABELS = (Measure("macro_f1", "Macro-F1", 3), Measure("accuracy", "Accuracy", 3))
_TEXTS = (
    Measure("bleu", "BLEU", 2),
    Measure("chrf", "chrF", 2),
    Measure("rougeL", "ROUGE-L", 3),
)
_READINGS = ("classifier", "generation", "likelihood")
_SHARES = {"-5": "5 %", "-10": "10 %", "-25": "25 %", "-50": "50 %", "": "100 %"}
_NO_NUMBERS = "The paper's text at hand gives the figure's caption, and none of its numbers."
_OURS = "The arms repeat and gold, a control and a ceiling, are ours."
_MOST = Setting("data.train.limit", 2500, "5 % of its human rows are 125")
_FEW = Setting("data.train.limit", 125, "125 human rows, 5 % of its data")
_SHARE = Setting("teachers.tuned.human", 0.05, "a teacher tuned on 5 % of the human rows")


def _by_human_rows(student: str) -> Iterator[Row]:
    for suffix, share in _SHARES.items():
        for arm in ("none", "annotate", "create", "mix", "repeat", "gold"):
            yield Row((share, arm), Trained(student, f"{arm}{suffix}"))


def _by_made_rows(student: str) -> Iterator[Row]:
    yield Row(("none",), Trained(student, "none"))
    for source in ("annotate", "create"):
        for arm in (*(f"{source}-{n}" for n in (125, 250, 500, 1000)), source):
            yield Row((arm,), Trained(student, arm))
    for arm in ("repeat", "gold"):
        yield Row((arm,), Trained(student, arm))


FIGURE_1 = Exhibit(
    name="teachers.figure1",
    title="Synthetic data generation via fine-tuning the teacher",
    source=f"{_PAPER}, Figure 1",
    study="studies/teachers/scicite.yaml",
    heads=("Step", "In the paper"),
    measures=(),
    rows=(),
    readings=_READINGS,
    notes=("The figure is a diagram of three steps, without numbers.",),
)

FIGURE_2 = Exhibit(
    name="teachers.figure2",
    title="Text classification",
    source=f"{_PAPER}, Figure 2",
    study="studies/teachers/figure2.yaml",
    heads=("Human data", "Arm"),
    measures=_LABELS,
    rows=tuple(_by_human_rows("classifier")),
    readings=_READINGS,
    weights=_CLASSIFIER,
    teachers=_TEACHER,
    settings=(_MOST, _SHARE),
    drawing="human",
    amounts=True,
    notes=(_NO_NUMBERS, "Its four data sets are not named there.", _OURS),
)

FIGURE_3 = Exhibit(
    name="teachers.figure3",
    title="Natural language generation",
    source=f"{_PAPER}, Figure 3",
    study="studies/teachers/figure3.yaml",
    heads=("Human data", "Arm"),
    measures=_TEXTS,
    rows=tuple(_by_human_rows("generator")),
    readings=_READINGS,
    weights=_GENERATOR,
    teachers=_TEACHER,
    settings=(_MOST, _SHARE),
    drawing="human",
    amounts=True,
    notes=(
        _NO_NUMBERS,
        "Its two tasks are SGD and WebNLG; which metric it draws is not told.",
        _OURS,
    ),
)

FIGURE_5 = Exhibit(
    name="teachers.figure5",
    title="Different amounts of made data added to the student's training set",
    source=f"{_PAPER}, Figure 5",
    study="studies/teachers/figure5.yaml",
    heads=("Arm",),
    measures=_TEXTS,
    rows=tuple(_by_made_rows("generator")),
    readings=_READINGS,
    weights=_GENERATOR,
    teachers=_TEACHER,
    settings=(_FEW,),
    drawing="made",
    amounts=True,
    notes=(
        _NO_NUMBERS,
        "Its caption: SGD and WebNLG both benefit from the made data, with diminishing returns.",
        "An arm without a number in its name holds the largest amount of its source.",
        _OURS,
    ),
    also={
        "teachers-webnlg": Form({"smollm2": "generator"}),
        "teachers-sgd": Form({"smollm2": "generator"}),
        "teachers-amounts": Form({"minilm": "generator"}, _LABELS),
    },
)

FIGURE_6 = Exhibit(
    name="teachers.figure6",
    title="Annotation, generation, and both equally, at the same amount",
    source=f"{_PAPER}, Figure 6",
    study="studies/teachers/figure6.yaml",
    heads=("Training set",),
    measures=_LABELS,
    rows=(
        Row(("human rows alone",), Trained("classifier", "none")),
        Row(("annotation (Y given X)",), Trained("classifier", "annotate")),
        Row(("generation (X and Y)",), Trained("classifier", "create")),
        Row(("both equally",), Trained("classifier", "both")),
        Row(("human rows repeated",), Trained("classifier", "repeat")),
        Row(("true labels of the pool",), Trained("classifier", "gold")),
    ),
    readings=_READINGS,
    weights=_CLASSIFIER,
    teachers=_TEACHER,
    settings=(_FEW,),
    drawing="arms",
    amounts=True,
    notes=(
        _NO_NUMBERS,
        "Its caption: both equally performs almost as well as annotating the same amount, which "
        "assumes access to unlabelled texts.",
        _OURS,
    ),
    also={
        "teachers-scicite": Form({"minilm": "classifier", "mix": "both"}),
        "teachers-medical": Form({"minilm": "classifier", "mix": "both"}),
    },
)

EXHIBITS = (FIGURE_1, FIGURE_2, FIGURE_3, FIGURE_5, FIGURE_6)
