// Parallel coordinates: a line a run, an axis a column; dragging along an axis keeps the runs in that range.

const PARALLEL = { top: 60, height: 220, missing: 22, bottom: 8 };
const WHILE_MOVING = 400; // lines at most, until the filter rests
let parallelAxes = [];
let parallelLayer = null;

function buildParallel() {
  const section = find("#parallel");
  const menu = columnMenu("Colour", state.colour, (key) => {
    state.colour = key;
    changed("colour");
  });
  section.replaceChildren(
    element(
      "div",
      { class: "head" },
      element("h2", {}, "Parameters and scores"),
      element(
        "span",
        { class: "hint" },
        "drag along an axis to filter, click it to clear; click a line to open its run",
      ),
      menu,
      legend(columnOf.get(state.colour), false),
      chooser("Axes", "axes"),
    ),
    element("div", { class: "plot" }),
  );
}

function drawParallel() {
  const holder = find("#parallel .plot");
  const width = holder.clientWidth;
  const height = PARALLEL.top + PARALLEL.height + PARALLEL.missing + PARALLEL.bottom;
  const shown = state.axes.map((key) => columnOf.get(key));
  const ends = shown[shown.length - 1];
  const [side, last] = [46, endSpace(ends)];
  const gap = shown.length > 1 ? (width - side - last) / (shown.length - 1) : 0;
  parallelAxes = shown.map((column, k) => ({ column, x: side + k * gap, y: axisPlaces(column) }));
  const [ground, groundContext] = canvas(width, height);
  const [layer, context] = canvas(width, height);
  const picture = drawing(width, height, { class: "over" });
  parallelAxes.forEach((axis, k) => drawAxis(picture, axis, k, gap || width));
  picture.addEventListener("pointermove", (event) => hoverParallel(event));
  picture.addEventListener("pointerleave", () => {
    hideTip();
    paintHover(null);
  });
  picture.addEventListener("click", (event) => {
    const row = nearestLine(event);
    if (row !== null) select(row, event.ctrlKey || event.metaKey || event.shiftKey);
  });
  const [hover, hoverContext] = canvas(width, height);
  holder.replaceChildren(ground, layer, hover, picture);
  holder.style.height = `${height}px`;
  parallelLayer = { context, hoverContext, width, height, gap };
  // All runs stand in grey behind those that the filters leave.
  groundContext.globalAlpha = 0.6;
  paintLines(groundContext, rows, "#e2e2e2");
}

// Where each run lies on an axis, in pixels. Runs of one level, or of one of few numbers, are fanned out a little in
// the order of their colours, so that they can be followed from axis to axis.
function axisPlaces(column) {
  const scale = columnScale(column, 0.03);
  const none = PARALLEL.top + PARALLEL.height + PARALLEL.missing - 4;
  const places = column.at.map((value) =>
    value === null ? none : PARALLEL.top + PARALLEL.height * (1 - scale.unit(value)),
  );
  if (!column.text && column.distinct.length > 12) return places;
  const band = column.text ? Math.min(44, (0.62 * PARALLEL.height) / column.levels.length) : 12;
  const colour = columnOf.get(state.colour);
  const strength = (row) =>
    colour.at[row] === null ? Infinity : colour.text ? columnScale(colour, 0).unit(colour.at[row]) : colour.at[row];
  for (const value of column.distinct) {
    const there = rows.filter((row) => column.at[row] === value).sort((a, b) => strength(b) - strength(a) || a - b);
    there.forEach((row, k) => (places[row] += band * ((k + 0.5) / there.length - 0.5)));
  }
  return places;
}

function paintParallel() {
  if (!parallelLayer) return;
  const { context, width, height } = parallelLayer;
  context.clearRect(0, 0, width, height);
  const colours = colouring(columnOf.get(state.colour));
  const every = resting ? Math.ceil(view.shown.length / WHILE_MOVING) : 1;
  const buckets = Map.groupBy(every > 1 ? view.shown.filter((_, k) => k % every === 0) : view.shown, colours.colour);
  context.globalAlpha = view.shown.length > 1500 ? 0.3 : view.shown.length > 300 ? 0.45 : 0.75;
  for (const [colour, list] of buckets) paintLines(context, list, colour);
  context.globalAlpha = 1;
  paintSelected(context);
}

function paintLines(context, list, colour) {
  [context.strokeStyle, context.lineWidth] = [colour, 1.1];
  for (const row of list) {
    context.beginPath();
    tracePath(context, row);
    context.stroke();
  }
}

function paintSelected(context) {
  for (const [k, row] of state.runs.entries()) {
    context.setLineDash((DASHES[k] || "").split(" ").filter(Boolean).map(Number));
    for (const [colour, size] of [
      ["#fff", 5],
      [study.colours.models[k], 2.6],
    ]) {
      [context.strokeStyle, context.lineWidth] = [colour, size];
      context.beginPath();
      tracePath(context, row);
      context.stroke();
    }
  }
  context.setLineDash([]);
}

function tracePath(context, row) {
  parallelAxes.forEach((axis, k) => (k ? context.lineTo(axis.x, axis.y[row]) : context.moveTo(axis.x, axis.y[row])));
}

function paintHover(row) {
  const { hoverContext: context, width, height } = parallelLayer;
  context.clearRect(0, 0, width, height);
  if (row === null) return;
  for (const [colour, size] of [
    ["#fff", 5],
    ["#111", 2.2],
  ]) {
    [context.strokeStyle, context.lineWidth] = [colour, size];
    context.beginPath();
    tracePath(context, row);
    context.stroke();
  }
}

