"""What a run's results hold of its arms: rows that were made, rejected and kept, seed by seed."""

from __future__ import annotations

from pydantic import BaseModel

from preceptor.report.read.scores import Number
from preceptor.report.read.usage import Usage


class LabelFunnel(BaseModel, frozen=True):
    """What became of one label's candidates: they are the rejected and the kept."""

    candidates: int = 0
    rejected: dict[str, int] = {}
    """by filter"""
    kept: int = 0
    wanted: int | None = None
    """rows of the label that were wanted; None where labels are not balanced"""
    shortfall: int = 0


class Decided(BaseModel, frozen=True):
    """A person's decisions about made rows."""

    accept: int = 0
    reject: int = 0
    relabel: int = 0
    unread: list[str] = []
    """accepted, but no example could be read"""
    unmade: list[str] = []
    """about rows that this arm never asked for"""


class Varied(BaseModel, frozen=True):
    """Figures of diversity."""

    distinct_1: Number = None
    distinct_2: Number = None
    distinct_3: Number = None
    self_bleu: Number = None
    spread: Number = None


class Diversity(BaseModel, frozen=True):
    """How varied made texts are beside human ones, as many of each."""

    texts: int = 0
    human: Varied = Varied()
    made: Varied = Varied()
    note: str = ""


class ArmSeed(BaseModel, frozen=True):
    """One seed's made data of an arm."""

    seed: int
    human: int = 0
    wanted: int = 0
    kept: int = 0
    requests: int = 0
    seconds: Number = None
    """that making it took"""
    rejected: dict[str, int] = {}
    shortfall: int = 0
    path: str | None = None
    usage: Usage | None = None
    filters: list[str] = []
    """those that were on, in the order in which they judge"""
    funnel: dict[str, LabelFunnel] = {}
    """by label; "" for answers of which none could be read"""
    decisions: Decided = Decided()
    notes: dict[str, list[str]] = {}
    """what filters have to say, by filter"""
    annotated: int = 0
    """of an arm that annotates: texts of the pool that were labelled or answered"""
    pool: int = 0
    """texts that there were"""
    labels: dict[str, int] = {}
    """kept annotated rows by the label that they were given"""
    known: int = 0
    """those of them whose true label is known"""
    label_accuracy: Number = None
    """share of the known that were given their true label; told after the fact"""
    confusion: list[tuple[str, str, int]] = []
    """true label, given label, how often"""
    structured: bool | None = None
    """whether the teacher's server held it to a JSON schema"""
    diversity: Diversity | None = None


class Arm(BaseModel, frozen=True):
    """A training set."""

    operation: str = ""
    teacher: str | None = None
    """as the study names it; None where it names none"""
    of: dict[str, int | str | None] = {}
    """of a mix: the arms that it takes rows from, with how many (None is all)"""
    seeds: list[ArmSeed] = []
