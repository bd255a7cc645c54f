// The selected runs: one by itself, or several side by side, each in its colour.

function drawRuns() {
  const panel = find("#runs");
  const opened = panel.hidden;
  panel.hidden = !state.runs.length;
  find("#layout").classList.toggle("open", !panel.hidden);
  if (panel.hidden) return panel.replaceChildren();
  const open = new Set(findAll("details[open]", panel).map((part) => part.dataset.part));
  const chosen = state.runs.map((row, k) => ({
    row,
    name: nameOf(row),
    short: labelOf(row) || idOf(row).slice(0, 8),
    colour: study.colours.models[k],
    dash: DASHES[k],
    mark: k,
    detail: detailOf(row),
  }));
  const title = chosen.length > 1 ? `${chosen.length} runs compared` : "Run";
  const close = element(
    "button",
    {
      type: "button",
      class: "close",
      "aria-label": "close",
      onclick: () => {
        state.runs = [];
        changed();
      },
    },
    "×",
  );
  panel.replaceChildren(
    element("div", { class: "head" }, element("h2", {}, title), close),
    element("div", { class: "chips" }, ...chosen.map(chip)),
    ...chosen.flatMap(troubles),
    ...[lossPlot, errorPlot, orbitPlots].flatMap((draw) => draw(chosen, panel.clientWidth - 28)),
    differences(chosen),
    otherScores(chosen, open),
    ...(chosen.length === 1 ? [configTable(chosen[0], open)] : []),
  );
  if (opened) panel.scrollTop = 0;
}

function sample(run) {
  const picture = drawing(26, 12);
  shape(picture, "path", { d: "M0 6h26", stroke: run.colour, "stroke-width": 2.4, "stroke-dasharray": run.dash });
  shape(picture, "path", { d: markPath(run.mark, 13, 6, 4), fill: run.colour });
  return picture;
}

function chip(run) {
  const drop = element(
    "button",
    { type: "button", "aria-label": `take ${run.name} out`, onclick: () => select(run.row, true) },
    "×",
  );
  const text = stateOf(run.row);
  return element(
    "span",
    { class: "chip" },
    sample(run),
    element("code", {}, run.name),
    element("span", { class: `state ${text}` }, text),
    drop,
  );
}

// Why a run failed, and what it warned of.
function troubles(run) {
  const found = [];
  const [kind, reason] = ["kind", "reason"].map((key) => show(columnOf.get(key), run.row));
  const name = state.runs.length > 1 ? `${run.name}: ` : "";
  if (reason !== "–")
    found.push(
      element("p", { class: "failure" }, name, element("b", {}, kind === "–" ? stateOf(run.row) : kind), ` ${reason}`),
    );
  for (const warning of run.detail.warnings || []) found.push(element("p", { class: "warning" }, name + warning));
  return found;
}

function plotTitle(text, note = "") {
  return element("h3", {}, text, element("span", { class: "muted" }, note ? ` ${note}` : ""));
}

function lossPlot(chosen, width) {
  const trained = chosen.filter((run) => run.detail.loss?.length);
  if (!trained.length) return [];
  const kinds = trained.map((run) => study.losses[run.detail.kind]);
  const values = trained.flatMap(({ detail }) => [
    ...detail.loss,
    ...(detail.val || []),
    ...(detail.low || []),
    ...(detail.high || []),
  ]);
  const y = scaleOf(values, true);
  const x = linearScale(0, Math.max(...kinds.flatMap((kind) => kind.ends)), 0);
  const left = 26 + Math.max(...y.ticks(6).map((tick) => textWidth(tickText(tick))));
  const box = { left, top: 6, width: width - left - 22, height: 190 };
  const picture = drawing(width, box.height + 44);
  const { px, py } = frame(picture, box, x, y, { x: "optimiser step", y: "loss" });
  for (const end of new Set(kinds.flatMap((kind) => kind.ends.slice(0, -1))))
    shape(picture, "path", { d: `M${px(end)} ${box.top}v${box.height}`, class: "phase" });
  trained.forEach((run, k) => lossCurves(picture, run, kinds[k], px, py));
  const band = trained.some((run) => run.detail.low);
  return [
    plotTitle(
      "Loss",
      `line: training${band ? " (median of each stretch, band: least to greatest)" : ""}; marks: validation; dotted: phases`,
    ),
    picture,
  ];
}

