"""Tables as files."""

import re

from preceptor.report.frame.blocks import Column, Row, Table, Value, words
from preceptor.report.frame.formats import to_latex, to_markdown

HOSTILE = r"a|b_c & 50% $x$ #1 {y} \cmd ~ ^ <script> [l](u) `c` *d*" + "\nnext"


def table(name: str = HOSTILE) -> Table:
    return Table(
        name="arms",
        caption=f"Scores of {name}.",
        columns=(
            Column("arm", "Arm", numeric=False),
            Column("f1", "Macro-F1, %"),
            Column("none", "to none", group="Difference"),
            Column("repeat", "to repeat", group="Difference"),
        ),
        rows=(
            Row(
                (words(name), Value("50.0", 0.5, 0.4, 0.6, under="40.0 to 60.0"), Value(), Value())
            ),
            Row(
                (
                    words("all", tag="best"),
                    Value("1", 1),
                    Value("−2.3", -0.023, mark="worse"),
                    Value("+1.0", 0.01, mark="better"),
                ),
                "total",
            ),
        ),
        notes=("Means over seeds & more.",),
    )


def test_markdown_has_a_line_a_row_and_no_live_mark() -> None:
    caption, _, head, rule, first, second, _, note = to_markdown([table()]).splitlines()
    assert head == "| Arm | Macro-F1, % | Difference: to none | Difference: to repeat |"
    assert rule == "| :--- | ---: | ---: | ---: |"
    assert re.sub(r"\\(.)", r"\1", first).startswith(f"| {HOSTILE.replace(chr(10), ' ')} |")
    for mark in "|_<>[]`*#&${}":
        assert re.findall(rf"(?<!\\){re.escape(mark)}", first.strip("| ").split(" | ")[0]) == []
    assert first.endswith("| 50.0 (40.0 to 60.0) | – | – |")
    assert second == "| all (best) | 1 | −2.3 ▼ | +1.0 ▲ |"
    assert caption.startswith("**Scores of a\\|b")
    assert note == r"Means over seeds \& more."


def test_latex_is_booktabs_with_everything_escaped() -> None:
    text = to_latex([table()])
    body = text[text.index(r"\toprule") :]
    assert [line for line in body.splitlines() if line.startswith(r"\mid")] == [r"\midrule"] * 2
    assert r"& & \multicolumn{2}{c}{Difference} \\" in body
    assert r"\cmidrule(lr){3-4}" in body
    assert r"Arm & Macro-F1, \% & to none & to repeat \\" in body
    assert r"50.0 {\scriptsize(40.0 to 60.0)} & -- & -- \\" in body
    assert r"all (best) & 1 & $-$2.3 $\blacktriangledown$ & +1.0 $\blacktriangle$ \\" in body
    row = next(line for line in body.splitlines() if line.startswith("a"))
    assert row.startswith(
        r"a\textbar{}b\_c \& 50\% \$x\$ \#1 \{y\} \textbackslash{}cmd \textasciitilde{} "
        r"\textasciicircum{} \textless{}script\textgreater{}"
    )
    assert row.endswith(r"\\")
    bare = re.sub(r"\\[{}\\]", "", text)
    assert bare.count("{") == bare.count("}")
    assert r"\label{tab:arms}" in text


def test_tables_of_one_name_follow_each_other() -> None:
    both = [table("x"), table("y")]
    assert to_markdown(both).count("| Arm |") == 2
    assert re.findall(r"\\label\{(.*?)\}", to_latex(both)) == ["tab:arms-1", "tab:arms-2"]
