// The heat map, and the facets that it shares with the dot plot: what stands on their axes is chosen on the page.

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
