"""How numbers stand on the page."""

import pytest

from preceptor.report.frame.blocks import Column, Row, Table, Value, words
from preceptor.report.frame.formats import to_csv
from preceptor.report.read import numbers


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (numbers.duration, 0.4, "0.4 s"),
        (numbers.duration, 12.4, "12 s"),
        (numbers.duration, 133, "2 min 13 s"),
        (numbers.duration, 3599.7, "1 h 00 min"),
        (numbers.duration, 59.7, "1 min 00 s"),
        (numbers.duration, 9000, "2 h 30 min"),
        (numbers.size, 999, "999 B"),
        (numbers.size, 1_234_000_000, "1.2 GB"),
        (numbers.size, 999_999, "1.0 MB"),
        (numbers.short, 22_713_216, "22.7 M"),
        (numbers.short, 134_515_008, "135 M"),
        (numbers.count, 12345, "12,345"),
        (numbers.count, 66.6666, "66.7"),
        (numbers.date, "2026-11-20T10:12:00+00:00", "20 November 2026, 10:12 UTC"),
        (numbers.date, "yesterday", "yesterday"),
        (numbers.setting, {"alpha": 32, "rank": 4}, "alpha 32, rank 4"),
        (numbers.setting, {}, "as given"),
    ],
)
def test_formats(function, value, text: str) -> None:  # type: ignore[no-untyped-def]
    assert function(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.023, "+2.3"), (-0.0231, "−2.3"), (0.0, "0.0"), (-0.0004, "0.0"), (0.0004, "0.0")],
)
def test_a_change_has_a_sign_unless_it_is_nothing(value: float, text: str) -> None:
    assert numbers.metric("macro_f1").change(value) == text


def test_money_and_lists() -> None:
    assert numbers.money(0.0123, "USD") == "0.0123 USD"
    assert numbers.money(1234.5, "EUR") == "1,234.50 EUR"
    assert numbers.money(0, None) == "0.00"
    assert numbers.listed(["a"]) == "a"
    assert numbers.listed(["a", "b", "c"]) == "a, b and c"
    assert numbers.plural(1, "seed") == "1 seed"


def test_a_csv_has_raw_values_intervals_and_what_the_table_is_about() -> None:
    def table(student: str, *values: Value) -> Table:
        columns = (Column("arm", "Arm"), Column("f1", "F1"))
        return Table("t", "c", columns, (Row((words('a,"b'), *values)),), (("student", student),))

    text = to_csv([table("x", Value("–")), table("y", Value("50.0", 0.5, 0.4, 0.6))])
    assert text == 'student,arm,f1,f1_low,f1_high\nx,"a,""b",,,\ny,"a,""b",0.5,0.4,0.6\n'
