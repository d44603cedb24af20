from importlib.util import find_spec

import pytest
from pydantic import ValidationError
from table_files import COLUMNS, ROWS, write

from preceptor.data.readers.hub import HubSettings, read
from preceptor.errors import DataError

needs_datasets = pytest.mark.skipif(find_spec("datasets") is None, reason="datasets is an extra")


@pytest.mark.skipif(find_spec("datasets") is not None, reason="datasets is installed")
def test_without_the_package_the_error_says_what_to_install(tmp_path):
    settings = HubSettings(reader="hub", id="org/name", columns=COLUMNS)
    with pytest.raises(DataError, match="pip install 'preceptor\\[hub\\]'"):
        read(settings, tmp_path)


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ValidationError, match="one split stands for two"):
        HubSettings(reader="hub", id="a/b", columns=COLUMNS, splits={"test": "train"})
    with pytest.raises(ValidationError, match="no test part"):
        HubSettings(reader="hub", id="a/b", columns=COLUMNS, splits={"test": None})


@needs_datasets
def test_a_folder_of_files_loads_like_a_data_set(tmp_path):
    (tmp_path / "data").mkdir()
    write(tmp_path / "data" / "train.csv", ROWS[:12])
    write(tmp_path / "data" / "test.csv", ROWS[12:])
    splits = read(
        HubSettings(
            reader="hub",
            id="./data",
            columns=COLUMNS,
            splits={"validation": None},
            split={"by": "draw", "validation": 4},
        ),
        tmp_path,
    )
    assert [len(part) for part in splits.labelled().values()] == [8, 4, 8]
    assert "no revision named" in splits.notes[0]
    assert [path.name for path in splits.files] == ["test.csv", "train.csv"]


@needs_datasets
def test_a_data_set_that_is_not_there(tmp_path):
    settings = HubSettings(reader="hub", id="./nowhere", columns=COLUMNS)
    with pytest.raises(DataError, match="cannot be had"):
        read(settings, tmp_path)
