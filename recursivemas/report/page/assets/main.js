// The page: its head, its keys, and what is shown for the place where the reader is.

const THEMES = { light: "dark", dark: "light" };

const isDark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

function switchTheme() {
  document.documentElement.dataset.theme = THEMES[isDark() ? "dark" : "light"];
  repaint();
}

function buildTop() {
  const { facts } = page.runs[0];
  const [score] = facts.scores;
  byId("top").replaceChildren(
    h("a", { class: "name", href: "#", onclick: (event) => { event.preventDefault(); go({ q: "", m: "" }); } },
      page.runs.map((run) => run.facts.label).join(" against ")),
    h("span", { class: "quiet about" }, `${facts.style} on ${facts.benchmark}`),
    h("span", { class: "score" }, score ? `${facts.metric} ${score.text}` : "",
      facts.finished ? null : h("span", { class: "note" }, ` ${facts.answers} of ${facts.expected} so far`)),
    h("span", { class: "ends" },
      h("button", { class: "plain", id: "theme", onclick: switchTheme, "aria-label": "Light or dark" }, "◐"),
      h("button", { class: "plain", onclick: () => byId("help").showModal(), "aria-label": "Keys" }, "?")));
}

async function show() {
  const before = place;
  readPlace();
  document.body.classList.toggle("opened", place.q !== "");
  showList();
  const sameQuestion = before.q === place.q && before.run === place.run && place.q !== "";
  if (place.q) await showQuestion();
  else showOverview();
  if (!sameQuestion) byId("shown").scrollTop = 0;
  if (place.m && place.m !== before.m) byId("message")?.scrollIntoView({ block: "nearest" });
}

function stepMessage(by) {
  if (!place.q || !shownMessages.length) return;
  const from = shownMessages.indexOf(place.m);
  const to = from < 0 ? (by > 0 ? 0 : shownMessages.length - 1) : from + by;
  if (shownMessages[to]) turnTo({ m: shownMessages[to] });
}

function close() {
  if (place.m) go({ m: "" });
  else if (place.q) go({ q: "" });
  else if (place.search) turnTo({ search: "" });
}

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  "]": () => stepMessage(1),
  "[": () => stepMessage(-1),
  "/": () => byId("search").focus(),
  t: switchTheme,
  "?": () => byId("help").showModal(),
  Escape: close,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  const isTyping = ["INPUT", "SELECT", "TEXTAREA"].includes(document.activeElement?.tagName);
  if (isTyping && event.key === "Escape") return document.activeElement.blur();
  if (isTyping || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);

const REFRESH_MS = 2000;

// What has come since shows in the list and in the overview; a question that is open stays as it is.
async function follow() {
  while (isLive && !page.runs[0].facts.finished) {
    await new Promise((over) => setTimeout(over, REFRESH_MS));
    try {
      if (!(await readContents())) continue;
    } catch (error) {
      byId("top").append(h("span", { class: "note" }, `not followed any more: ${error.message}`));
      return;
    }
    buildTop();
    listedFor = null;
    showList();
    if (!place.q) showOverview();
  }
}

async function start() {
  await readContents();
  buildTop();
  buildList();
  addEventListener("hashchange", show);
  await show();
  await follow();
}

start();
