"""annotate: a label, or an answer, for a text that has none (Kaddour and Liu, figure 1, step 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from preceptor.augment.operation import Amount
from preceptor.data.candidate import Rejection
from preceptor.llm.settings import Parameters
from preceptor.settings import Settings


class AnnotateSettings(Settings):
    """Label texts of the pool (`data.pool`): by the probability of every label where the teacher
    is tuned, by its written answer where it is asked through a server."""

    operation: Literal["annotate"]
    amount: Amount = "1x"
    """how many annotated rows are wanted after curation: a number, or a multiple of the human
    training set (`1x`)"""
    teacher: str | None = None
    """the name of the teacher that annotates; not needed where there is one"""
    keep: float = Field(1.0, gt=0, le=1)
    """the share of each label's rows that is kept, the surest first: 0.5 annotates two texts for
    every row wanted. A global threshold would keep the easy label alone. Of free answers the
    share of all, by mean log-probability"""
    base_rates: Literal["teacher", "human"] = "teacher"
    """`human` scales the teacher's probabilities until labels are on average as frequent as in
    the human examples; `teacher` takes them as they are"""
    shots: int = Field(0, ge=0)
    """solved human examples in the prompt of a teacher that is asked; a tuned one needs none"""
    votes: int = Field(1, ge=1)
    """how often a teacher that is asked answers each text; the share of votes is its probability
    of a label. Sampling needs a temperature above 0"""
    parameters: Parameters = Field({})
    """sent with this arm's calls beside the teacher's own parameters"""
    prompt: str | None = None
    """a Jinja file to use in place of the shipped prompt, for a teacher that is asked; relative
    to the study file"""


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a teacher says of one text of the pool.

    Attributes:
        target: the label or the answer; None where there is none.
        raw: what was written; empty where labels were scored.
        probabilities: of every label, adding up to 1; empty of a free answer.
        log_prob: mean natural-log probability of an answer's tokens; None where not known.
        rejection: why there is no target.
    """

    target: str | None
    raw: str = ""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    log_prob: float | None = None
    rejection: Rejection | None = None
