"""Loading without the library's own bars and remarks: what matters is raised as an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from warnings import catch_warnings, simplefilter


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' and PEFT's bars, remarks and deprecations while the block runs."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with catch_warnings():
            simplefilter("ignore", FutureWarning)
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
