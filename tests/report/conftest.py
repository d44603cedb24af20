from pathlib import Path

import pytest

from preceptor.report.page import write_report

from .fixture import build
from .html import Page
from .taught_run import build_taught


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with its report."""
    folder = build(tmp_path_factory.mktemp("report") / "quickstart")
    write_report(folder)
    return folder


@pytest.fixture(scope="session")
def page(run: Path) -> Page:
    return Page.read(run / "report" / "index.html")


@pytest.fixture(scope="session")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a tuned teacher and its report."""
    folder = build_taught(tmp_path_factory.mktemp("report") / "taught")
    write_report(folder)
    return folder


@pytest.fixture(scope="session")
def taught_page(taught: Path) -> Page:
    return Page.read(taught / "report" / "index.html")
