"""The page in a real browser: silent, alone, searchable, legible, on paper and on a phone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from preceptor.report.page import write_report

from .browser import CHROMIUM, Browser
from .test_page import hostile

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")

FIND = """
((text, choice) => {
  document.getElementById("finder-text").value = text;
  for (const [name, value] of Object.entries(choice)) {
    document.getElementById(`finder-${name}`).value = value;
  }
  document.getElementById("finder-text").dispatchEvent(new Event("input", {bubbles: true}));
  const items = [...document.querySelectorAll("[data-sample]")];
  return items.filter((item) => item.checkVisibility()).map((item) => ({...item.dataset,
    text: item.textContent}));
})
"""
CONTRASTS = """
(() => {
  const parse = (color) => {
    const [r, g, b, a = 1] = color.match(/[\\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const over = ([r, g, b, a], [x, y, z]) => [r, g, b].map((c, i) => c * a + [x, y, z][i] * (1 - a));
  const ground = (element) => {
    if (!element) return [255, 255, 255];
    const own = parse(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own.slice(0, 3) : over(own, ground(element.parentElement));
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => c / 255)
      .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const bad = [];
  for (const fold of document.querySelectorAll("details")) fold.open = true;
  for (const element of document.querySelectorAll("body *:not(script):not(svg):not(svg *)")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !element.checkVisibility()) continue;
    const behind = ground(element);
    const [a, b] = [light(over(parse(getComputedStyle(element).color), behind)), light(behind)];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const key = `${element.tagName}.${element.className}: ${contrast.toFixed(2)}`;
    if (contrast < 4.5 && !bad.includes(key)) bad.push(key);
  }
  return bad;
})()
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as found:
        yield found


def opened(browser: Browser, page: Path, width: int = 1100, **media: Any) -> Browser:
    browser.said.clear()
    browser.asked.clear()
    browser.resize(width, 900)
    browser.dark(media.get("dark", False), media.get("media", ""))
    browser.open(page)
    return browser


def index(run: Path) -> Path:
    return run / "report" / "index.html"


def test_the_page_is_silent_and_asks_for_nothing(browser: Browser, run: Path) -> None:
    opened(browser, index(run))
    assert browser.run("document.title").startswith("quickstart")
    assert browser.said == []
    assert browser.asked == [index(run).resolve().as_uri()]
    assert browser.run("document.getElementById('finder').checkVisibility()")


def test_what_texts_bring_along_does_nothing(browser: Browser, tmp_path: Path) -> None:
    page = write_report(hostile(tmp_path / "run"))
    opened(browser, page)
    assert browser.said == []
    assert browser.asked == [page.resolve().as_uri()]
    assert browser.run("typeof hacked") == "undefined"
    assert browser.run("document.querySelectorAll('script').length") == 1
    assert browser.run("document.querySelectorAll('img, [onerror], [onload]').length") == 0
    found = browser.run(f"{FIND}('HACKED = 1', {{}})")
    assert found
    assert browser.run("typeof hacked") == "undefined"
    assert browser.said == []


def test_the_policy_refuses_a_script_that_came_in(
    browser: Browser, run: Path, tmp_path: Path
) -> None:
    """So that the test above could have failed."""
    source = index(run).read_text("utf-8")
    broken = tmp_path / "index.html"
    broken.write_text(source.replace("<main>", "<main><script>hacked = 1</script>"), "utf-8")
    opened(browser, broken)
    assert browser.run("typeof hacked") == "undefined"
    assert any("Content Security Policy" in line for line in browser.said)


def test_samples_are_searched_by_text_arm_label_and_verdict(browser: Browser, run: Path) -> None:
    opened(browser, index(run))
    whole = browser.run("document.querySelectorAll('[data-sample]').length")
    one = browser.run(f"{FIND}('', {{arm: 'rewrite', outcome: 'rejected'}})")
    assert one
    assert {(item["arm"], item["verdict"]) for item in one} == {("rewrite", "rejected")}
    talk = browser.run(f"{FIND}('', {{arm: '', outcome: '=meta talk'}})")
    assert talk
    assert {item["reason"] for item in talk} == {"meta talk"}
    label = talk[0]["label"]
    labelled = browser.run(f"{FIND}('', {{outcome: '', label: '{label}'}})")
    assert {item["label"] for item in labelled} == {label}
    words = browser.run(f"{FIND}('SURE reworded', {{label: ''}})")
    assert words
    assert all("reworded" in item["text"] and "Sure" in item["text"] for item in words)
    status = browser.run("document.getElementById('finder-status').textContent")
    assert status == f"{len(words)} of {whole} shown"
    assert browser.run(f"{FIND}('no such words anywhere', {{}})") == []
    assert browser.run("[...document.querySelectorAll('h3')].filter(h => h.hidden).length") == 2
    browser.run("document.getElementById('finder-clear').click()")
    status = browser.run("document.getElementById('finder-status').textContent")
    assert status == f"{whole} shown"
    assert browser.run("document.querySelectorAll('[data-sample][hidden]').length") == 0
    assert browser.said == []


@pytest.mark.parametrize("dark", [False, True])
def test_all_text_stands_out_from_its_ground(browser: Browser, run: Path, dark: bool) -> None:
    """WCAG 2.2, 1.4.3: 4.5:1."""
    opened(browser, index(run), dark=dark)
    assert browser.run(CONTRASTS) == []


def test_a_phone_need_not_scroll_sideways(browser: Browser, run: Path, taught: Path) -> None:
    for page in (index(run), index(taught)):
        opened(browser, page, width=390)
        browser.run("document.querySelectorAll('details').forEach((fold) => fold.open = true)")
        assert browser.run("document.documentElement.scrollWidth") <= 390


def test_on_paper_folds_are_open_and_tables_fit(browser: Browser, run: Path, taught: Path) -> None:
    for page in (index(run), index(taught)):
        opened(browser, page, width=680, media="print")  # A4 with margins of 1.5 cm
        assert browser.run("document.documentElement.scrollWidth") <= 680
        assert not browser.run("document.querySelector('nav').checkVisibility()")
        folded = "[...document.querySelectorAll('details:not([open]) table')]"
        assert browser.run(f"{folded}.length") > 0
        assert browser.run(f"{folded}.every((table) => table.getBoundingClientRect().height > 20)")
