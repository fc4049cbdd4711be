// The list of questions: filters, search, sorting. `listed` are those that stand in it.

let listed = [];
let listedFor = null;

const isRight = (question) => question.share === 1;

const FILTERS = [
  ["all", "All", () => true],
  ["right", "Right", isRight],
  ["wrong", "Wrong", (question) => question.share === 0],
  ["partly", "Partly right", (question) => question.share > 0 && question.share < 1],
  ["disagree", "Graders disagree", (question) => question.disagree],
  ["unread", "Unparsed", (question) => question.unread],
  ["failed", "Not run", (question) => question.failed],
  ["changed", "Changed", (question) => ["better", "worse"].includes(question.change)],
  ["better", "Better", (question) => question.change === "better"],
  ["worse", "Worse", (question) => question.change === "worse"],
];
const ALWAYS = ["all", "right", "wrong", "disagree", "unread"];
const COMPARING = ["changed", "better", "worse"];

const SORTS = [
  ["run", "As run", null],
  ["id", "By id", (a, b) => a.id.localeCompare(b.id, undefined, { numeric: true })],
  ["share", "Wrong first", (a, b) => a.share - b.share],
  ["tokens", "Longest first", (a, b) => b.tokens - a.tokens],
  ["seconds", "Slowest first", (a, b) => b.seconds - a.seconds],
];

function buildList() {
  const questions = page.runs[0].questions;
  const offered = FILTERS.filter(([name, , has]) =>
    COMPARING.includes(name) ? page.against : isLive || ALWAYS.includes(name) || questions.some(has));
  byId("list").replaceChildren(
    h("div", { class: "tools" },
      h("input", {
        id: "search", type: "search", placeholder: "Search id, question, gold, answer", "aria-label": "Search",
        autocomplete: "off", spellcheck: "false", oninput: (event) => turnTo({ search: event.target.value }),
      }),
      h("div", { class: "filters", role: "group", "aria-label": "Filter" }, offered.map(([name, label]) =>
        h("button", { class: "chip", "data-filter": name, onclick: () => turnTo({ filter: name }) },
          label, h("span", { class: "count" })))),
      h("div", { class: "row" },
        h("span", { id: "found", class: "quiet", "aria-live": "polite" }),
        h("label", { class: "quiet" }, "Order ",
          h("select", { id: "sort", onchange: (event) => turnTo({ sort: event.target.value }) },
            SORTS.map(([name, label]) => h("option", { value: name }, label)))))),
    h("ol", { id: "questions" }));
  listedFor = null;
}

function showList() {
  const wanted = [place.filter, place.sort, place.search].join("\n");
  if (wanted !== listedFor) fillList();
  listedFor = wanted;
  for (const row of document.querySelectorAll("#questions a")) {
    const isOpen = row.dataset.id === place.q;
    if (isOpen) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
    if (isOpen) row.scrollIntoView({ block: "nearest" });
  }
}

function fillList() {
  const all = page.runs[0].questions;
  const [, , has] = FILTERS.find(([name]) => name === place.filter) ?? FILTERS[0];
  const [, , order] = SORTS.find(([name]) => name === place.sort) ?? SORTS[0];
  const words = place.search.toLowerCase().split(/\s+/).filter(Boolean);
  listed = all.filter((question) => has(question) && words.every((word) => textOf(question).includes(word)));
  if (order) listed = [...listed].sort(order);
  byId("questions").replaceChildren(...listed.map(rowOf));
  byId("found").textContent = listed.length === all.length
    ? plural(all.length, "question") : `${listed.length} of ${plural(all.length, "question")}`;
  for (const chip of document.querySelectorAll(".chip")) {
    const [, , counts] = FILTERS.find(([name]) => name === chip.dataset.filter);
    chip.querySelector(".count").textContent = String(all.filter(counts).length);
    chip.setAttribute("aria-pressed", String(chip.dataset.filter === place.filter));
  }
  byId("sort").value = place.sort;
  if (document.activeElement !== byId("search")) byId("search").value = place.search;
}

function textOf(question) {
  question.text ??= [question.id, question.question, question.gold, ...question.answers.map((one) => one.read ?? "")]
    .join("\n").toLowerCase();
  return question.text;
}

function rowOf(question) {
  return h("li", {},
    h("a", { href: address({ q: question.id, run: "0", rollout: "0", m: "" }), "data-id": question.id,
      onclick: (event) => { event.preventDefault(); openQuestion(question.id); } },
      h("span", { class: "marks" }, markOf(question), noteOf(question)),
      h("span", { class: "what" },
        h("span", { class: "id" }, question.id),
        h("span", { class: "excerpt" }, question.question.slice(0, 160)))));
}

const openQuestion = (id) => go({ q: id, run: "0", rollout: "0", m: "" });

// A verdict is a sign and a word, and a colour beside them.
function markOf(question) {
  if (question.failed) return h("span", { class: "mark failed" }, "! not run");
  if (question.answers.length > 1) {
    const right = question.answers.filter((answer) => answer.right).length;
    const kind = right === question.answers.length ? "right" : right ? "partly" : "wrong";
    return h("span", { class: `mark ${kind}` }, `${right} of ${question.answers.length} right`);
  }
  return isRight(question) ? h("span", { class: "mark right" }, "✓ right") : h("span", { class: "mark wrong" }, "✕ wrong");
}

function noteOf(question) {
  const notes = [];
  if (question.change === "better") notes.push("▲ better");
  if (question.change === "worse") notes.push("▼ worse");
  if (question.unread && !question.failed) notes.push("∅ unparsed");
  else if (question.disagree) notes.push("≠ graders");
  return notes.map((note) => h("span", { class: "note" }, note));
}

// The question so many places further down the list.
function step(by) {
  if (!listed.length) return;
  const focused = document.activeElement?.dataset?.id;
  const from = listed.findIndex((question) => question.id === (place.q || focused));
  const to = listed[Math.min(Math.max(from + by, 0), listed.length - 1)];
  if (place.q) return turnTo({ q: to.id, run: place.run, rollout: "0", m: place.m });
  document.querySelector(`#questions a[data-id="${CSS.escape(to.id)}"]`)?.focus();
}
