// The graph of a question: turns say what they did, edges open what passed over them.

function graphOf(number, details, onopen) {
  const svg = byId(`graph-${number}`).content.firstElementChild.cloneNode(true);
  const usage = new Map(details.usage.map((turn) => [`r${turn.round}/${turn.role}`, turn]));
  for (const node of svg.querySelectorAll(".node")) {
    const turn = usage.get(node.dataset.turn);
    node.querySelector(".does").textContent = turn ? doing(turn) : "";
    if (turn) node.append(drawn("title", {}, `${turn.role}, round ${turn.round}: ${reading(turn)}, ${doing(turn)}`));
  }
  for (const edge of svg.querySelectorAll(".edge")) {
    const name = messageOn(edge, details);
    if (edge.dataset.message !== "answer") {
      edge.querySelector(".figure").textContent = name ? labelOf(name, details) : "–";
    }
    edge.dataset.name = name ?? "";
    edge.classList.toggle("absent", !name);
    edge.classList.toggle("open", name !== null && name === place.m);
    edge.setAttribute("aria-pressed", String(name !== null && name === place.m));
    if (!name) edge.setAttribute("aria-disabled", "true");
    const open = () => name && onopen(name);
    edge.addEventListener("click", open);
    edge.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      open();
    });
  }
  return h("div", { class: "wide drawing" }, svg);
}

// What an edge carried: latents by the link's name, a text by its writer's turn.
function messageOn(edge, details) {
  const { message, turn } = edge.dataset;
  if (message === "answer" || details.messages[message]) return message;
  return details.passages[turn] ? turn : null;
}

function labelOf(name, details) {
  const message = details.messages[name];
  return message ? precise(message.norm, 3) : "text";
}

function doing(turn) {
  if (turn.generated_tokens) return `writes ${turn.generated_tokens}`;
  return turn.latent_steps ? `thinks ${turn.latent_steps}` : "writes nothing";
}

function reading(turn) {
  const read = [`reads ${plural(turn.prompt_tokens, "token")}`];
  if (turn.latents_read) read.push(`${plural(turn.latents_read, "latent")}`);
  if (turn.result_tokens) read.push(`${plural(turn.result_tokens, "token")} of results`);
  return read.join(", ");
}

// All that can be opened, in the order of the drawing.
const messagesOf = (details) => [...Object.keys(details.messages), ...Object.keys(details.passages)];
