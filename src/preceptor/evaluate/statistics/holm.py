"""Many comparisons at once."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number, so that their family errs as rarely as one alone.

    Holm, A Simple Sequentially Rejective Multiple Test Procedure (Scandinavian Journal of
    Statistics 6, 1979): the least of m is multiplied by m, the next by m - 1, and so on, none
    below the one before it nor above 1. It holds however the comparisons hang together.

    Args:
        p_values: of one family.

    Returns:
        The corrected ones, in the same order.
    """
    count = len(p_values)
    corrected, least = [0.0] * count, 0.0
    for step, place in enumerate(sorted(range(count), key=lambda n: p_values[n])):
        least = max(least, min(1.0, (count - step) * p_values[place]))
        corrected[place] = least
    return corrected
