"""The user's cache: what is worth keeping across runs and studies."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_dir

VARIABLE = "PRECEPTOR_CACHE"


def cache_folder() -> Path:
    """Where answers and converted weights are kept; not created here.

    The folder named by the environment variable ``PRECEPTOR_CACHE``, otherwise the place
    that the operating system keeps for an application's cache.
    """
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else Path(user_cache_dir("preceptor"))
