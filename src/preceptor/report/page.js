"use strict";
// The search through the samples, and folds that print open. Without this script all samples are
// shown. It writes no markup and asks nothing of the network.
(() => {
  const finder = document.getElementById("finder");
  const folds = () => [...document.querySelectorAll("details")];
  const printed = [];
  addEventListener("beforeprint", () => {
    for (const fold of folds()) if (!fold.open && !fold.hidden) { fold.open = true; printed.push(fold); }
  });
  addEventListener("afterprint", () => {
    for (const fold of printed.splice(0)) fold.open = false;
  });
  if (!finder) return;

  const part = (name) => document.getElementById(`finder-${name}`);
  const items = [...document.querySelectorAll("[data-sample]")];
  const texts = items.map((item) => item.textContent.toLowerCase());
  const section = finder.closest("section");
  const heads = [...section.querySelectorAll("h3")];
  const within = [...section.querySelectorAll("details")];
  const opened = new Set();

  const fits = (item, text, words, arm, label, outcome) =>
    (!arm || item.dataset.arm === arm) &&
    (!label || item.dataset.label === label) &&
    (!outcome || outcome === (outcome[0] === "=" ? `=${item.dataset.reason}` : item.dataset.verdict)) &&
    words.every((word) => text.includes(word));

  function followers(head) {
    const found = [];
    for (let next = head.nextElementSibling; next && next.tagName !== "H3"; next = next.nextElementSibling) {
      found.push(...(next.matches("[data-sample]") ? [next] : next.querySelectorAll("[data-sample]")));
    }
    return found;
  }

  function find() {
    const words = part("text").value.toLowerCase().split(/\s+/).filter(Boolean);
    const [arm, label, outcome] = ["arm", "label", "outcome"].map((name) => part(name).value);
    const asked = words.length > 0 || arm || label || outcome;
    let shown = 0;
    items.forEach((item, place) => {
      item.hidden = !fits(item, texts[place], words, arm, label, outcome);
      shown += !item.hidden;
    });
    const empty = (some) => some.length > 0 && some.every((item) => item.hidden);
    for (const fold of within) {
      fold.hidden = empty([...fold.querySelectorAll("[data-sample]")]);
      if (asked && !fold.hidden && !fold.open) { fold.open = true; opened.add(fold); }
      if (!asked && opened.delete(fold)) fold.open = false;
    }
    for (const head of heads) head.hidden = empty(followers(head));
    part("status").textContent = asked ? `${shown} of ${items.length} shown` : `${items.length} shown`;
  }

  finder.hidden = false;
  finder.addEventListener("input", find);
  part("clear").addEventListener("click", () => {
    part("text").value = "";
    for (const name of ["arm", "label", "outcome"]) part(name).selectedIndex = 0;
    find();
    part("text").focus();
  });
  find();
})();
