"""The errors that a user can cause and mend."""

from __future__ import annotations


class PreceptorError(Exception):
    """An error of the input or the surroundings, told in words a user can act on.

    Args:
        what: what is wrong, in one sentence.
        where: file, row and field, as far as they are known.
        found: what stood there.
        expected: what should have stood there.
        fix: what to do about it.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        found: object = None,
        expected: object = None,
        fix: str | None = None,
    ) -> None:
        self.what = what
        self.where = where
        self.found = found
        self.expected = expected
        self.fix = fix
        super().__init__(str(self))

    def __str__(self) -> str:
        lines = [self.what]
        parts = {
            "where": self.where,
            "found": self.found,
            "expected": self.expected,
            "fix": self.fix,
        }
        lines += [f"  {name}: {value}" for name, value in parts.items() if value is not None]
        return "\n".join(lines)


class DataError(PreceptorError):
    """A file of examples that cannot be used as it is."""


class SpecError(PreceptorError):
    """A study file with one or more problems, all of them reported at once."""


class TeacherError(PreceptorError):
    """A teacher that cannot be reached, or that refuses every call alike."""


class LimitError(TeacherError):
    """A further call could pass what the study allows a teacher to be paid."""


class WeightsError(PreceptorError):
    """Weights that are not there or cannot be loaded as what they should be."""


class StaleRunError(PreceptorError):
    """A run folder made from something else than the study at hand."""
