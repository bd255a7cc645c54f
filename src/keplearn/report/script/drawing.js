// Elements, colours, and what all plots share: frames, legends, menus, the tooltip. Text enters as text nodes only.

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** @param {string | null} text */
function shape(parent, tag, attributes = {}, text = null) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  parent.append(made);
  return made;
}

const drawing = (width, height, attributes = {}) =>
  shape(document.createDocumentFragment(), "svg", { width, height, viewBox: `0 0 ${width} ${height}`, ...attributes });

let onPaper = false;

/** @type {(canvas: HTMLCanvasElement) => CanvasRenderingContext2D} */
function contextOf(canvas) {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("no canvas can be drawn on");
  return context;
}

const ruler = contextOf(document.createElement("canvas"));
function textWidth(text, size = 11) {
  ruler.font = `${size}px ${FONT}`;
  return ruler.measureText(text).width;
}
const FONT = "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";

// As much of a text as fits, in the middle cut short: names often differ at both ends.
function fit(text, width, size = 11) {
  if (textWidth(text, size) <= width) return text;
  let keep = text.length - 1;
  const cut = () => `${text.slice(0, Math.ceil(keep / 2))}…${text.slice(text.length - Math.floor(keep / 2))}`;
  while (keep > 1 && textWidth(cut(), size) > width) keep -= 1;
  return cut();
}

function label(parent, text, width, attributes, whole = text) {
  const short = fit(text, width, attributes["font-size"] || 11);
  const made = shape(parent, "text", attributes, short);
  if (short !== whole) shape(made, "title", {}, whole);
  return made;
}

// A name in two lines where it does not fit into one, parted at a low line or a space.
function wrapped(text, width) {
  if (textWidth(text, 12) <= width) return [text, ""];
  const cuts = [...text.matchAll(/[_ ]/g)].map((match) => match.index + 1);
  if (!cuts.length) return [text, ""];
  const longer = (cut) => Math.max(textWidth(text.slice(0, cut)), textWidth(text.slice(cut)));
  const cut = cuts.reduce((a, b) => (longer(b) < longer(a) ? b : a));
  return [text.slice(0, cut).trim(), text.slice(cut)];
}

// Levels without what all of them begin and end with: that is where they do not differ.
function briefLevels(column) {
  const levels = column.levels;
  if (column.brief || levels.length < 2) return (column.brief ||= levels);
  const common = (texts) => {
    let size = 0;
    while (texts.every((text) => size < text.length && text[size] === texts[0][size])) size += 1;
    return texts[0].slice(0, size).replace(/[A-Za-z0-9.]*$/, "").length;
  };
  const start = common(levels);
  const end = common(levels.map((text) => [...text.slice(start)].reverse().join("")));
  return (column.brief = levels.map(
    (text) => `${start ? "…" : ""}${text.slice(start, text.length - end)}${end ? "…" : ""}`,
  ));
}

// A canvas as sharp as the screen, on paper sharper.
function canvas(width, height) {
  const made = element("canvas");
  const sharp = onPaper ? 3 : devicePixelRatio || 1;
  [made.width, made.height] = [Math.round(width * sharp), Math.round(height * sharp)];
  [made.style.width, made.style.height] = [`${width}px`, `${height}px`];
  const context = contextOf(made);
  context.scale(sharp, sharp);
  return [made, context];
}

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

// Frame of a plot with an axis below and one at the left; returns where values lie.
function frame(picture, box, x, y, titles, each = 70) {
  const { left, top, width, height } = box;
  const px = (value) => left + width * x.unit(value);
  const py = (value) => top + height * (1 - y.unit(value));
  if (y.numbers)
    shape(picture, "rect", { x: left, y: top, width, height: height * (1 - BAND), fill: LOST_BAND, class: "lostband" });
  for (const tick of y.ticks(Math.max(2, Math.floor(height / 32)))) {
    shape(picture, "path", { d: `M${left} ${py(tick)}h${width}`, class: "grid" });
    shape(picture, "text", { x: left - 5, y: py(tick) + 3.5, "text-anchor": "end", class: "tick" }, tickText(tick));
  }
  if (!x.labels) {
    for (const tick of x.ticks(Math.max(2, Math.floor(width / each)))) {
      shape(picture, "path", { d: `M${px(tick)} ${top}v${height}`, class: "grid" });
      shape(
        picture,
        "text",
        { x: px(tick), y: top + height + 14, "text-anchor": "middle", class: "tick" },
        tickText(tick),
      );
    }
  } else categoryAxis(picture, box, x.labels);
  shape(picture, "path", { d: `M${left} ${top}v${height}h${width}`, class: "axis" });
  if (titles.x)
    label(picture, titles.x, width + left - 6, {
      x: left + width / 2,
      y: titles.bottom ?? top + height + 30,
      "text-anchor": "middle",
      class: "title",
    });
  if (titles.y)
    label(picture, titles.y, height + 30, {
      transform: `translate(${titles.at ?? 12} ${top + height / 2}) rotate(-90)`,
      "text-anchor": "middle",
      class: "title",
    });
  return { px, py };
}

