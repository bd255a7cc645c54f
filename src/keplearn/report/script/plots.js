// Heat map and dot plot: what stands on their axes, colours and facets is chosen on the page.

const STATISTICS = {
  median: (values) => middle(values),
  mean: (values) => values.reduce((a, b) => a + b, 0) / values.length,
  least: (values) => values.reduce((a, b) => Math.min(a, b)),
  greatest: (values) => values.reduce((a, b) => Math.max(a, b)),
  runs: (values) => values.length,
};
const FACETS = 12;
const LOST_CELL = "#f0c9ae";

function middle(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

function buildPlots() {
  const choose = (plot, key, name, options) =>
    columnMenu(
      name,
      state[plot][key],
      (value) => {
        state[plot][key] = value;
        changed(plot);
      },
      options,
    );
  const by = element("select", {
    "aria-label": "of each cell",
    onchange: () => {
      state.heat.by = by.value;
      changed("heat");
    },
  });
  for (const name of Object.keys(STATISTICS))
    by.append(element("option", { value: name }, name === "runs" ? "number of runs" : name));
  by.value = state.heat.by;
  find("#heat").replaceChildren(
    element(
      "div",
      { class: "head" },
      element("h2", {}, "Heat map"),
      element("span", { class: "hint" }, "click a cell to open its best run"),
    ),
    element(
      "div",
      { class: "choicebar" },
      choose("heat", "x", "x"),
      choose("heat", "y", "y"),
      choose("heat", "value", "colour", { numbers: true }),
      element("label", { class: "choice" }, element("span", {}, "of each cell"), by),
      choose("heat", "facet", "facet", { none: "none" }),
    ),
    element("div", { class: "keys" }),
    element("div", { class: "plot" }),
  );
  find("#dots").replaceChildren(
    element(
      "div",
      { class: "head" },
      element("h2", {}, "Dot plot"),
      element("span", { class: "hint" }, "bars are medians; click a dot to open its run"),
    ),
    element(
      "div",
      { class: "choicebar" },
      choose("dots", "x", "x"),
      choose("dots", "y", "y", { numbers: true }),
      choose("dots", "colour", "colour"),
      choose("dots", "facet", "facet", { none: "none" }),
    ),
    element("div", { class: "keys" }),
    element("div", { class: "plot" }),
  );
}

// One part a facet, or the whole.
function facetsOf(key) {
  if (!key) return [{ title: "", list: view.shown }];
  const column = columnOf.get(key);
  const groups = groupsOf(column, FACETS);
  const lists = groups.labels.map(() => []);
  for (const row of view.shown) if (groups.of(row) >= 0) lists[groups.of(row)].push(row);
  const all = groups.labels
    .map((text, k) => ({ title: `${column.label} = ${text}`, list: lists[k] }))
    .filter((part) => part.list.length);
  const shown = all.slice(0, FACETS);
  const rest = view.shown.length - shown.reduce((sum, part) => sum + part.list.length, 0);
  return Object.assign(shown, { rest });
}

// Facets side by side: one in a row if there is one, else two or three.
function layFacets(holder, facets, draw) {
  const across = facets.length === 1 ? 1 : holder.clientWidth > 900 && facets.length > 2 ? 3 : 2;
  const width = Math.floor((holder.clientWidth - 8 * (across - 1)) / across);
  holder.replaceChildren(
    ...facets.map((facet) => {
      const box = element("div", { class: "facet" });
      box.style.width = `${width}px`;
      if (facet.title) box.append(element("h3", {}, facet.title));
      box.append(draw(facet.list, width));
      return box;
    }),
  );
  if (!facets.length) holder.replaceChildren(element("p", { class: "muted" }, "No run passes the filters."));
  if (facets.rest)
    holder.append(element("p", { class: "muted" }, `${facets.rest} runs of other values, or of none, are not shown.`));
}

function drawHeat() {
  const [x, y, value] = ["x", "y", "value"].map((key) => columnOf.get(state.heat[key]));
  const some = facetsOf(state.heat.facet);
  const facets = some.map((facet) => ({ ...facet, list: heatCells(facet.list, x, y, value) }));
  facets.rest = some.rest;
  const counted = state.heat.by === "runs";
  const numbers = facets.flatMap((facet) => facet.list.map((cell) => cell.value)).filter((number) => number !== null);
  const scale = scaleOf(numbers, value.log && !counted, 0);
  const someLost = numbers.includes(LOST);
  const title = counted ? "number of runs" : `${state.heat.by} of ${value.title}`;
  const section = find("#heat");
  find(".keys", section).replaceChildren(
    element(
      "div",
      { class: "legend" },
      element("span", { class: "muted" }, title),
      ...(numbers.length ? [ramp(scale)] : []),
      ...(someLost ? [lostKey(LOST_CELL)] : []),
    ),
  );
  layFacets(find(".plot", section), facets, (cells, width) => heatPicture(cells, width, x, y, scale));
}

function heatCells(list, x, y, value) {
  const [across, up] = [groupsOf(x), groupsOf(y)];
  const cells = new Map();
  for (const row of list) {
    const [i, j] = [across.of(row), up.of(row)];
    if (i < 0 || j < 0) continue;
    const key = i * 1000 + j;
    if (!cells.has(key)) cells.set(key, { i, j, rows: [] });
    cells.get(key).rows.push(row);
  }
  for (const cell of cells.values()) {
    const values = cell.rows.map((row) => value.at[row]).filter((one) => one !== null || state.heat.by === "runs");
    cell.value = values.length ? STATISTICS[state.heat.by](values) : null; // runs that all failed, say
  }
  return [...cells.values()];
}

function heatPicture(cells, width, x, y, scale) {
  const [across, up] = [groupsOf(x).labels, groupsOf(y).labels];
  const wide = Math.min(150, Math.max(...up.map((text) => textWidth(text))), width * 0.32);
  const left = wide + 34;
  const inner = width - left - 8;
  const tall = Math.max(200, Math.min(340, up.length * 34));
  const below = labelRoom(across, inner);
  const box = { left, top: 8, width: inner, height: tall };
  const picture = drawing(width, tall + below + 30);
  const [dx, dy] = [inner / across.length, tall / up.length];
  categoryAxis(picture, box, across);
  up.forEach((text, j) => {
    if (j % Math.ceil(12 / dy)) return;
    label(picture, text, wide, { x: left - 7, y: 8 + tall - (j + 0.5) * dy + 4, "text-anchor": "end", class: "tick" });
  });
  for (const cell of cells)
    heatCell(
      picture,
      cell,
      [left + cell.i * dx, 8 + tall - (cell.j + 1) * dy, dx, dy],
      { x: across[cell.i], y: up[cell.j] },
      scale,
    );
  shape(picture, "path", { d: `M${left} 8v${tall}h${inner}`, class: "axis" });
  label(picture, x.title, inner, {
    x: left + inner / 2,
    y: tall + below + 22,
    "text-anchor": "middle",
    class: "title",
  });
  label(picture, y.title, tall, {
    transform: `translate(12 ${8 + tall / 2}) rotate(-90)`,
    "text-anchor": "middle",
    class: "title",
  });
  return picture;
}

function heatCell(picture, cell, [left, top, dx, dy], names, scale) {
  const part = cell.value === null ? null : scale.unit(cell.value);
  const value = columnOf.get(state.heat.value);
  const made = shape(picture, "rect", {
    x: left + 0.5,
    y: top + 0.5,
    width: Math.max(1, dx - 1),
    height: Math.max(1, dy - 1),
    fill: part === null ? "#e9ebee" : cell.value === LOST ? LOST_CELL : rampColour(part),
    class: cell.value === LOST ? "cell lost" : "cell",
  });
  const text = cell.value === null ? "none" : format(cell.value);
  if (textWidth(text) < dx - 6 && dy > 15) {
    shape(
      picture,
      "text",
      {
        x: left + dx / 2,
        y: top + dy / 2 + 4,
        "text-anchor": "middle",
        "font-size": 11,
        fill: part === null || part > 0.62 ? "#111" : "#fff",
        "pointer-events": "none",
      },
      text,
    );
  }
  const scored = cell.rows.filter((row) => value.at[row] !== null);
  const good = scored.length ? leastRow(value, scored) : cell.rows[0];
  const losing = scored.filter((row) => value.at[row] === LOST).length;
  const entries = [
    [columnOf.get(state.heat.x).label, names.x],
    [columnOf.get(state.heat.y).label, names.y],
    ["runs", String(cell.rows.length)],
    ...(losing ? [["lost samples", `${losing} of them`]] : []),
    ...(scored.length
      ? ["least", "median", "greatest"].map((name) => [
          name,
          format(STATISTICS[name](scored.map((row) => value.at[row]))),
        ])
      : []),
  ];
  made.addEventListener("pointermove", (event) => showTip(event, value.title, entries));
  made.addEventListener("pointerleave", hideTip);
  made.addEventListener("click", (event) => select(good, event.ctrlKey || event.metaKey || event.shiftKey));
}

function drawDots() {
  const [x, y, colour] = ["x", "y", "colour"].map((key) => columnOf.get(state.dots[key]));
  const section = find("#dots");
  find(".keys", section).replaceChildren(legend(colour));
  layFacets(find(".plot", section), facetsOf(state.dots.facet), (list, width) =>
    dotsPicture(list, width, x, y, colouring(colour)),
  );
}

// Parameters and few values stand in classes side by side, spread a little so that dots do not hide each other.
function dotPlaces(x) {
  if (!x.text && x.distinct.length > 12)
    return {
      axis: columnScale(x, 0.03),
      unit: (row) => (x.at[row] === null ? null : columnScale(x, 0.03).unit(x.at[row])),
    };
  const groups = groupsOf(x);
  const size = groups.labels.length;
  const spread = (row) => ((((row + 1) * 0.618034) % 1) - 0.5) * 0.6;
  return {
    axis: { labels: groups.labels },
    groups,
    unit: (row) => (groups.of(row) < 0 ? null : (groups.of(row) + 0.5 + spread(row)) / size),
  };
}

function dotsPicture(list, width, x, y, colours) {
  const places = dotPlaces(x);
  const scale = columnScale(y, 0.03);
  const ticks = scale.ticks(8).map(tickText);
  const left = 26 + Math.max(0, ...ticks.map((text) => textWidth(text)));
  const inner = width - left - 10;
  const below = labelRoom(places.axis.labels, inner);
  const box = { left, top: 8, width: inner, height: 250 };
  const height = box.height + below + 30;
  const picture = drawing(width, height, { class: "over" });
  frame(picture, box, { ...places.axis, unit: places.axis.unit }, scale, {
    x: x.title,
    y: y.title,
    bottom: box.height + below + 22,
  });
  const [layer, context] = canvas(width, height);
  const points = [];
  for (const row of list) {
    const [u, v] = [places.unit(row), y.at[row]];
    if (u !== null && v !== null)
      points.push({ row, x: left + inner * u, y: box.top + box.height * (1 - scale.unit(v)) });
  }
  if (places.groups) paintMedians(context, box, list, places.groups, y, scale);
  paintDots(context, points, colours);
  const near = (event) => nearestPoint(points, event);
  picture.addEventListener("pointermove", (event) => {
    const row = near(event);
    if (row === null) hideTip();
    else runTip(event, row, [x, y, columnOf.get(state.dots.colour)]);
  });
  picture.addEventListener("pointerleave", hideTip);
  picture.addEventListener("click", (event) => {
    const row = near(event);
    if (row !== null) select(row, event.ctrlKey || event.metaKey || event.shiftKey);
  });
  const holder = element("div", { class: "layers" }, layer, picture);
  holder.style.height = `${height}px`;
  return holder;
}

function paintDots(context, points, colours) {
  const size = points.length > 1500 ? 1.8 : points.length > 300 ? 2.6 : 3.8;
  context.globalAlpha = points.length > 1500 ? 0.5 : 0.8;
  for (const { row, x, y } of points) {
    context.fillStyle = colours.colour(row);
    context.fill(new Path2D(markPath(colours.mark(row), x, y, size)));
  }
  context.globalAlpha = 1;
  for (const { row, x, y } of points) {
    if (!state.runs.includes(row)) continue;
    [context.strokeStyle, context.lineWidth] = ["#000", 1.6];
    context.fillStyle = runColour(row);
    const mark = new Path2D(markPath(state.runs.indexOf(row), x, y, 6));
    context.fill(mark);
    context.stroke(mark);
  }
}

function paintMedians(context, box, list, groups, y, scale) {
  const values = groups.labels.map(() => []);
  for (const row of list) if (groups.of(row) >= 0 && y.at[row] !== null) values[groups.of(row)].push(y.at[row]);
  const each = box.width / values.length;
  values.forEach((some, k) => {
    if (!some.length) return;
    const at = box.top + box.height * (1 - scale.unit(middle(some)));
    [context.strokeStyle, context.lineWidth] = ["#111", 2];
    context.beginPath();
    context.moveTo(box.left + each * (k + 0.12), at);
    context.lineTo(box.left + each * (k + 0.88), at);
    context.stroke();
  });
}

function nearestPoint(points, event) {
  const bounds = event.currentTarget.getBoundingClientRect();
  const [x, y] = [event.clientX - bounds.left, event.clientY - bounds.top];
  let [row, distance] = [null, 100];
  for (const point of points) {
    const away = (point.x - x) ** 2 + (point.y - y) ** 2;
    if (away < distance) [row, distance] = [point.row, away];
  }
  return row;
}
