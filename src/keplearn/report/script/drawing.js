// Elements, text that fits, and what all plots share: frames and axes. Text enters as text nodes only.

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