function nearestLine(event) {
  const bounds = event.currentTarget.getBoundingClientRect();
  const [x, y] = [event.clientX - bounds.left, event.clientY - bounds.top];
  if (parallelAxes.length < 2) return null;
  const k = Math.max(0, Math.min(parallelAxes.length - 2, Math.floor((x - parallelAxes[0].x) / parallelLayer.gap)));
  const [from, to] = [parallelAxes[k], parallelAxes[k + 1]];
  const part = (x - from.x) / (to.x - from.x);
  if (part < -0.05 || part > 1.05) return null;
  let [near, distance] = [null, 9];
  for (const row of view.shown) {
    const away = Math.abs(from.y[row] + (to.y[row] - from.y[row]) * part - y);
    if (away < distance) [near, distance] = [row, away];
  }
  return near;
}

function hoverParallel(event) {
  if (event.buttons) return;
  const row = nearestLine(event);
  paintHover(row);
  if (row === null) hideTip();
  else
    runTip(
      event,
      row,
      parallelAxes.map((axis) => axis.column),
    );
}

// Behind the last axis: room for its names, or for a number of four digits with its power of ten.
const endSpace = (column) => (column?.text ? 110 : 76);

function drawAxis(picture, { column, x }, k, gap) {
  const { top, height } = PARALLEL;
  const scale = columnScale(column, 0.03);
  const end = k === parallelAxes.length - 1;
  const room = Math.min(gap, 220) - 12;
  const anchor = { x: k === 0 ? x - 40 : x, "text-anchor": k === 0 ? "start" : "middle" };
  const [first, second] = wrapped(column.label, room);
  label(picture, first, room, { ...anchor, y: second ? 13 : 27, class: "name" });
  if (second) label(picture, second, room, { ...anchor, y: 27, class: "name" });
  const about = [
    column.unit,
    column.dataset !== null && study.datasets.length > 1 ? study.datasets[column.dataset].name : "",
  ]
    .filter(Boolean)
    .join(", ");
  if (about) label(picture, about, room, { ...anchor, y: 41, class: "tick" });
  shape(picture, "path", { d: `M${x} ${top}v${height}`, class: "axis" });
  if (column.missing)
    shape(picture, "text", { x: x + 5, y: top + height + PARALLEL.missing, class: "tick halo" }, "none");
  const few = !column.text && column.distinct.length <= 8;
  const ticks = column.text ? scale.order : few ? column.distinct : scale.ticks(6);
  const every = Math.ceil((ticks.length * 13) / height);
  let before = Infinity;
  ticks.forEach((tick, place) => {
    const y = top + height * (1 - scale.unit(tick));
    if (place % every || Math.abs(before - y) < 11) return;
    before = y;
    shape(picture, "path", { d: `M${x - 3} ${y}h6`, class: "axis" });
    const text = column.text ? column.levels[tick] : few ? format(tick) : tickText(tick);
    const space = (end ? endSpace(column) : gap) - 14;
    const named = column.text && textWidth(text) > space ? briefLevels(column)[tick] : text;
    label(picture, named, space, { x: x + 6, y: y + 3.5, class: "tick halo" }, text);
  });
  drawBrush(picture, column, x);
}

function drawBrush(picture, column, x) {
  const { top, height } = PARALLEL;
  const strip = shape(picture, "rect", {
    x: x - 11,
    y: top - 6,
    width: 22,
    height: height + 12,
    class: "strip",
    "data-axis": column.key,
  });
  const range = state.brushes[column.key];
  const mark = shape(picture, "rect", { x: x - 7, width: 14, y: 0, height: 0, class: "brush" });
  if (range) place(mark, ...range.map((value) => brushPixel(column, value)));
  strip.addEventListener("click", (event) => event.stopPropagation());
  strip.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    strip.setPointerCapture(event.pointerId);
    const zero = picture.getBoundingClientRect().top;
    const at = (moved) => Math.max(top - 6, Math.min(top + height + 6, moved.clientY - zero));
    const start = at(event);
    const move = (moved) => {
      if (Math.abs(at(moved) - start) > 3) state.brushes[column.key] = brushRange(column, start, at(moved));
      else delete state.brushes[column.key];
      if (state.brushes[column.key]) place(mark, start, at(moved));
      changed("brush");
    };
    const up = (moved) => {
      strip.removeEventListener("pointermove", move);
      strip.removeEventListener("pointerup", up);
      move(moved);
      changed("brushed");
    };
    strip.addEventListener("pointermove", move);
    strip.addEventListener("pointerup", up);
  });
}

function place(mark, from, to) {
  mark.setAttribute("y", Math.min(from, to));
  mark.setAttribute("height", Math.abs(to - from));
}

// A brush over texts keeps the levels under it, as a range of places along the axis.
function brushRange(column, from, to) {
  const part = (pixel) => 1 - (pixel - PARALLEL.top) / PARALLEL.height;
  const [low, high] = [part(Math.max(from, to)), part(Math.min(from, to))];
  if (column.text) return [low, high].map((value) => Number(value.toFixed(4)));
  const scale = columnScale(column, 0.03);
  return [low, high].map((value) => Number(scale.value(value).toPrecision(5)));
}

function brushPixel(column, value) {
  const unit = column.text ? value : columnScale(column, 0.03).unit(value);
  return PARALLEL.top + PARALLEL.height * (1 - unit);
}
