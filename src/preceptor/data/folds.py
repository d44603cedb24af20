"""Cross-validation: every example is a test example once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from preceptor.data.dividing import CrossValidation, Part, by_groups, refuse_empty
from preceptor.data.example import Example, Targets
from preceptor.data.problems import listed
from preceptor.data.sampling import SAMPLERS, label_counts, label_of, rank
from preceptor.errors import DataError


@dataclass(frozen=True)
class Folds:
    """Examples that are divided anew for every seed of a study.

    Attributes:
        examples: all of them.
        settings: how many folds, and how much of the rest is validation.
        targets: what the targets are; labels are dealt out in proportion.
        groups: the group of each example, by its id, where whole groups share a fold; else empty.
    """

    examples: Sequence[Example]
    settings: CrossValidation
    targets: Targets = "label"
    groups: Mapping[str, str] = field(default_factory=dict)

    def parts(self, seed: int) -> dict[Part, list[Example]]:
        """Train, validation and test of one seed; the parts that are drawn alone.

        Args:
            seed: the seed of the study. Its fold is ``seed mod folds``; every further ``folds``
                seeds have a division of their own.

        Raises:
            DataError: fewer examples or groups than folds, or a part would be empty.
        """
        turn, fold = divmod(seed, self.settings.folds)
        numbers = self._numbers(turn)
        parts: dict[Part, list[Example]] = {
            "test": [one for one in self.examples if numbers[one.id] == fold]
        }
        rest = [one for one in self.examples if numbers[one.id] != fold]
        if self.settings.validation is not None:
            parts["validation"] = self._validation(rest, seed)
            held = {one.id for one in parts["validation"]}
            rest = [one for one in rest if one.id not in held]
        parts["train"] = rest
        refuse_empty(self.examples, parts)
        return parts

    def _validation(self, rest: Sequence[Example], seed: int) -> list[Example]:
        wanted = self.settings.validation or 0
        count = wanted if isinstance(wanted, int) else round(wanted * len(rest))
        sampler = (
            by_groups(lambda one: self.groups[one.id]) if self.groups else SAMPLERS[self.targets]
        )
        salt = f"fold validation:{self.settings.seed}:{seed}"
        return sampler(rest, min(count, len(rest)), salt)

    def _numbers(self, turn: int) -> dict[str, int]:
        """The fold of each example, by its id."""
        salt = f"fold:{self.settings.seed}:{turn}"
        numbers = self._by_group(salt) if self.groups else self._by_row(salt)
        found = len(set(numbers.values()))
        if found < self.settings.folds:
            raise DataError(
                f"fewer {'groups' if self.groups else 'rows'} than folds",
                where="data.split.folds",
                found=f"{found} for {self.settings.folds} folds",
                fix=f"lower data.split.folds to {found} or less",
            )
        return numbers

    def _by_row(self, salt: str) -> dict[str, int]:
        """Rows dealt out in turn, label by label: folds differ by one row at most, in all and
        of every label."""
        ordered = sorted(
            self.examples,
            key=lambda one: (label_of(one) if self.targets == "label" else "", rank(salt, one.id)),
        )
        return {one.id: place % self.settings.folds for place, one in enumerate(ordered)}

    def _by_group(self, salt: str) -> dict[str, int]:
        """Whole groups in the salt's order, each to the fold that holds the fewest rows yet."""
        sizes = Counter(self.groups[one.id] for one in self.examples)
        rows = [0] * self.settings.folds
        fold_of: dict[str, int] = {}
        for group in sorted(sizes, key=lambda name: rank(salt, name)):
            fold_of[group] = rows.index(min(rows))
            rows[fold_of[group]] += sizes[group]
        return {one.id: fold_of[self.groups[one.id]] for one in self.examples}

    def notes(self) -> list[str]:
        """What the report should say of the division."""
        how = "whole groups" if self.groups else "rows"
        how += ", labels in proportion" if self.targets == "label" and not self.groups else ""
        sizes = ", ".join(f"{part} {len(rows)}" for part, rows in self.parts(0).items())
        folds, all_rows = self.settings.folds, len(self.examples)
        told = (
            f"Cross-validation: {all_rows} rows dealt into {folds} folds as {how}, by seed"
            f" {self.settings.seed}; every row is a test row once in {folds} seeds. Under seed 0:"
            f" {sizes}."
        )
        return [told, *self._thin()]

    def _thin(self) -> list[str]:
        """Labels that some test fold must lack."""
        if self.targets != "label":
            return []
        folds, counts = self.settings.folds, label_counts(self.examples)
        thin = [f"{label} ({count})" for label, count in counts.items() if count < folds]
        if not thin:
            return []
        return [
            f"Of these labels there are fewer rows than the {folds} folds: {listed(thin)}. A test"
            " fold without a label counts its F1 as 0."
        ]