function lossCurves(picture, run, kind, px, py) {
  const { loss, low, high, val } = run.detail;
  const point = (steps) => (value, k) =>
    value === null || !Number.isFinite(py(value)) ? null : [px(steps[k]), py(value)];
  if (low) {
    const up = high.map(point(kind.steps)).filter(Boolean);
    const down = low.map(point(kind.steps)).filter(Boolean).reverse();
    if (up.length)
      shape(picture, "path", {
        d: `M${[...up, ...down].map((xy) => xy.join(" ")).join("L")}Z`,
        fill: run.colour,
        opacity: 0.16,
      });
  }
  const line = { fill: "none", stroke: run.colour };
  // Phases are apart: their losses do not compare.
  const phase = (step) => kind.ends.findIndex((end) => step <= end);
  shape(picture, "path", {
    d: broken(loss.map(point(kind.steps)), kind.steps.map(phase)),
    ...line,
    "stroke-width": 1.8,
    "stroke-dasharray": run.dash,
  });
  if (!val) return;
  const places = val.map(point(kind.validated));
  shape(picture, "path", { d: broken(places, kind.validated.map(phase)), ...line, "stroke-width": 0.8, opacity: 0.8 });
  for (const [k, xy] of places.entries()) {
    if (!xy) continue;
    const mark = shape(picture, "path", {
      d: markPath(run.mark, ...xy, 3.2),
      fill: "#fff",
      stroke: run.colour,
      "stroke-width": 1.2,
    });
    hover(mark, run, [
      ["step", String(kind.validated[k])],
      ["validation loss", format(val[k])],
    ]);
  }
}

// A path through points, interrupted where there is none and between groups.
function broken(points, groups) {
  let [text, before] = ["", null];
  points.forEach((xy, k) => {
    if (xy) text += `${before === null || before !== groups[k] ? "M" : "L"}${xy[0].toFixed(1)} ${xy[1].toFixed(1)}`;
    before = xy ? groups[k] : null;
  });
  return text;
}

function hover(mark, run, entries) {
  mark.addEventListener("pointermove", (event) => showTip(event, run.name, entries));
  mark.addEventListener("pointerleave", hideTip);
}

function errorPlot(chosen, width) {
  const scored = chosen.filter((run) => run.detail.errors);
  const values = scored.flatMap((run) => run.detail.errors.flat());
  if (!values.some((value) => value !== null)) return [];
  const numbers = scaleOf(values.filter(Number.isFinite), true, 0.06);
  const y = values.includes("lost") ? withLost(numbers) : numbers;
  const left = 26 + Math.max(...y.ticks(6).map((tick) => textWidth(tickText(tick))));
  const box = { left, top: 20, width: width - left - 12, height: 170 };
  const total = study.datasets.reduce((sum, data) => sum + data.orbits.length, 0);
  const picture = drawing(width, box.height + 58);
  const none = { unit: () => 0, ticks: () => [] };
  const { py } = frame(picture, box, none, y, { x: "test orbit", y: study.error.label });
  const step = box.width / total;
  let start = 0;
  study.datasets.forEach((data, number) => {
    if (!data.orbits.length) return;
    const from = left + start * step;
    if (start) shape(picture, "path", { d: `M${from} ${box.top - 12}v${box.height + 12}`, class: "axis" });
    const name = `D${number + 1} ${data.name}${data.orbits.length < data.count ? `, ${data.orbits.length} of ${data.count} orbits` : ""}`;
    const room = data.orbits.length * step - 6;
    if (room > 16) label(picture, room > 60 ? name : `D${number + 1}`, room, { x: from + 4, y: 13, class: "tick" });
    orbitTicks(picture, data, from, step, box);
    scored.forEach((run, k) =>
      errorMarks(picture, run, (k + 0.5) / scored.length, data, run.detail.errors[number], from, step, py),
    );
    start += data.orbits.length;
  });
  const lost = values.filter((value) => value === "lost").length;
  const note = `${study.error.about}${lost ? `; hollow: ${lost} that lost samples` : ""}`;
  return [plotTitle("Error of each test orbit", note), picture];
}

function orbitTicks(picture, data, from, step, box) {
  if (data.orbits.length * step < 14) return;
  const names = data.orbits.map((name) => fit(name, 40));
  const every = Math.max(1, Math.ceil((Math.max(...names.map((name) => textWidth(name))) + 8) / step));
  names.forEach((name, k) => {
    if (k % every === 0)
      shape(
        picture,
        "text",
        { x: from + (k + 0.5) * step, y: box.top + box.height + 14, "text-anchor": "middle", class: "tick" },
        name,
      );
  });
}

