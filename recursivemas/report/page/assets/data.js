// What the page is about: `page.runs` with their facts and questions, and answers' details when they are asked for.

const page = { runs: [], against: null };

// The details of the answers that were opened last, so that going back and forth unpacks nothing twice.
const kept = new Map();
const MOST_KEPT = 40;

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

// A live page asks the server that it comes from.
const isLive = "live" in document.body.dataset;

async function packed(id, path) {
  if (!isLive) return byId(id).textContent;
  const answer = await fetch(path);
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return text;
}

let contents = null;

// Whether there is anything new.
async function readContents() {
  const text = await packed("contents", "contents");
  if (text === contents) return false;
  contents = text;
  Object.assign(page, await unpack(text));
  for (const run of page.runs) run.byId = new Map(run.questions.map((question) => [question.id, question]));
  return true;
}

async function detailsOf(run, number) {
  const key = `${run}-${number}`;
  if (!kept.has(key)) {
    kept.set(key, await unpack(await packed(`details-${key}`, `details/${number}`)));
    if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
  }
  return kept.get(key);
}

// Where the reader is: the part of the address behind the #, so that a place can be sent to somebody.

const START = { q: "", run: "0", rollout: "0", m: "", filter: "all", sort: "run", search: "" };

let place = { ...START };

function readPlace() {
  place = { ...START, ...Object.fromEntries(new URLSearchParams(location.hash.slice(1))) };
  if (!page.runs[place.run]) place.run = "0";
}

function address(changes) {
  const entries = Object.entries({ ...place, ...changes }).filter(([name, value]) => value !== START[name]);
  return "#" + new URLSearchParams(entries).toString();
}

const go = (changes) => { location.hash = address(changes); };

// Without a step of its own on the way back.
const turnTo = (changes) => { location.replace(address(changes)); };
