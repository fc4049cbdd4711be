// Making elements. All text comes in as text nodes: nothing here is ever parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

function build(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

const h = (tag, attributes, ...children) => build(document.createElement(tag), attributes, children);

const drawn = (tag, attributes, ...children) => build(document.createElementNS(SVG, tag), attributes, children);

const byId = (id) => document.getElementById(id);

const plural = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

const seconds = (number) => (number < 10 ? number.toFixed(2) : number.toFixed(0)) + " s";

// A figure, or a dash where there is none.
const shown = (value, digits = 3) => (value === null || value === undefined ? "–" : value.toFixed(digits));

const precise = (value, digits) => (value === null ? "–" : value.toPrecision(digits));

// Copy-ready words, such as a flag or a token, apart from prose.
const code = (text) => h("code", {}, text);

const isFigure = (value) => typeof value === "number" || /^[-+<]?\d[\d.]*$/.test(value);

const LONG = 32; // characters of a cell that may be broken; where shorter ones do not fit, the table scrolls

// Rows of words and figures; columns of figures stand to the right.
function table(header, rows, attributes) {
  const kinds = header.map((_, column) => (rows.length && rows.every((row) => isFigure(row[column])) ? "figure" : null));
  const kind = (value, column) => kinds[column] ?? (String(value).length > LONG ? "long" : "short");
  return h("div", { class: "wide" },
    h("table", attributes,
      h("thead", {}, h("tr", {}, header.map((name, column) => h("th", { scope: "col", class: kinds[column] }, name)))),
      h("tbody", {}, rows.map((row) =>
        h("tr", {}, row.map((value, column) => h("td", { class: kind(value, column) }, String(value))))))));
}
