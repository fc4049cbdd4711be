// Plots of a message: a figure a step as a line, and each step held against each as a map.

const PLOT = { width: 320, height: 96, left: 40, right: 6, top: 8, bottom: 20 };

function linePlot(values, { label, low, high, steps }) {
  const { width, height, left, right, top, bottom } = PLOT;
  const across = (index) => left + (values.length > 1 ? index / (values.length - 1) : 0.5) * (width - left - right);
  const up = (value) => height - bottom - ((value - low) / (high - low || 1)) * (height - top - bottom);
  const known = values.map((value, index) => [index, value]).filter(([, value]) => value !== null);
  const svg = drawn("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  for (const value of [low, high]) {
    svg.append(
      drawn("line", { class: "rule", x1: left, x2: width - right, y1: up(value), y2: up(value) }),
      drawn("text", { class: "tick", x: left - 5, y: up(value) + 4, "text-anchor": "end" }, figure(value)));
  }
  svg.append(
    drawn("polyline", { class: "curve", points: known.map(([index, value]) => `${across(index)},${up(value)}`).join(" ") }));
  for (const [index, value] of known) {
    svg.append(drawn("g", { class: "step", "data-step": index + 1 },
      drawn("rect", { class: "reach", x: across(index) - 6, y: 0, width: 12, height: height - bottom }),
      drawn("circle", { class: "dot", cx: across(index), cy: up(value), r: values.length > 60 ? 1.5 : 2.5 }),
      drawn("title", {}, `step ${index + 1}: ${shown(value, 4)}`)));
  }
  for (const step of new Set([1, steps])) {
    svg.append(drawn("text", { class: "tick", x: across(step - 1), y: height - 5, "text-anchor": step === 1 ? "start" : "end" }, String(step)));
  }
  return svg;
}

// Short, and without a rounding that makes two ends of an axis look equal.
const figure = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3))));

// From the cosines above the diagonal, row by row in thousandths, to one for each pair.
function squared(similarity, size) {
  const rows = Array.from({ length: size }, () => new Array(size).fill(1000));
  let next = 0;
  for (let row = 0; row < size; row++) {
    for (let column = row + 1; column < size; column++) {
      rows[row][column] = rows[column][row] = similarity[next++];
    }
  }
  return rows;
}

function heatMap(message) {
  const steps = message.compared;
  const rows = squared(message.similarity, steps.length);
  const known = message.similarity.filter((value) => value !== null);
  const low = Math.min(...known, 1000), high = Math.max(...known, -1000);
  const least = low < high ? low : high - 1;
  const cell = Math.max(4, Math.floor(384 / steps.length));
  const canvas = h("canvas", { width: cell * steps.length, height: cell * steps.length, class: "map", role: "img", tabindex: "0",
    "aria-label": `Cosine of each step to each: ${shown(low / 1000)} to ${shown(high / 1000)}` });
  const told = h("p", { class: "told quiet", "aria-live": "polite" }, "Point at the map, or walk it with the arrow keys.");
  let at = [0, Math.min(1, steps.length - 1)];
  const paint = () => {
    const ramp = colours();
    const pen = canvas.getContext("2d");
    rows.forEach((row, y) => row.forEach((value, x) => {
      pen.fillStyle = value === null ? ramp.none : mixed(ramp, (Math.min(value, high) - least) / (high - least));
      pen.fillRect(x * cell, y * cell, cell, cell);
    }));
  };
  const tell = (x, y) => {
    at = [Math.min(Math.max(x, 0), steps.length - 1), Math.min(Math.max(y, 0), steps.length - 1)];
    const value = rows[at[1]][at[0]];
    told.textContent = `step ${steps[at[1]] + 1} and step ${steps[at[0]] + 1}: ${value === null ? "no cosine: a latent of zeros, or not finite" : shown(value / 1000)}`;
  };
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    tell(Math.floor(((event.clientX - box.left) / box.width) * steps.length), Math.floor(((event.clientY - box.top) / box.height) * steps.length));
  });
  canvas.addEventListener("keydown", (event) => {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    if (!dx && !dy) return;
    event.preventDefault();
    tell(at[0] + dx, at[1] + dy);
  });
  canvas.repaint = paint;
  paint();
  return h("div", { class: "mapped" }, canvas,
    h("div", { class: "legend" }, h("span", {}, shown(least / 1000)), h("span", { class: "ramp" }), h("span", {}, shown(high / 1000))),
    told);
}

// The ramp's two ends as the style sheet has them, in light and in dark.
function colours() {
  const probe = h("span", { class: "probe" });
  document.body.append(probe);
  const style = getComputedStyle(probe);
  const ends = { from: numbers(style.color), to: numbers(style.backgroundColor), none: style.borderTopColor };
  probe.remove();
  return ends;
}

const numbers = (colour) => colour.match(/[\d.]+/g).slice(0, 3).map(Number);

const mixed = ({ from, to }, share) => `rgb(${from.map((value, index) => Math.round(value + (to[index] - value) * share)).join(" ")})`;

function repaint() {
  for (const canvas of document.querySelectorAll("canvas.map")) canvas.repaint();
}