function errorMarks(picture, run, share, data, errors, from, step, py) {
  const size = Math.min(4.5, Math.max(2, step / 2.5));
  const apart = Math.min(0.7, 14 / step);
  data.orbits.forEach((name, k) => {
    if (errors?.[k] === null || errors?.[k] === undefined) return;
    const x = from + (k + 0.5 + (share - 0.5) * apart) * step;
    const lost = errors[k] === "lost";
    const mark = shape(picture, "path", {
      d: markPath(run.mark, x, py(lost ? LOST : errors[k]), size),
      ...(lost ? { fill: "#fff", stroke: run.colour, class: "lost" } : { fill: run.colour }),
      opacity: 0.9,
    });
    hover(mark, run, [
      ["orbit", name],
      [study.error.label, lost ? "samples lost: diverged or not finite" : `${format(errors[k])} ${study.error.unit}`],
      ["a", `${format(data.a[k])} km`],
      ["e", format(data.e[k])],
    ]);
  });
}

function orbitPlots(chosen, width) {
  const seen = chosen.filter((run) => run.detail.paths);
  const drawn = study.datasets.flatMap((data, number) =>
    data.drawn.map((orbit) => ({ ...orbit, tag: `D${number + 1}` })),
  );
  if (!seen.length || !drawn.length) return [];
  const side = Math.floor((width - 10) / 2);
  const plots = drawn.map((orbit, k) => {
    const paths = seen.map((run) => ({ run, path: run.detail.paths[k] || [] }));
    return element(
      "figure",
      {},
      orbitPicture(orbit, paths, side),
      element("figcaption", {}, `${orbit.tag} orbit ${orbit.name}: a = ${format(orbit.a)} km, e = ${format(orbit.e)}`),
    );
  });
  const plane = drawn.every((orbit) => orbit.planar) ? "x and y" : "in its plane";
  const bodies = [...new Set(drawn.filter((orbit) => orbit.radius).map((orbit) => orbit.body))].join(", ");
  const disc = bodies && `; disc: ${bodies}`;
  return [
    plotTitle("Orbits", `${plane}, 10³ km; black: true, from the dot; coloured: predicted${disc}`),
    element("div", { class: "orbits" }, ...plots),
  ];
}

function orbitPicture(orbit, paths, side) {
  const points = (path) =>
    Array.from({ length: path.length / 2 }, (_, k) => [path[2 * k] * orbit.unit, path[2 * k + 1] * orbit.unit]);
  const truth = points(orbit.path);
  const xs = truth.map(([x]) => x).concat(-(orbit.radius || 0), orbit.radius || 0);
  const ys = truth.map(([, y]) => y).concat(-(orbit.radius || 0), orbit.radius || 0);
  const [left, right, bottom, top] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  // A model that runs away must not shrink the orbit to a dot: the frame grows by a quarter at most.
  const size = Math.max(right - left, top - bottom);
  const leaves = paths.some(
    ({ path }) =>
      path.length < 90 ||
      points(path).some(
        ([x, y]) =>
          x < left - 0.04 * size || x > right + 0.04 * size || y < bottom - 0.04 * size || y > top + 0.04 * size,
      ),
  );
  const half = (leaves ? 0.72 : 0.55) * size;
  const [cx, cy] = [(left + right) / 2, (bottom + top) / 2];
  const margin = 34;
  const box = { left: margin, top: 4, width: side - margin - 4, height: side - margin - 4 };
  const picture = drawing(side, box.height + 24);
  const thousand = (middle) => linearScale((middle - half) / 1000, (middle + half) / 1000, 0);
  const { px, py } = frame(picture, box, thousand(cx), thousand(cy), {}, 42);
  const clip = `clip${orbit.tag}${Math.random().toString(36).slice(2)}`;
  shape(shape(picture, "clipPath", { id: clip }), "rect", {
    x: box.left,
    y: box.top,
    width: box.width,
    height: box.height,
  });
  const inside = shape(picture, "g", { "clip-path": `url(#${clip})` });
  if (orbit.radius) {
    shape(inside, "circle", {
      cx: px(0),
      cy: py(0),
      r: px(orbit.radius / 1000) - px(0),
      fill: study.colours.body,
      stroke: "#767676",
      "stroke-width": 0.7,
    });
  }
  const line = (path) =>
    path.length ? `M${path.map(([x, y]) => `${px(x / 1000).toFixed(1)} ${py(y / 1000).toFixed(1)}`).join("L")}` : "";
  shape(inside, "path", { d: line(truth), fill: "none", stroke: study.colours.truth, "stroke-width": 1.5 });
  for (const { run, path } of paths) {
    const dash = paths.length > 1 ? run.dash : "";
    shape(inside, "path", {
      d: line(points(path)),
      fill: "none",
      stroke: run.colour,
      "stroke-width": 1.6,
      "stroke-dasharray": dash,
    });
  }
  shape(inside, "circle", {
    cx: px(truth[0][0] / 1000),
    cy: py(truth[0][1] / 1000),
    r: 3.4,
    fill: study.colours.truth,
  });
  return picture;
}

