// One question: what was asked, what agents passed on, what was written, the verdicts, the costs.

async function showQuestion() {
  const asked = place;
  const question = page.runs[0].byId.get(place.q);
  if (!question) return byId("shown").replaceChildren(h("p", { class: "hint" }, `There is no question ${place.q} in this run.`));
  const answers = page.runs.map((run) => answerOf(run.byId.get(place.q)));
  const details = await Promise.all(answers.map((answer, run) => answer && detailsOf(run, answer.details)));
  const run = Number(place.run);
  // Messages stand with a question's first answer. A run that does not have the question has none.
  const there = page.runs[run].byId.get(place.q);
  const first = there ? await detailsOf(run, firstOf(there).details) : { usage: [], messages: {}, passages: {} };
  if (asked !== place) return;
  const chosen = details[run];
  const before = {
    usage: answers[run]?.rollout ? [...first.usage.slice(0, -1), ...chosen.usage] : first.usage,
    messages: first.messages, passages: first.passages,
  };
  byId("shown").replaceChildren(
    headOf(question),
    h("section", {}, h("h3", {}, "Question"), h("div", { class: "asked" }, question.question)),
    h("section", {},
      h("div", { class: "row" }, h("h3", {}, page.runs[run].facts.mode === "text" ? "Texts between agents" : "Messages between agents"), runSwitch()),
      details[run] ? graphOf(run, before, openMessage) : h("p", { class: "hint" }, "This run does not have the question."),
      before.messages[place.m] || before.passages[place.m] ? messagePanel(place.m, before, page.runs[run].facts) : null),
    h("section", { id: "answer" },
      h("div", { class: "row" }, h("h3", {}, "Answer"), rolloutSwitch(question)),
      h("div", { class: page.runs.length > 1 ? "answers two" : "answers" },
        details.map((one, number) => answerPanel(number, answers[number], one, question)))),
    there ? h("section", {}, h("h3", {}, "Tokens and seconds"), costsOf(before.usage),
      h("p", { class: "quiet" }, "Seconds are the question's share of its batch's.")) : "");
  shownMessages = messagesOf(before);
}

let shownMessages = [];

const firstOf = (question) => question.answers[0];

const answerOf = (question) => question?.answers.find((answer) => answer.rollout === Number(place.rollout)) ?? question?.answers[0];

function openMessage(name) {
  if (name === "answer") return byId("answer").scrollIntoView({ block: "start" });
  go({ m: name === place.m ? "" : name });
}

function headOf(question) {
  const index = listed.indexOf(question);
  return h("header", { class: "head" },
    h("div", { class: "row" },
      h("h2", {}, question.id),
      h("div", { class: "steps" },
        h("button", { class: "plain back", onclick: () => go({ q: "", m: "" }) }, "all questions"),
        h("span", { class: "quiet" }, index < 0 ? "" : `${index + 1} of ${listed.length}`),
        h("button", { onclick: () => step(-1), "aria-label": "Previous question", disabled: index <= 0 }, "↑"),
        h("button", { onclick: () => step(1), "aria-label": "Next question", disabled: index < 0 || index === listed.length - 1 }, "↓"))),
    h("p", { class: "verdicts" }, markOf(question), noteOf(question), h("span", {}, h("span", { class: "quiet" }, "gold "), code(question.gold))));
}

function runSwitch() {
  if (page.runs.length < 2) return null;
  return h("div", { class: "switch", role: "group", "aria-label": "Run" }, page.runs.map((run, number) =>
    h("button", { "aria-pressed": String(place.run === String(number)), onclick: () => turnTo({ run: String(number), m: place.m }) }, run.facts.label)));
}

function rolloutSwitch(question) {
  if (question.answers.length < 2) return null;
  return h("div", { class: "switch", role: "group", "aria-label": "Rollout" }, question.answers.map((answer) =>
    h("button", { "aria-pressed": String(answer.rollout === Number(place.rollout)), onclick: () => turnTo({ rollout: String(answer.rollout) }) },
      `${answer.rollout} ${answer.failed ? "!" : answer.right ? "✓" : "✕"}`)));
}

function answerPanel(number, answer, details, question) {
  const another = answer && answer.rollout !== Number(place.rollout);  // the run has fewer rollouts
  const title = page.runs.length > 1
    ? h("h4", {}, page.runs[number].facts.label, another ? h("span", { class: "quiet" }, ` rollout ${answer.rollout}`) : "") : null;
  if (!details) return h("div", {}, title, h("p", { class: "hint" }, "This run does not have the question."));
  if (details.error) return h("div", {}, title, h("p", { class: "hint failed" }, "Not run: ", details.error));
  return h("div", {}, title,
    written(details.parts),
    h("p", { class: "read" }, h("span", { class: "quiet" }, "read as "), answer.read === null ? "nothing" : code(answer.read),
      h("span", { class: "quiet" }, " · gold "), code(question.gold)),
    h("ul", { class: "graders" }, details.verdicts.map(verdictOf)),
    h("p", { class: "quiet" }, endOf(details)));
}

function verdictOf(verdict) {
  const [kind, text] = verdict.undecided ? ["failed", "! undecided"] : verdict.correct ? ["right", "✓ right"] : ["wrong", "✕ wrong"];
  const score = verdict.score === null ? "" : `, score ${shown(verdict.score, 2)}`;
  return h("li", {}, h("span", { class: `mark ${kind}` }, text), h("span", {}, h("b", {}, verdict.grader), h("span", { class: "why" }, ` ${verdict.why}${score}`)));
}

function endOf(details) {
  const words = { stop: "The agent ended it", length: "It was cut at the longest length", calls: "It ended at one tool call too many" };
  const notes = [words[details.ended_by] ?? `Ended by ${details.ended_by}`];
  if (details.retried) notes.push("it was asked for again, as none could be read");
  if (details.past_context) notes.push("it ran past the model's context");
  if (details.seed !== null) notes.push(`seed ${details.seed}`);
  return notes.join("; ") + ".";
}

// A text with its boxes and its calls set apart.
function written(parts) {
  if (!parts.length) return h("p", { class: "quiet" }, "Nothing was written.");
  return h("div", { class: "text" }, parts.map((part) => {
    if (part.kind === "text") return part.text;
    if (part.kind === "box") return h("mark", {}, part.text);
    if (part.kind === "call") return h("span", { class: "call" }, h("span", { class: "label" }, `calls ${part.tool}`), part.text);
    const cached = part.cached ? ", from the cache" : "";
    return h("span", { class: `result ${part.status}` },
      h("span", { class: "label" }, `${part.tool}: ${part.status}, ${seconds(part.seconds)}${cached}`), part.text.trim());
  }));
}

function costsOf(usage) {
  const tools = usage.some((turn) => turn.result_tokens);
  const columns = [["round", "round"], ["agent", "role"], ["tokens read", "prompt_tokens"], ["latents read", "latents_read"],
    ["latent steps", "latent_steps"], ["tokens written", "generated_tokens"], ...(tools ? [["results read", "result_tokens"]] : [])];
  const rows = usage.map((turn) => [...columns.map(([, name]) => turn[name]), turn.seconds.toFixed(2)]);
  return table([...columns.map(([title]) => title), "seconds"], rows, { class: "costs" });
}
