"""Where the real data lies, for tests that read it."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data"


def shared(name: str) -> Path:
    """A file or folder of ``../shared/data``; skips the test where it is absent."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"real data is not on this machine: {path}")
    return path
