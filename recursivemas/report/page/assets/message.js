// What passed over a link: the figures of its latents, what they are near to, or the text that was passed on.

function messagePanel(name, details, facts) {
  const [round, link] = name.split("/");
  const [source, target] = link.split("->");
  const title = `Round ${round.slice(1)}: ${source}${target ? ` → ${target}` : " passes on"}`;
  const body = details.messages[name] ? latentsOf(details.messages[name], facts) : [written(details.passages[name])];
  return h("section", { class: "message", id: "message", "aria-label": title },
    h("div", { class: "row" }, h("h3", {}, title),
      h("button", { class: "plain", onclick: () => go({ m: "" }), "aria-label": "Close the message" }, "close ", h("kbd", {}, "esc"))),
    body);
}

function latentsOf(message, facts) {
  const [steps, width] = message.shape;
  return [
    h("p", {}, `${plural(steps, "latent")} of ${width} numbers, mean length ${precise(message.norm, 4)}.`),
    message.norms ? figuresOf(message, steps) : howToKeep(facts),
    message.lens ? lensOf(message.lens) : howToLook(facts),
  ];
}

function figuresOf(message, steps) {
  return h("div", { class: "figures" },
    h("div", {},
      h("figure", {}, h("figcaption", {}, "Length (L2 norm) by step"), normPlot(message, steps)),
      h("figure", {}, h("figcaption", {}, "Cosine to the same step a round before"), changePlot(message, steps))),
    h("figure", {}, h("figcaption", {}, `Cosine of each step to each, 1 to ${steps}`),
      steps > 1 ? heatMap(message) : h("p", { class: "quiet" }, "There are no two steps.")));
}

function normPlot(message, steps) {
  const known = message.norms.filter((norm) => norm !== null);
  if (!known.length) return h("p", { class: "quiet" }, "No latent has a finite length.");
  const high = Math.max(...known);
  return linePlot(message.norms, { label: `Lengths from ${figure(Math.min(...known))} to ${figure(high)}`, low: 0, high: high || 1, steps });
}

function changePlot(message, steps) {
  if (!message.before) return h("p", { class: "quiet" }, "Nothing went over this link a round before.");
  const values = message.before.map((value) => (value === null ? null : value / 1000));
  const low = Math.min(0, ...values.filter((value) => value !== null));
  return linePlot(values, { label: "Cosines to the round before", low: low < 0 ? -1 : 0, high: 1, steps });
}

function howToKeep(facts) {
  if (facts.has_latents) return h("p", { class: "hint" }, "The run kept no latents of this question.");
  return h("p", { class: "hint" }, "The run kept no latents. Run it with ", code("--save_latents"),
    " to see here how long they are, which are alike, and what changed since the round before.");
}

function howToLook(facts) {
  if (facts.has_lens) return h("p", { class: "hint" }, "The run kept no words for this question.");
  return h("p", { class: "hint" }, "Run it with ", code("--lens"), " to see which tokens the latents are near to.");
}

// A row a step: what the sender's head would write, and which of the receiver's tokens are nearest.
function lensOf(lens) {
  const rows = lens.heard.map((heard, index) => h("tr", {},
    h("th", { scope: "row" }, String(index + 1)),
    h("td", {}, lens.said.length ? tokensOf(lens.said[index], percent) : "–"),
    h("td", {}, tokensOf(heard, (cosine) => cosine.toFixed(2)))));
  const head = ["step", "the sender would write", "the receiver's nearest tokens"];
  return h("div", { class: "lens" },
    h("h4", {}, "In words"),
    h("p", { class: "quiet" }, "What the sender's head would write at each step, with probabilities; and whose input embeddings the latent is nearest to at the receiver, with cosines."),
    h("div", { class: "wide" }, h("table", {},
      h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, rows))));
}

function tokensOf(tokens, worded) {
  return h("ol", { class: "tokens" }, tokens.map(([token, value]) =>
    h("li", {}, h("span", { class: "token" }, visible(token)), h("span", { class: "value" }, worded(value)))));
}

const percent = (share) => (share < 0.005 ? "<1%" : `${Math.round(100 * share)}%`);

// White space that can be seen.
const visible = (token) => token.replaceAll(" ", "␣").replaceAll("\n", "⏎").replaceAll("\t", "⇥") || "∅";
