// The study's data, and the state of the view that an address keeps.

// The first element of a selector, or null, and all of them.
/** @type {(selector: string, within?: ParentNode) => HTMLElement | null} */
const seek = (selector, within = document) => within.querySelector(selector);
/** @type {(selector: string, within?: ParentNode) => HTMLElement[]} */
const findAll = (selector, within = document) => 
  [...within.querySelectorAll(selector)].filter((found) => found instanceof HTMLElement);

// An element that is there: the page has it, or the program is wrong.
/** @type {(selector: string, within?: ParentNode) => HTMLElement} */
function find(selector, within) {
  const found = seek(selector, within);
  if (!found) throw new Error(`the page has no ${selector}`);
  return found;
}

const study = JSON.parse(find("#study").textContent);
const columns = study.columns;
const columnOf = new Map(columns.map((column) => [column.key, column]));
const count = (columns[0].codes || columns[0].values).length;
const LOST = Infinity;
const rows = Array.from({ length: count }, (_, row) => row);

for (const column of columns) prepare(column);

function prepare(column) {
  column.text = Boolean(column.levels);
  // One list for both kinds: a number, or the number of a level; null where there is none. A score that lost samples
  // is worse than any number: infinite wherever it is compared or drawn, its value stands in words alone.
  const numbers = () => (column.lost ? column.values.map((value, row) => (column.lost[row] ? LOST : value)) : column.values);
  column.at = column.text ? column.codes.map((code) => (code < 0 ? null : code)) : numbers();
  column.order ||= column.at; // where runs stand, the least first
  column.unit ||= "";
  column.dataset ??= null;
  column.title = column.unit ? `${column.label} (${column.unit})` : column.label;
  column.distinct = [...new Set(column.at)].filter((value) => value !== null);
  if (!column.text) column.distinct.sort((a, b) => a - b);
  column.missing = column.at.includes(null);
}

const idOf = (row) => show(columnOf.get("run_id"), row);
// What a run is called: its label, if it has one, with the beginning of its id.
const labelOf = (row) => (columnOf.has("label") && columnOf.get("label").at[row] !== null ? show(columnOf.get("label"), row) : "");
const nameOf = (row) => (labelOf(row) ? `${labelOf(row)} (${idOf(row).slice(0, 8)})` : idOf(row));
const stateOf = (row) => show(columnOf.get("state"), row);
const shownColumns = (role) => columns.filter((column) => column.role === role);
const isMetric = (column) => column.role === "metric" || column.role === "summary";
const metricOf = (number, name) =>
  columns.find((column) => column.dataset === number && column.key.startsWith(`${name}@`));

// The text of a run's value, with the number of samples that are lost of it.
function show(column, row, unit = "") {
  const value = column.text ? column.at[row] : column.values[row];
  const lost = column.lost?.[row];
  if (lost) return `${format(value)}${unit} (${lost} lost)`;
  if (value === null) return "–";
  return column.text ? column.levels[value] : `${format(value)}${unit}`;
}

// Four significant digits, as short as they can be; the rule of keplearn.core.numbers.
function format(value) {
  if (value === LOST) return "lost";
  if (value === null || !Number.isFinite(value)) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  const [digits, power] = value.toExponential(3).split("e").map(Number);
  return power >= -4 && power < 6 ? String(Number(value.toPrecision(4))) : `${digits}e${power}`;
}

let lines = null;
// What is known of one run alone is read when it is asked for: a line of JSON each.
function detailOf(row) {
  lines ||= find("#details").textContent.split("\n");
  return JSON.parse(lines[row]);
}

// The view: what reload and a shared address keep.
const leads = study.datasets.map((_, number) => metricOf(number, study.metric)).filter(Boolean);
const parameters = shownColumns("parameter");
const firstMetric = leads[0] || shownColumns("summary")[0] || columnOf.get("state");
const spare = parameters.length ? parameters : [columnOf.get("state")];
const best = bestRow();

const COLUMNS = 18;

