// The bar of filters, and what is drawn anew when the view changes.

function drawBar() {
  const active = [...Object.keys(state.filters), ...Object.keys(state.brushes)];
  const drop = (key) => () => {
    delete state.filters[key];
    delete state.brushes[key];
    changed("axes");
  };
  const bar = find("#bar");
  bar.replaceChildren(
    element("span", { id: "shown" }, element("b", {}, String(view.shown.length)), ` of ${count} runs shown`),
    ...[...new Set(active)].map((key) =>
      element(
        "button",
        { type: "button", class: "chip", title: "clear this filter", onclick: drop(key) },
        filterText(key),
        " ×",
      ),
    ),
    ...(active.length
      ? [
          element(
            "button",
            {
              type: "button",
              class: "link",
              id: "clear",
              onclick: () => {
                state.filters = {};
                state.brushes = {};
                changed("axes");
              },
            },
            "clear all",
          ),
        ]
      : []),
  );
}

function filterText(key) {
  const column = columnOf.get(key);
  const brush = state.brushes[key];
  const parts = [];
  if (state.filters[key]) parts.push(`${column.label}: ${state.filters[key]}`);
  if (brush && !column.text) parts.push(`${column.label}: ${brush.map(format).join(" to ")}`);
  if (brush && column.text)
    parts.push(
      `${column.label}: ${
        columnScale(column, 0.03)
          .order.filter((level) => levelIn(column, level, brush))
          .map((level) => column.levels[level])
          .join(", ") || "none"
      }`,
    );
  return parts.join(" and ");
}

const levelIn = (column, level, [low, high]) =>
  columnScale(column, 0.03).unit(level) >= low && columnScale(column, 0.03).unit(level) <= high;

// What each kind of change draws anew; many changes within a frame are drawn once.
const parts = {
  rows: [drawBar, markFilters, drawTable, paintParallel],
  pictures: [paintParallel, drawHeat, drawDots],
  head: [buildTable],
  axes: [buildParallel],
  lines: [drawParallel],
  plots: [buildPlots],
  runs: [drawRuns],
};
const needs = {
  all: ["axes", "lines", "head", "plots", "runs", "rows", "pictures"],
  size: ["lines", "runs", "rows", "pictures"],
  runs: ["runs", "rows", "pictures"],
  brush: ["rows"],
  brushed: ["lines", "rows", "pictures"],
  filter: ["rows"],
  pictures: ["pictures"],
  sort: ["head", "rows"],
  table: ["head", "rows"],
  axes: ["axes", "lines", "rows", "pictures"],
  colour: ["axes", "lines", "rows"],
  heat: ["pictures"],
  dots: ["pictures"],
};
const due = new Set();
let resting = 0;
const main = find("main");

function changed(what = "runs") {
  // While a filter moves, the plots below wait until it rests.
  if (what === "brush" || what === "filter") {
    clearTimeout(resting);
    resting = setTimeout(() => {
      resting = 0;
      changed("pictures");
    }, 90);
  }
  if (!due.size) requestAnimationFrame(redraw);
  main.setAttribute("aria-busy", "true");
  for (const part of needs[what]) due.add(part);
}

function redraw() {
  if (!due.size) return;
  applyFilters();
  const open = findAll(".chooser[open]").map((box) => box.closest("section")?.id);
  const scroll = seek("#table .scroller")?.scrollLeft || 0;
  for (const part of needs.all) if (due.has(part)) for (const draw of parts[part]) draw();
  for (const id of open) find(`#${id} .chooser`).setAttribute("open", "");
  find("#table .scroller").scrollLeft = scroll;
  due.clear();
  writeAddress();
  if (!resting) main.removeAttribute("aria-busy");
}

buildTop();
readAddress();
changed("all");

let width = main.clientWidth;
new ResizeObserver(() => {
  if (main.clientWidth === width) return;
  width = main.clientWidth;
  changed("size");
}).observe(main);
addEventListener("hashchange", () => {
  readAddress();
  changed("all");
});
addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const box = seek(".chooser[open]");
  if (box) box.removeAttribute("open");
  else if (state.runs.length && !(event.target instanceof HTMLInputElement)) {
    state.runs = [];
    changed();
  }
});
addEventListener("click", (event) => {
  for (const box of findAll(".chooser[open]")) if (!event.composedPath().includes(box)) box.removeAttribute("open");
});
function onto(paper) {
  onPaper = paper;
  changed("all");
  redraw();
}
addEventListener("beforeprint", () => onto(true));
addEventListener("afterprint", () => onto(false));
