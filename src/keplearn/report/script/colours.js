// Colours, marks and dashes: how a column tells runs apart, and its legend.

function rampColour(part) {
  const scale = study.colours.scale;
  const place = Math.min(1, Math.max(0, part)) * (scale.length - 1);
  const k = Math.min(Math.floor(place), scale.length - 2);
  const mix = place - k;
  return `rgb(${scale[k].map((from, c) => Math.round(from + (scale[k + 1][c] - from) * mix)).join()})`;
}
const RAMP = Array.from({ length: 33 }, (_, k) => rampColour(k / 32));
const NONE = "#b0b0b0";
const LOSING = "#D55E00"; // beyond the ramp, and no colour of it
const LOST_BAND = "#f7ece4";

// How a column colours runs: classes while there are colours for them, else a scale.
function colouring(column) {
  const groups = groupsOf(column, MOST);
  if ((column.text || column.distinct.length <= 4) && groups.labels.length <= MOST) {
    return { classes: groups.labels, colour: (row) => study.colours.models[groups.of(row)] || NONE, mark: groups.of };
  }
  if (column.text) {
    const scale = columnScale(column, 0);
    const part = (row) => scale.unit(column.at[row]);
    return {
      many: column.levels.length,
      colour: (row) => (column.at[row] === null ? NONE : rampColour(part(row))),
      mark: () => 0,
    };
  }
  const whole = columnScale(column, 0);
  const scale = whole.numbers || whole;
  const ramped = (value) => RAMP[Math.round(32 * Math.min(1, Math.max(0, scale.unit(value))))];
  const colour = (row) =>
    column.at[row] === null ? NONE : column.at[row] === LOST ? LOSING : ramped(column.at[row]);
  return { scale, colour, lost: Boolean(column.lost), mark: (row) => (column.at[row] === LOST ? 3 : 0) };
}

function legend(column, titled = true) {
  const colours = colouring(column);
  const box = element("div", { class: "legend" }, titled ? element("span", { class: "muted" }, column.title) : null);
  if (colours.classes) {
    colours.classes.forEach((text, k) => {
      const picture = drawing(12, 12);
      shape(picture, "path", { d: markPath(k, 6, 6, 4.2), fill: study.colours.models[k] });
      box.append(element("span", { class: "key" }, picture, text));
    });
  } else if (colours.scale) {
    box.append(ramp(colours.scale));
    if (colours.lost) box.append(lostKey());
  } else box.append(element("span", { class: "key" }, `${colours.many} values`));
  return box;
}

// What stands for lost runs beside a ramp.
function lostKey(fill = LOSING) {
  const picture = drawing(12, 12);
  shape(picture, "path", { d: markPath(3, 6, 6, 4.6), fill });
  return element("span", { class: "key lost" }, picture, "lost: worse than any number");
}

function ramp(scale) {
  const picture = drawing(190, 26);
  RAMP.forEach((colour, k) =>
    shape(picture, "rect", { x: 15 + (k * 160) / 33, y: 0, width: 160 / 33 + 0.6, height: 10, fill: colour }),
  );
  for (const tick of scale.ticks(4)) {
    const x = 15 + 160 * scale.unit(tick);
    shape(picture, "path", { d: `M${x} 10v3`, stroke: "#555" });
    shape(picture, "text", { x, y: 23, "text-anchor": "middle", "font-size": 10 }, tickText(tick));
  }
  return picture;
}

// Marks that differ in grey as well: circle, square, triangles, diamond, plus, star.
function markPath(kind, x, y, r) {
  const polygon = (points) => `M${points.map(([dx, dy]) => `${x + r * dx} ${y + r * dy}`).join("L")}Z`;
  const kinds = [
    null,
    [
      [-0.85, -0.85],
      [0.85, -0.85],
      [0.85, 0.85],
      [-0.85, 0.85],
    ],
    [
      [0, -1.1],
      [1, 0.8],
      [-1, 0.8],
    ],
    [
      [0, -1.2],
      [1.2, 0],
      [0, 1.2],
      [-1.2, 0],
    ],
    [
      [0, 1.1],
      [1, -0.8],
      [-1, -0.8],
    ],
    [
      [-0.35, -1.1],
      [0.35, -1.1],
      [0.35, -0.35],
      [1.1, -0.35],
      [1.1, 0.35],
      [0.35, 0.35],
      [0.35, 1.1],
      [-0.35, 1.1],
      [-0.35, 0.35],
      [-1.1, 0.35],
      [-1.1, -0.35],
      [-0.35, -0.35],
    ],
    [
      [0, -1.2],
      [0.3, -0.3],
      [1.2, 0],
      [0.3, 0.3],
      [0, 1.2],
      [-0.3, 0.3],
      [-1.2, 0],
      [-0.3, -0.3],
    ],
  ];
  const points = kinds[Math.max(0, kind) % kinds.length];
  return points ? polygon(points) : `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
}

const DASHES = ["", "7 3", "2 2.5", "9 3 2 3", "12 4", "4 2", "1.5 4"];
