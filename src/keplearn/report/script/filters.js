// Filters: conditions on columns, which rows pass them, and in which order these stand.

// Filters of table columns: text (a|b, !a) or numbers (<5, >=2, 1..5, =3, -, lost).
function predicate(column, text) {
  const wanted = text.trim();
  if (!wanted) return null;
  if (wanted === "-" || wanted === "–") return (row) => column.at[row] === null;
  return column.text ? textPredicate(column, wanted) : numberPredicate(column, wanted);
}

function textPredicate(column, wanted) {
  const negated = wanted.startsWith("!");
  const parts = wanted
    .slice(negated ? 1 : 0)
    .toLowerCase()
    .split("|")
    .map((part) => part.trim())
    .filter(Boolean);
  if (!parts.length) return null;
  const holds = column.levels.map((level) => parts.some((part) => level.toLowerCase().includes(part)) !== negated);
  return (row) => (column.at[row] === null ? negated : holds[column.at[row]]);
}

// Undefined for a text that is no condition.
function numberPredicate(column, wanted) {
  const range = wanted.match(/^(-?[\d.eE+-]+?)\s*\.\.\s*(-?[\d.eE+-]+)$/);
  if (range) return between(column, Number(range[1]), Number(range[2]));
  if (wanted === "lost") return (row) => column.at[row] === LOST;
  const [, sign, text] = wanted.match(/^(<=|>=|<|>|=|!=?)?\s*(.*)$/);
  const limit = Number(text);
  if (text === "" || Number.isNaN(limit)) return undefined;
  const near = (value) =>
    (value !== LOST && Math.abs(value - limit) <= 1e-9 * Math.max(Math.abs(limit), Math.abs(value))) || format(value) === text;
  const test =
    {
      "<": (value) => value < limit,
      "<=": (value) => value <= limit,
      ">": (value) => value > limit,
      ">=": (value) => value >= limit,
      "!": (value) => !near(value),
      "!=": (value) => !near(value),
    }[sign] || near;
  return (row) => column.at[row] !== null && test(column.at[row]);
}

function between(column, low, high) {
  if (Number.isNaN(low) || Number.isNaN(high)) return undefined;
  return (row) => column.at[row] !== null && column.at[row] >= low && column.at[row] <= high;
}

// A brush's range is one of values, for texts of places along the axis.
function brushed(column, low, high) {
  if (!column.text) return between(column, low, high);
  const scale = columnScale(column, 0.03);
  return (row) => column.at[row] !== null && scale.unit(column.at[row]) >= low && scale.unit(column.at[row]) <= high;
}

const view = { passes: new Uint8Array(count), sorted: rows, wrong: new Set() };

// Which rows pass, and in which order they stand.
function applyFilters() {
  /** @type {((row: number) => boolean)[]} */
  const tests = [];
  view.wrong.clear();
  for (const [key, text] of Object.entries(state.filters)) {
    const test = predicate(columnOf.get(key), text);
    if (test) tests.push(test);
    else if (test === undefined) view.wrong.add(key);
  }
  for (const [key, range] of Object.entries(state.brushes)) {
    const test = brushed(columnOf.get(key), ...range);
    if (test) tests.push(test);
  }
  for (const row of rows) view.passes[row] = tests.every((test) => test(row)) ? 1 : 0;
  view.shown = rows.filter((row) => view.passes[row]);
  view.sorted = sortRows(view.shown);
}

function sortRows(list) {
  const key = state.sort.replace(/^-/, "");
  if (!key) return list;
  const column = columnOf.get(key);
  const sign = state.sort.startsWith("-") ? -1 : 1;
  const rank = column.text ? ranks(column.levels) : null;
  const value = (row) => (rank ? rank[column.at[row]] : column.order[row]);
  return [...list].sort((a, b) => {
    const [gone, other] = [column.order[a] === null, column.order[b] === null];
    if (gone || other) return Number(gone) - Number(other) || a - b; // missing ones last, either way
    return sign * (value(a) - value(b)) || a - b;
  });
}

function ranks(levels) {
  const order = levels.map((_, k) => k).sort((a, b) => compareText(levels[a], levels[b]));
  const rank = [];
  order.forEach((level, place) => (rank[level] = place));
  return rank;
}

function compareText(a, b) {
  return a.localeCompare(b, "en", { numeric: true });
}

// Runs selected one by one, or with others for comparison.
const MOST = 7;
function select(row, together) {
  const there = state.runs.includes(row);
  if (together) state.runs = there ? state.runs.filter((other) => other !== row) : [...state.runs, row].slice(-MOST);
  else state.runs = there && state.runs.length === 1 ? [] : [row];
  changed();
}

const runColour = (row) => study.colours.models[state.runs.indexOf(row)];
