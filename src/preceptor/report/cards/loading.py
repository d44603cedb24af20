"""How to load a saved student: code that works as it stands in the folder of its card."""

from __future__ import annotations

import shlex
from typing import Any

from preceptor.models.save import Form
from preceptor.report.cards.markdown import Md, block

_CLASSES = {
    "decoder": "AutoModelForCausalLM",
    "encoder": "AutoModelForSequenceClassification",
    "seq2seq": "AutoModelForSeq2SeqLM",
}
LIBRARIES: dict[Form, str] = {"adapter": "peft", "whole": "transformers", "trained": "preceptor"}
"""what loads each form of a saved model"""


def load_block(record: dict[str, Any]) -> Md:
    """Python that loads the model.

    Args:
        record: what ``base.json`` of the saved model says.
    """
    return block(_CODE[record["form"]](record), "python")


def _whole(record: dict[str, Any]) -> str:
    name = _CLASSES[record["kind"]]
    return f"""\
from transformers import {name}, AutoTokenizer

folder = "."  # where this card lies
model = {name}.from_pretrained(folder)
tokenizer = AutoTokenizer.from_pretrained(folder)
"""


def _adapter(record: dict[str, Any]) -> str:
    name, labels = _CLASSES[record["kind"]], record["labels"]
    heads = f", num_labels={len(labels)}, ignore_mismatched_sizes=True" if labels else ""
    return f"""\
from peft import PeftConfig, PeftModel
from transformers import {name}, AutoTokenizer

folder = "."  # where this card lies
config = PeftConfig.from_pretrained(folder)
base = {name}.from_pretrained(
    config.base_model_name_or_path, revision=config.revision{heads}
)
model = PeftModel.from_pretrained(base, folder)
tokenizer = AutoTokenizer.from_pretrained(folder)
"""


def _trained(record: dict[str, Any]) -> str:
    return """\
from pathlib import Path

from preceptor.study.predictor import load_predictor

folder = Path(".")  # where this card lies
predictor = load_predictor(folder)  # .model, .tokenizer, .predict(texts, "title")
"""


_CODE = {"whole": _whole, "adapter": _adapter, "trained": _trained}


def commands(run: str, cell: str) -> Md:
    """The commands that use a student of a run."""
    predict = shlex.join(["preceptor", "predict", run, "NEW.csv", "--cell", cell])
    export = shlex.join(["preceptor", "export", run, "FOLDER", "--cell", cell])
    return block(f"{predict}\n{export}   # as a whole model for transformers", "sh")