function defaults() {
  const keys = (list) => list.map((column) => column.key);
  const wide = (number) => columns.filter((column) => column.dataset === number && column.shown === "wide");
  const others = wide(0).filter((column) => !leads.includes(column));
  const some = [...leads, ...others, columnOf.get("best_loss")].filter(Boolean);
  // With near and far where there is room.
  const main = (number) => columns.filter((column) => column.dataset === number && (column.shown === "wide" || column.region));
  const table = (of) => [
    columnOf.get("label"), columnOf.get("state"), ...parameters, ...leads.flatMap((_, number) => of(number)),
    columnOf.get("best_loss"), columnOf.get("seconds"),
  ].filter(Boolean);
  const plain = table(main).length <= COLUMNS ? table(main) : table(wide);
  return {
    sort: leads.length ? leads[0].key : "",
    table: keys(plain.slice(0, COLUMNS)),
    axes: keys([...parameters.slice(0, 7), ...some.slice(0, 4)]),
    colour: firstMetric.key,
    heat: { x: spare[0].key, y: (spare[1] || spare[0]).key, value: firstMetric.key, by: "median", facet: "" },
    dots: { x: spare[0].key, y: firstMetric.key, colour: (spare[1] || spare[0]).key, facet: "" },
    filters: {},
    brushes: {},
    runs: /** @type {number[]} */ ([]),
  };
}

let state = defaults();

function bestRow() {
  if (!leads.length) return null;
  const scored = rows.filter((row) => leads[0].values[row] !== null);
  return scored.length ? leastRow(leads[0], scored) : null;
}

// The best of some runs, the first of equal ones.
function leastRow(column, list) {
  return list.reduce((a, b) => (column.order[b] < column.order[a] ? b : a));
}

// Only what differs from the first view stands in the address.
function writeAddress() {
  const first = defaults();
  const entries = [];
  for (const key of ["sort", "colour"]) if (state[key] !== first[key]) entries.push([key, state[key]]);
  for (const key of ["table", "axes"]) {
    if (state[key].join() !== first[key].join()) entries.push([key, JSON.stringify(state[key])]);
  }
  for (const plot of ["heat", "dots"]) {
    for (const [key, value] of Object.entries(state[plot])) {
      if (value !== first[plot][key]) entries.push([`${plot}.${key}`, value]);
    }
  }
  for (const [key, text] of Object.entries(state.filters)) entries.push([`filter:${key}`, text]);
  for (const [key, [low, high]] of Object.entries(state.brushes)) entries.push([`brush:${key}`, `${low}..${high}`]);
  for (const row of state.runs) entries.push(["run", idOf(row)]);
  const text = new URLSearchParams(entries).toString();
  history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
}

// An address may be of another version of the page: what means nothing here is passed over.
function readAddress() {
  state = defaults();
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) {
    const [head, rest] = [key.slice(0, key.search(/[.:]|$/)), key.slice(key.search(/[.:]|$/) + 1)];
    if (key === "sort" && columnOf.has(value.replace(/^-/, ""))) state.sort = value;
    else if (key === "colour" && columnOf.has(value)) state.colour = value;
    else if (key === "table" || key === "axes") state[key] = knownKeys(value) || state[key];
    else if (head === "heat" || head === "dots") readChoice(state[head], rest, value);
    else if (head === "filter" && columnOf.has(rest)) state.filters[rest] = value;
    else if (head === "brush" && columnOf.has(rest)) readBrush(rest, value);
    else if (key === "run") state.runs.push(...rows.filter((row) => idOf(row) === value));
  }
}

function readBrush(key, text) {
  const ends = text.split("..").map(Number);
  if (ends.length === 2 && !ends.some(Number.isNaN)) state.brushes[key] = ends;
}

function knownKeys(text) {
  try {
    return JSON.parse(text).filter((key) => columnOf.has(key));
  } catch {
    return null;
  }
}

function readChoice(plot, key, value) {
  const known = key === "by" ? value in STATISTICS : columnOf.has(value) || (key === "facet" && value === "");
  if (key in plot && known) plot[key] = value;
}