const isMain = (column) => column.dataset === null || column.shown !== "all";

// In what the selected runs differ, and their main scores; for one alone, where it stands among all.
function differences(chosen) {
  const several = chosen.length > 1;
  const differs = (column) => new Set(chosen.map(({ row }) => column.at[row])).size > 1;
  const apart = several ? parameters.filter(differs) : parameters;
  const title = several
    ? apart.length
      ? "Differences in the config"
      : "No difference in the config"
    : "What varies in this study";
  return factsTable(chosen, "differences", [[title, apart.length ? apart : parameters], ...scoreParts(chosen, isMain)]);
}

function otherScores(chosen, open) {
  const parts = scoreParts(chosen, (column) => !isMain(column));
  return element(
    "details",
    { "data-part": "scores", open: open.has("scores") },
    element("summary", {}, "Other scores"),
    factsTable(chosen, "scores", parts),
  );
}

function scoreParts(chosen, wanted) {
  const scores = columns.filter(
    (column) => isMetric(column) && wanted(column) && chosen.some(({ row }) => column.at[row] !== null),
  );
  const parts = study.datasets.map((data, number) => [
    `Scores on ${study.over ? `${study.over} of ` : ""}${data.name}`,
    scores.filter((column) => column.dataset === number),
  ]);
  return [...parts, ["Training", scores.filter((column) => column.dataset === null)]];
}

// Columns down, runs across.
function factsTable(chosen, id, sections) {
  const several = chosen.length > 1;
  const names = chosen.map((run) =>
    element("th", { class: "number" }, sample(run), element("br"), element("code", {}, run.short)),
  );
  const head = element(
    "tr",
    {},
    element("th"),
    ...names,
    ...(several ? [] : [element("th", { class: "number" }, "rank, least first")]),
  );
  const line = (column) => {
    const values = chosen.map(({ row }) => column.order[row]);
    const compared = several && column.better && new Set(values).size > 1;
    const least = compared ? Math.min(...values.filter((place) => place !== null)) : null;
    const cells = chosen.map(({ row }) =>
      element(
        "td",
        { class: `number${least !== null && column.order[row] === least ? " least" : ""}` },
        show(column, row),
      ),
    );
    const rank = several
      ? []
      : [element("td", { class: "number muted" }, isMetric(column) ? rankText(column, chosen[0].row) : "")];
    return element("tr", {}, element("th", { title: column.about || column.label }, column.title), ...cells, ...rank);
  };
  const part = (title, list) =>
    list.length
      ? [element("tr", { class: "part" }, element("th", { colspan: chosen.length + 2 }, title)), ...list.map(line)]
      : [];
  return element(
    "div",
    { class: "wide" },
    element(
      "table",
      { class: "facts", id },
      element("thead", {}, head),
      element("tbody", {}, ...sections.flatMap(([title, list]) => part(title, list))),
    ),
  );
}

function rankText(column, row) {
  const place = column.order[row];
  if (place === null) return "";
  const all = column.order.filter((other) => other !== null);
  const turned = column.better === "greater" ? ", greatest first" : "";
  return `${1 + all.filter((other) => other < place).length} of ${all.length}${turned}`;
}

function configTable(run, open) {
  const own = parameters.map((column) => [column.key, show(column, run.row)]);
  const lines = [...own, ...Object.entries(study.common)].sort(([a], [b]) => compareText(a, b));
  const mine = new Set(own.map(([key]) => key));
  const table = element(
    "table",
    { class: "facts" },
    element(
      "tbody",
      {},
      ...lines.map(([key, value]) =>
        element("tr", { class: mine.has(key) ? "own" : "" }, element("th", {}, key), element("td", {}, value)),
      ),
    ),
  );
  return element(
    "details",
    { "data-part": "config", open: open.has("config") },
    element("summary", {}, "Whole config (bold: varies in the study)"),
    table,
  );
}
