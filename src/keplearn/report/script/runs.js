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