// Labels of categories below a plot: level where they fit, else slanted.
function categoryAxis(picture, { left, top, width, height }, labels) {
  const each = width / labels.length;
  const slanted = labelsSlant(labels, width);
  const every = Math.max(1, Math.ceil(12 / each));
  labels.forEach((text, k) => {
    if (k % every) return;
    const [x, y] = [left + each * (k + 0.5), top + height];
    shape(picture, "path", { d: `M${x} ${y}v4`, class: "axis" });
    if (slanted)
      label(picture, text, SLANTED, {
        transform: `translate(${x + 3} ${y + 12}) rotate(-32)`,
        "text-anchor": "end",
        class: "tick",
      });
    else shape(picture, "text", { x, y: y + 15, "text-anchor": "middle", class: "tick" }, text);
  });
}
const SLANTED = 110;
const labelsSlant = (labels, width) => labels.some((text) => textWidth(text) > width / labels.length - 8);
// Room below a plot for its labels, in pixels.
function labelRoom(labels, width) {
  if (!labels || !labelsSlant(labels, width)) return 20;
  return 20 + 0.53 * Math.max(...labels.map((text) => Math.min(SLANTED, textWidth(text))));
}

// Menus of columns, by role and dataset.
function columnMenu(name, chosen, onchange, { none = null, numbers = false } = {}) {
  const menu = element("select", { "aria-label": name, onchange: () => onchange(menu.value) });
  if (none !== null) menu.append(element("option", { value: "" }, none));
  for (const [title, list] of columnGroups()) {
    const some = list.filter((column) => !(numbers && column.text));
    if (!some.length) continue;
    const group = element("optgroup", { label: title });
    for (const column of some) group.append(element("option", { value: column.key }, column.title));
    menu.append(group);
  }
  menu.value = chosen;
  return element("label", { class: "choice" }, element("span", {}, name), menu);
}

function columnGroups() {
  const groups = [["What varies", parameters]];
  study.datasets.forEach((data, number) => {
    const tag = study.datasets.length > 1 ? `D${number + 1}: ` : "";
    groups.push([tag + data.name, columns.filter((column) => column.dataset === number)]);
  });
  groups.push(["Training", shownColumns("summary")]);
  groups.push(["Run", columns.filter((column) => ["state", "kind"].includes(column.key) && column.distinct.length)]);
  return groups.filter(([, list]) => list.length);
}

// Boxes to tick which columns a view shows.
function chooser(title, key) {
  const list = element("div", { class: "choices" });
  for (const [name, group] of columnGroups()) {
    list.append(element("strong", {}, name));
    for (const column of group) {
      const toggle = () => {
        const chosen = new Set(state[key]);
        if (!chosen.delete(column.key)) chosen.add(column.key);
        state[key] = columns.map((other) => other.key).filter((other) => chosen.has(other));
        changed(key);
      };
      const box = element("input", { type: "checkbox", "data-column": column.key, onchange: toggle });
      box.checked = state[key].includes(column.key);
      list.append(element("label", {}, box, column.title));
    }
  }
  return element("details", { class: "chooser" }, element("summary", {}, title), list);
}

// The tooltip: a title, then name and value by line.
const tip = find("#tip");
function showTip(event, title, entries = []) {
  tip.replaceChildren(
    element("strong", {}, title),
    ...entries.map(([name, value]) =>
      element("div", {}, element("span", { class: "muted" }, name), element("b", {}, value)),
    ),
  );
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const left = event.clientX + 16 + width > innerWidth ? event.clientX - width - 12 : event.clientX + 16;
  const top = Math.min(event.clientY + 14, innerHeight - height - 8);
  [tip.style.left, tip.style.top] = [`${Math.max(4, left)}px`, `${Math.max(4, top)}px`];
}
const hideTip = () => (tip.hidden = true);

// What a tooltip says of a run.
function runTip(event, row, extra = []) {
  const some = [...new Set([...parameters.slice(0, 8), ...leads, ...extra])];
  showTip(
    event,
    nameOf(row),
    some.map((column) => [column.title, show(column, row)]),
  );
}
