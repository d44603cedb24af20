"""The arms of a study file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from preceptor.augment.annotate import AnnotateSettings
from preceptor.augment.create import CreateSettings
from preceptor.augment.operation import Amount
from preceptor.augment.rewrite import RewriteSettings
from preceptor.settings import Settings
from preceptor.study.spec.named import named

HumanShare = Annotated[int | float | None, Field(gt=0)]


class NoneArm(Settings):
    """The human examples alone."""

    operation: Literal["none"]
    human: HumanShare = None
    """only so many of them: a number, or a share below 1 (0.05)"""


class RepeatArm(Settings):
    """The human examples repeated: the control for "more steps, not better data"."""

    operation: Literal["repeat"]
    amount: Amount = "1x"
    """how many repeated rows beside the human ones"""
    human: HumanShare = None
    """hold only so many of the human examples: a number, or a share below 1 (0.05)"""


class GoldArm(Settings):
    """Texts of the pool with their true labels, which nothing else may see: the ceiling of what
    annotation can reach."""

    operation: Literal["gold"]
    amount: Amount = "1x"
    """how many rows beside the human ones"""
    human: HumanShare = None
    """hold only so many of the human examples: a number, or a share below 1 (0.05)"""


class MixArm(Settings):
    """The made rows of other arms together (combinedQA)."""

    operation: Literal["mix"]
    of: Annotated[
        dict[str, Amount | None],
        BeforeValidator(
            lambda value: dict.fromkeys(value) if isinstance(value, list) else value,
            json_schema_input_type=list[str] | dict[str, Amount | None],
        ),
    ] = Field(min_length=1)
    """names of other arms, all their made rows; or a mapping of name to amount: the first so
    many, so that amounts of one arm make a curve"""
    human: HumanShare = None
    """hold only so many of the human examples beside them: a number, or a share below 1"""


_Arms = Annotated[
    NoneArm | RepeatArm | GoldArm | RewriteSettings | CreateSettings | AnnotateSettings | MixArm,
    Field(discriminator="operation"),
]
ArmSettings = Annotated[_Arms, named("operation", _Arms)]
