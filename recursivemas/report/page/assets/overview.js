// The run as a whole: its scores, the other run beside it, its costs, and what was set.

function showOverview() {
  byId("shown").replaceChildren(...page.runs.flatMap((run, number) => overviewOf(run, number)));
}

function overviewOf({ facts }, number) {
  return [
    h("header", { class: "head" }, h("h2", {}, facts.label), h("p", { class: "quiet" }, describe(facts))),
    stateOf(facts),
    number === 0 ? againstOf() : null,
    h("section", {}, h("h3", {}, `${facts.metric}, percent [95% interval]`), scoresOf(facts)),
    h("section", {}, h("h3", {}, "Costs by round and agent, over all questions"), costsOf(facts.stages)),
    h("section", {}, h("h3", {}, facts.release === null ? "Agents" : `Agents, of the release ${facts.release}`), table(["agent", "model", "dtype"], facts.agents)),
    h("section", {}, h("h3", {}, "Settings other than the defaults"), table(["setting", "value", "from"], facts.settings)),
    facts.departures.length
      ? h("p", { class: "quiet" }, `Published figures are no measure of this run: ${facts.departures.join(", ")}.`) : null,
  ].filter(Boolean);
}

function describe(facts) {
  const release = facts.release === null ? "" : ` (release ${facts.release})`;
  const parts = [`${facts.style}${release} on ${facts.benchmark}`, `mode ${facts.mode}`, plural(facts.rounds, "round")];
  if (facts.latent_length !== null) parts.push(plural(facts.latent_length, "latent"));
  parts.push(plural(facts.questions, "question"));
  if (facts.started) parts.push(`started ${facts.started.replace("T", " ").slice(0, 16)} UTC`);
  return parts.join(" · ");
}

function stateOf(facts) {
  const notes = [];
  if (!facts.finished) notes.push(`The run has not finished: ${facts.answers} of ${plural(facts.expected, "answer")} so far.`);
  if (facts.failed) notes.push(`${plural(facts.failed, "answer")} could not be run and count as wrong.`);
  return notes.length ? h("p", { class: "hint" }, notes.join(" ")) : null;
}

function scoresOf(facts) {
  return table(["grader", "score", "right", "of", "unparsed", "undecided"], facts.scores.map((score) =>
    [score.grader, score.text, score.correct, score.total, score.unread, score.undecided]));
}

function againstOf() {
  const { against } = page;
  if (!against) return null;
  const other = page.runs[1].facts.label;
  return h("section", {}, h("h3", {}, `Against ${other}, on the ${plural(against.shared, "question")} that both have`),
    table(["grader", "better on", "worse on", "points", "95% interval", "p"], against.differences.map((one) =>
      [one.grader, one.better, one.worse, one.points, one.interval, one.p])),
    against.settings ? h("p", { class: "quiet" }, `Not set alike: ${against.settings}.`) : null);
}
