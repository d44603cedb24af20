"""How each kind of task is scored: one file a kind of task, and one a reading of a text task.

Every module has ``METRICS`` (what arms are compared by, the headline's first), ``COLUMNS`` (of
``predictions.parquet``), ``scored(predictor, split, examples, title) -> (rows, metrics)`` (the
predictions of one split and, reading by reading, their metrics), ``look(predictor, examples, by,
title) -> float`` (the one figure that training is judged by), ``rescored(rows, examples, labels)
-> metrics`` (those of one split and reading anew, from its rows), ``metrics_of(rows)`` (those of
``METRICS`` that the rows of a reading have) and ``sample(rows, metric, labels) -> Scores`` (the
rows of one reading, seed by seed, as the statistics take them).
"""

from __future__ import annotations

from types import ModuleType

from preceptor.study.measures import choice, text

MEASURES: dict[str, ModuleType] = {"choice": choice, "text": text}
