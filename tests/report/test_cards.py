"""The cards beside trained students and made sets, read as the hub and a browser would."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import DatasetCard, ModelCard
from markdown_it import MarkdownIt

from preceptor.data.example import Example, Origin, write_examples
from preceptor.report.cards import write_cards, write_model_card
from preceptor.report.cards.licences import Origin as From
from preceptor.report.cards.licences import rolled_up
from preceptor.report.cards.markdown import Md, block, code, escaped, table
from preceptor.report.read.provenance import Licence
from preceptor.report.read.results import load
from preceptor.report.sections.ranking import answers
from preceptor.store.atomic import write_json

from .fixture import LABELS, TEXTS, build
from .html import Page
from .text_run import STUDY, answer, run_study

HOSTILE = (
    "a|b",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "x `y` ``z``",
    "[here](javascript:alert(1))",
    "# head",
    "- item",
    "2. item",
    "--- ",
    "*bold* _it_ ~~no~~ $x$ &amp;",
    "C:\\dir",
)
PROVENANCE: dict[str, Any] = {
    "language": ["en"],
    "data": {
        "source": "the clinic's own mail",
        "licence": {"name": "cc-by-4.0", "told_by": "the study"},
    },
    "students": {
        "minilm-full": {
            "weights": "minilm",
            "hub": "sentence-transformers/all-MiniLM-L6-v2",
            "licence": {"name": "apache-2.0", "told_by": "README.md"},
            "fit": {"batch_rows": 8, "optimizer": "adamw"},
        }
    },
    "teachers": {
        "smollm2": {
            "weights": "smollm2",
            "hub": "HuggingFaceTB/SmolLM2-135M-Instruct",
            "licence": {"name": "apache-2.0", "told_by": "the GGUF file's header"},
        }
    },
    "arms": {
        "rewrite": {"teachers": ["smollm2"], "settings": {"operation": "rewrite", "amount": "1x"}},
        "create": {"teachers": ["smollm2"], "settings": {"operation": "create"}},
        "combined": {"teachers": ["smollm2"], "settings": {"of": {"rewrite": None}}},
        "none": {"teachers": [], "settings": {}},
        "repeat": {"teachers": [], "settings": {}},
    },
    "cells": {
        "minilm-full/rewrite/seed-0": {
            "draw_seed": 0,
            "method": {"name": "full", "learning_rate": 3e-4},
        }
    },
}


def with_models(run: Path) -> Path:
    """Saved students beside the first cell of every student, and what they were trained on."""
    kinds = {"minilm-full": ("encoder", "whole"), "smollm2-lora": ("decoder", "adapter")}
    for cell in json.loads((run / "results.json").read_text("utf-8"))["cells"]:
        if cell["arm"] == "rewrite" and cell["seed"] == 0:
            kind, form = kinds[cell["student"]]
            record = {"kind": kind, "labels": LABELS, "form": form, "rounded": False}
            write_json(run / cell["path"] / "model" / "base.json", record)
    rows = [Example(f"m{n}", {"text": f"{n}"}, LABELS[n % 3]) for n in range(7)]
    made = Origin("smollm2", "rewrite", ("m0",))
    rows += [Example(f"r{n}", {"text": f"r{n}"}, LABELS[n], origin=made) for n in range(2)]
    write_examples(run / "arms/rewrite/seed-0/train.parquet", rows)
    assert write_cards(run) == []
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_models(build(tmp_path_factory.mktemp("cards") / "run", provenance=PROVENANCE))


def model(run: Path, cell: str = "minilm-full/rewrite/seed-0") -> ModelCard:
    return ModelCard.load(run / "cells" / cell / "model" / "README.md")


def data(run: Path, arm: str = "rewrite") -> DatasetCard:
    return DatasetCard.load(run / "arms" / arm / "seed-0" / "README.md")


def shown(markdown: str) -> Page:
    """As a page of the hub, where HTML in a card is let through."""
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    return Page(parser.render(markdown))


def cells_of(page: Page) -> list[list[str]]:
    return [[cell.text() for cell in row.all("td")] for row in page.root.all("tr")]


def test_a_model_card_has_the_metadata_that_the_hub_reads(run: Path) -> None:
    head = model(run).data
    assert head.library_name == "transformers"
    assert head.pipeline_tag == "text-classification"
    assert head.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert head.base_model_relation == "finetune"
    assert head.language == ["en"]
    assert head.tags == ["preceptor", "full", "synthetic-data"]
    assert (head.license, head.license_name) == ("other", "apache-2.0-and-cc-by-4.0")
    cell = next(c for c in load(run).cells if c.id == "minilm-full/rewrite/seed-0")
    scores = cell.splits["test"]["classifier"]
    found = {one.metric_type: one.metric_value for one in head.eval_results}
    assert found == {"f1": scores.macro_f1, "accuracy": scores.accuracy}
    assert {one.dataset_split for one in head.eval_results} == {"test"}


def test_an_adapter_says_what_it_is_and_what_is_not_known(run: Path) -> None:
    card = model(run, "smollm2-lora/rewrite/seed-0")
    assert card.data.library_name == "peft"
    assert card.data.base_model is None, "the results do not tell what the hub calls it"
    assert card.data.license == "unknown"
    assert "PeftModel.from_pretrained" in card.text
    assert "the weights are rounded to 4 bits" in card.text


def test_a_model_card_tells_scores_with_intervals_verdict_origins_and_limits(run: Path) -> None:
    results, text = load(run), model(run).text
    score = next(
        s
        for s in results.scores
        if (s.student, s.arm, s.metric) == ("minilm-full", "rewrite", "macro_f1")
    )
    assert score.mean is not None
    assert score.low is not None
    row = next(row for row in cells_of(shown(text)) if row and row[0] == "Macro-F1, %")
    assert row[3] == f"{100 * score.mean:.1f}"
    assert row[4].startswith(f"{100 * score.low:.1f} to")
    for words in (
        *(escaped(f"{arm}: {told}.") for one in answers(results) for arm, told in one.arms),
        "| Human rows | 16 |",
        "| Rejected: meta talk | 1 |",
        "learning\\_rate `0.0003`",
        "optimizer `adamw`",
        "cc-by-4.0 (the study)",
        "the clinic's own mail",
        "apache-2.0 (the GGUF file's header)",
        "not medical, legal or other professional advice",
        "160 messages, written by a few hands",
        "preceptor predict run NEW.csv --cell minilm-full/rewrite/seed-0",
        "| Optimiser updates | 100 |",
    ):
        assert words in text, words


def test_a_data_card_has_configs_columns_counts_and_how_it_was_sampled(run: Path) -> None:
    card = data(run)
    assert card.data.license == "other"
    assert card.data.size_categories == ["n<1K"]
    assert card.data.annotations_creators == ["machine-generated"]
    for config in card.data.configs:
        for files in config["data_files"]:
            assert (run / "arms/rewrite/seed-0" / files["path"]).is_file()
    assert [config["config_name"] for config in card.data.configs] == ["train", "made"]
    rows = cells_of(shown(card.text))
    assert [LABELS[0], "3", "1"] in rows
    assert [LABELS[2], "2", "0"] in rows
    assert ["Rejected: contamination", "1"] in rows
    assert any(row and row[0] == "soft" for row in rows), "every column is explained"
    assert any(row and row[0] == "raw" for row in rows)
    assert "operation `rewrite`, amount `1x`" in card.text


def test_what_no_teacher_made_has_no_card_and_a_mix_without_a_folder_neither(run: Path) -> None:
    found = {path.parent.parent.name for path in run.glob("arms/*/*/README.md")}
    assert found == {"rewrite", "create"}


@pytest.mark.parametrize("publish", [True, False])
def test_no_text_of_the_data_stands_in_a_card(tmp_path: Path, publish: bool) -> None:
    run = with_models(build(tmp_path / "run", report={"publish_texts": publish}))
    texts = [item[key] for item in TEXTS["messages"] for key in ("text", "rewritten")]
    texts += [item["text"] for item in TEXTS["created"]]
    cards = [path.read_text("utf-8") for path in run.rglob("README.md")]
    assert len(cards) == 2 + 6
    assert [text for text in texts for card in cards if text in card] == []
    private = [card for card in cards if "Not for publication" in card]
    assert len(private) == (0 if publish else 6), "the data cards say so"


def test_cards_are_written_from_the_results_alone_and_the_same_again(run: Path) -> None:
    before = {path: path.read_bytes() for path in run.rglob("README.md")}
    write_cards(run)
    assert {path: path.read_bytes() for path in run.rglob("README.md")} == before
    assert list(run.rglob(".unfinished-*")) == []


def test_a_card_goes_along_with_an_exported_model(run: Path, tmp_path: Path) -> None:
    record = {"kind": "decoder", "labels": None, "form": "whole", "rounded": False}
    write_json(tmp_path / "base.json", record)
    write_model_card(run, "smollm2-lora/rewrite/seed-0", tmp_path)
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.library_name == "transformers"
    assert "PeftModel" not in card.text
    assert "AutoModelForCausalLM.from_pretrained" in card.text


def test_a_damaged_folder_is_told_and_stops_no_other_card(tmp_path: Path) -> None:
    run = with_models(build(tmp_path / "run"))
    for path in run.rglob("README.md"):
        path.unlink()
    (run / "arms/rewrite/seed-0/train.parquet").write_bytes(b"PAR1 no more")
    (run / "cells/smollm2-lora/rewrite/seed-0/model/base.json").write_text("{")
    problems = write_cards(run)
    assert len(problems) == 2
    assert "arms/rewrite/seed-0" in problems[1]
    assert len(list(run.rglob("README.md"))) == 8 - 2


def test_nothing_that_comes_from_data_becomes_markup(tmp_path: Path) -> None:
    def renamed(value: Any) -> Any:
        """Hostile names in place of labels wherever results have them."""
        if isinstance(value, dict):
            return {renamed(key): renamed(one) for key, one in value.items()}
        if isinstance(value, list):
            return [renamed(one) for one in value]
        return names.get(value, value) if isinstance(value, str) else value

    names = dict(zip(LABELS, HOSTILE, strict=False))
    run = build(tmp_path / "run")
    results = renamed(json.loads((run / "results.json").read_text("utf-8")))
    results["study"] = "evil\n---\nlicense: mit\n---\n# <b>x</b>"
    results["limits"] = list(HOSTILE)
    results["task"]["about"] = "<iframe src=//x></iframe> | # ok"
    results["command"] = "preceptor run '```' <script>"
    write_json(run / "results.json", results)
    cell = "cells/minilm-full/rewrite/seed-0/model"
    record = {"kind": "encoder", "labels": list(HOSTILE), "form": "whole", "rounded": False}
    write_json(run / cell / "base.json", record)
    rows = [Example(str(n), {"text": "t"}, label) for n, label in enumerate(HOSTILE)]
    write_examples(run / "arms/rewrite/seed-0/train.parquet", rows)
    assert write_cards(run) == []
    cards = [ModelCard.load(run / cell / "README.md"), data(run)]
    assert [card.data.license for card in cards] == ["unknown", "unknown"]
    for card in cards:
        page = shown(card.text)
        tags = {element.tag for element in page.root.all()}
        assert tags <= {"h1", "h2", "p", "ul", "li", "table", "thead", "tbody"} | {
            *("tr", "th", "td", "code", "pre", "strong")
        }
        assert len(page.root.all("h1")) == 1
        items = [item.text() for item in page.root.all("li")]
        assert [item for item in items if item in [" ".join(one.split()) for one in HOSTILE]]
    labels = [row[0] for row in cells_of(shown(cards[1].text)) if len(row) == 3]
    assert {" ".join(one.split()) for one in HOSTILE} <= set(labels)


@pytest.mark.parametrize("text", HOSTILE)
def test_text_and_code_are_shown_as_they_are(text: str) -> None:
    plain = " ".join(text.split())
    for markdown in (
        escaped(text),
        code(text),
        table(("x",), [[text]]),
        table(("x",), [[code(text)]]),
    ):
        page = shown(markdown)
        place = page.root.all("td") or page.root.all("p")
        assert [one.text() for one in place] == [plain]
    (shown_block,) = shown(block(f"a\n{text}\n```\nb")).root.all("pre")
    assert plain in shown_block.text()
    assert escaped(Md("**x**")) == "**x**"


def test_a_teacher_of_tokens_is_an_origin_too(tmp_path: Path) -> None:
    distilled = PROVENANCE["students"]["minilm-full"] | {"distilled_from": "large"}
    arms = {"rewrite": {"teachers": []}}
    told = PROVENANCE | {"students": {"minilm-full": distilled}, "arms": arms}
    run = with_models(build(tmp_path / "run", provenance=told))
    assert "| Teacher large | `large` | unknown |" in model(run).text
    assert model(run).data.license == "unknown"


def test_licences_roll_up_and_an_unknown_one_makes_all_unknown() -> None:
    def of(*names: str | None) -> dict[str, str]:
        return rolled_up([From("Data", Md("x"), Licence(name=name)) for name in names])

    assert of("MIT License", "mit") == {"license": "mit"}
    assert of("Apache-2.0", "apache-2.0") == {"license": "apache-2.0"}
    assert of("mit", None) == {"license": "unknown"}
    assert of() == {"license": "unknown"}
    assert of("mit", "cc-by-4.0")["license"] == "other"
    assert of("the terms of the service")["license_name"] == "the-terms-of-the-service"


def test_students_load_by_the_code_of_their_cards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text task run for real: an adapter, trained tensors alone, and a model as it was."""
    study = STUDY.replace("seeds: 2", "seeds: 1\nkeep: all").replace("[4, 8, 16]", "[4]")
    run = run_study(tmp_path, study.replace("steps: 6", "steps: 2"))
    cards = sorted(run.glob("cells/**/model/README.md"))
    found = {ModelCard.load(path).data.library_name: path for path in cards}
    assert set(found) == {"peft", "preceptor"}
    rows = [answer(number) for number in range(36)]
    for library, path in found.items():
        text = path.read_text("utf-8")
        assert not [row for row in rows if row in text]
        head = ModelCard.load(path).data
        assert {one.metric_type for one in head.eval_results} >= {"perplexity"}
        assert head.pipeline_tag == "text-generation"
        (python,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        monkeypatch.chdir(path.parent)
        names: dict[str, Any] = {}
        exec(python, names)
        model = names["predictor"].model if library == "preceptor" else names["model"]
        assert sum(value.numel() for value in model.parameters()) > 1000
