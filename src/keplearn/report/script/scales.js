// From values to places: linear and logarithmic scales, their ticks, levels, and groups of values.

// Scales: from a value to 0..1. Whether a column is logarithmic is what figures say of it (keplearn.figures.parts.scales):
// zeros then lie at the lower end. Else, where signs mix over decades, linear in the middle and logarithmic outside.
function scaleOf(values, log, padded = 0.03) {
  const finite = values.filter((value) => value !== null && Number.isFinite(value));
  if (!finite.length) return linearScale(0, 1);
  let [low, high] = [Infinity, -Infinity];
  for (const value of finite) [low, high] = [Math.min(low, value), Math.max(high, value)];
  if (log && high > 0) return logScale(Math.min(...finite.filter((value) => value > 0)), high, padded);
  const sizes = finite
    .map(Math.abs)
    .filter((value) => value > 0)
    .sort((a, b) => a - b);
  const middle = sizes[Math.floor(sizes.length / 2)];
  if (middle && Math.max(-low, high) / middle > 300) return wideScale(low, high, middle, padded);
  return linearScale(low, high, padded);
}

function transformed(low, high, padded, forward, backward, ticks) {
  let [start, end] = [forward(low), forward(high)];
  if (start === end) [start, end] = [start - 0.5, end + 0.5];
  const room = (end - start) * padded;
  [start, end] = [start - room, end + room];
  const unit = (value) => (forward(value) - start) / (end - start);
  const within = (tick) => unit(tick) >= -1e-9 && unit(tick) <= 1 + 1e-9;
  return {
    unit,
    value: (part) => backward(start + part * (end - start)),
    ticks: (most) => ticks(low, high, most).filter(within),
  };
}

const linearScale = (low, high, padded = 0.03) =>
  transformed(
    low,
    high,
    padded,
    (x) => x,
    (x) => x,
    linearTicks,
  );
const logScale = (low, high, padded) =>
  transformed(
    low,
    high,
    padded,
    (x) => Math.log10(Math.max(x, low)),
    (x) => 10 ** x,
    logTicks,
  );
const wideScale = (low, high, middle, padded) =>
  transformed(
    low,
    high,
    padded,
    (x) => Math.asinh(x / middle),
    (x) => middle * Math.sinh(x),
    (a, b, most) => wideTicks(a, b, middle, most),
  );

// A scale with a band for what is lost at its worst end, beyond all numbers.
const BAND = 0.9;
function withLost(numbers) {
  return {
    numbers,
    unit: (value) => (value === LOST ? (1 + BAND) / 2 : (BAND - 0.02) * numbers.unit(value)),
    value: (part) => (part > BAND ? LOST : numbers.value(Math.min(1, part / (BAND - 0.02)))),
    ticks: (most) => [...numbers.ticks(most), LOST],
  };
}

function linearTicks(low, high, most = 5) {
  if (low === high) return [low];
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10) * power;
  const ticks = [];
  for (let k = Math.ceil(low / step - 0.5); k <= high / step + 0.5; k += 1)
    ticks.push(Number((k * step).toPrecision(12)));
  return ticks;
}

function logTicks(low, high, most = 5) {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const every = Math.max(1, Math.ceil((last - first) / most));
  const factors = Math.log10(high / low) < 1 ? [1, 2, 3, 5, 7] : Math.log10(high / low) < most / 2.5 ? [1, 2, 5] : [1];
  const ticks = [];
  for (let power = first; power <= last; power += factors.length > 1 ? 1 : every) {
    for (const factor of factors) ticks.push(Number(`${factor}e${power}`));
  }
  return ticks;
}

function wideTicks(low, high, middle, most) {
  const first = Math.ceil(Math.log10(middle));
  const last = Math.floor(Math.log10(Math.max(-low, high)));
  const every = Math.max(1, Math.ceil(((last - first) * (low < 0 && high > 0 ? 2 : 1)) / most));
  const ticks = [0];
  for (let power = last; power >= first; power -= every) ticks.push(10 ** power, -(10 ** power));
  return ticks;
}

function tickText(value) {
  if (value === LOST) return "lost";
  const size = Math.abs(value);
  if (value === 0 || (size < 1e5 && size >= 1e-3)) return String(Number(value.toPrecision(6)));
  const power = Math.floor(Math.log10(size) + 1e-9);
  const factor = Number((value / 10 ** power).toPrecision(3));
  const raised = String(power).replace(/[-\d]/g, (digit) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(digit)]);
  return factor === 1 ? `10${raised}` : factor === -1 ? `−10${raised}` : `${factor}·10${raised}`;
}

// Scales are of all runs, so that a filter does not move what it leaves.
function columnScale(column, padded) {
  column.scales ||= {};
  const made = () => (column.lost ? withLost(scaleOf(column.at, column.log, padded)) : scaleOf(column.at, column.log, padded));
  return (column.scales[padded] ||= column.text ? levelScale(column) : made());
}

// Levels one above the other in the order of their names.
function levelScale(column) {
  const rank = ranks(column.levels);
  const order = column.levels.map((_, level) => level).sort((a, b) => rank[a] - rank[b]);
  const size = Math.max(1, column.levels.length);
  const unit = (level) => (rank[level] + 0.5) / size;
  return { unit, order, ticks: () => order };
}

// Groups of a column's values: levels, few numbers as they are, many in ten stretches of its scale.
function groupsOf(column, most = 24) {
  if (column.groups?.[most]) return column.groups[most];
  let made;
  if (column.text) {
    const rank = ranks(column.levels);
    const labels = [...column.levels].sort(compareText);
    made = { labels, of: (row) => (column.at[row] === null ? -1 : rank[column.at[row]]) };
  } else if (column.distinct.length <= most) {
    const place = new Map(column.distinct.map((value, k) => [value, k]));
    made = { labels: column.distinct.map(format), of: (row) => place.get(column.at[row]) ?? -1 };
  } else made = stretches(column, 10);
  (column.groups ||= {})[most] = made;
  return made;
}

function stretches(column, size) {
  const scale = scaleOf(column.at, column.log, 0);
  const ends = Array.from({ length: size + 1 }, (_, k) => Number(scale.value(k / size).toPrecision(2)));
  const labels = ends.slice(1).map((end, k) => `${tickText(ends[k])}–${tickText(end)}`);
  if (column.lost) labels.push("lost");
  const of = (row) =>
    column.at[row] === null ? -1 : column.at[row] === LOST ? size : Math.min(size - 1, Math.max(0, Math.floor(scale.unit(column.at[row]) * size)));
  return { labels, of };
}
