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

async function readContents() {
  Object.assign(page, await unpack(byId("contents").textContent));
  for (const run of page.runs) run.byId = new Map(run.questions.map((question) => [question.id, question]));
}

async function detailsOf(run, number) {
  const key = `${run}-${number}`;
  if (!kept.has(key)) {
    kept.set(key, await unpack(byId(`details-${key}`).textContent));
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
