// The table of runs: sorted by its headers, filtered below them; only the rows in sight are in the document.

const ROW = 27;
let tableFocus = 0;
const PAPER_ROWS = 400; // on paper nothing scrolls: so many rows are written out

function buildTable() {
  const section = find("#table");
  const shown = ["run_id", ...state.table].map((key) => columnOf.get(key));
  const widths = shown.map(columnWidth);
  const grid = element("table", { role: "grid", "aria-rowcount": count });
  grid.style.width = `${34 + widths.reduce((a, b) => a + b, 0)}px`;
  const sizes = element(
    "colgroup",
    {},
    ...[34, ...widths].map((width) => {
      const column = element("col");
      column.style.width = `${width}px`;
      return column;
    }),
  );
  const body = element("tbody", { onkeydown: tableKey, onclick: tableClick });
  grid.append(sizes, element("thead", {}, headerRow(shown), filterRow(shown)), body);
  const scroller = element(
    "div",
    { class: "scroller", onscroll: () => windowOf() !== tableWindow && drawTable() },
    grid,
  );
  section.replaceChildren(
    element(
      "div",
      { class: "head" },
      element("h2", {}, "Runs"),
      element(
        "span",
        { class: "hint" },
        "click a run to open it, its box (or Ctrl-click, Space) to compare; filters: text, a|b, !a, <5, 1..5, - for none, lost",
      ),
      chooser("Columns", "table"),
    ),
    scroller,
  );
}

function columnWidth(column) {
  const losing = column.lost ? rows.filter((row) => column.lost[row]).slice(0, 60) : [];
  const numbers = () => [...column.distinct.slice(0, 60).map(format), ...losing.map((row) => show(column, row))];
  const texts = column.text ? column.levels : numbers();
  const widest = Math.max(0, ...texts.slice(0, 200).map((text) => textWidth(text, 12.5)));
  return Math.ceil(Math.min(260, Math.max(textWidth(column.title, 12.5) + 34, widest + 20, 66)));
}

function headerRow(shown) {
  const row = element("tr", {}, element("th", { class: "pick", "aria-label": "compare" }));
  for (const column of shown) {
    const key = state.sort.replace(/^-/, "");
    const order = key !== column.key ? "none" : state.sort.startsWith("-") ? "descending" : "ascending";
    const about = [
      column.about,
      column.dataset !== null && column.dataset !== undefined ? study.datasets[column.dataset].name : "",
    ];
    const mark = { none: "", ascending: " ▲", descending: " ▼" }[order];
    const button = element(
      "button",
      {
        type: "button",
        "data-sort": column.key,
        title: about.filter(Boolean).join("\n") || column.label,
        onclick: () => sortBy(column.key),
      },
      element("span", {}, column.label),
      element("span", { class: "muted" }, column.unit ? ` ${column.unit}` : ""),
      mark,
    );
    row.append(element("th", { "aria-sort": order, class: column.text ? "" : "number" }, button));
  }
  return row;
}

// Once upward, then downward, then as the runs were made.
function sortBy(key) {
  state.sort = state.sort === key ? `-${key}` : state.sort === `-${key}` ? "" : key;
  changed("sort");
  seek(`#table button[data-sort="${CSS.escape(key)}"]`)?.focus();
}

function filterRow(shown) {
  const row = element("tr", { class: "filters" }, element("td", { class: "pick" }));
  for (const column of shown) {
    const input = element("input", {
      type: "text",
      "data-filter": column.key,
      "aria-label": `filter ${column.title}`,
      placeholder: "filter",
      spellcheck: "false",
    });
    input.value = state.filters[column.key] || "";
    input.addEventListener("input", () => {
      if (input.value.trim()) state.filters[column.key] = input.value;
      else delete state.filters[column.key];
      changed("filter");
    });
    row.append(element("td", {}, input));
  }
  return row;
}

function markFilters() {
  for (const input of document.querySelectorAll("#table input[data-filter]")) {
    if (!(input instanceof HTMLInputElement)) continue;
    const key = input.dataset.filter ?? "";
    input.setAttribute("aria-invalid", String(view.wrong.has(key)));
    input.classList.toggle("active", key in state.filters);
    if (document.activeElement !== input) input.value = state.filters[key] || "";
  }
}

let tableWindow = 0;
// The first row in the document; it moves by six, so that a little scrolling leaves the rows where they are.
const windowOf = () => Math.floor(find("#table .scroller").scrollTop / ROW / 6) * 6 - 6;

function drawTable() {
  const scroller = find("#table .scroller");
  const body = find("tbody", scroller);
  const shown = ["run_id", ...state.table].map((key) => columnOf.get(key));
  const total = view.sorted.length;
  scroller.style.height = onPaper ? "auto" : `${Math.min(13, Math.max(3, total)) * ROW + 78}px`;
  tableWindow = windowOf();
  const first = onPaper ? 0 : Math.max(0, Math.min(tableWindow, total - 26));
  const last = Math.min(total, onPaper ? PAPER_ROWS : first + 36);
  const focused = document.activeElement?.tagName === "TR" && body.contains(document.activeElement);
  tableFocus = Math.min(tableFocus, Math.max(0, total - 1));
  const made = [];
  for (let k = first; k < last; k += 1) made.push(tableRow(shown, view.sorted[k], k));
  body.replaceChildren(spacer(first * ROW), ...made, spacer((total - last) * ROW));
  if (!total)
    body.replaceChildren(
      element("tr", {}, element("td", { colspan: shown.length + 1, class: "muted" }, "No run passes the filters.")),
    );
  if (focused) seek('tr[tabindex="0"]', body)?.focus({ preventScroll: true });
}

function spacer(height) {
  const row = element("tr", { "aria-hidden": "true" });
  row.style.height = `${height}px`;
  return row;
}

function tableRow(shown, row, place) {
  const chosen = state.runs.includes(row);
  const box = element("input", { type: "checkbox", tabindex: -1, "aria-label": `compare ${idOf(row)}` });
  box.checked = chosen;
  const made = element(
    "tr",
    {
      tabindex: place === tableFocus ? 0 : -1,
      "data-row": row,
      "data-place": place,
      "aria-selected": chosen,
      "aria-rowindex": place + 1,
    },
    element("td", { class: "pick" }, box),
  );
  if (chosen) made.style.boxShadow = `inset 4px 0 ${runColour(row)}`;
  for (const column of shown) {
    const text = show(column, row);
    const kind = [column.text ? "" : "number", column.key === "state" ? `state ${text}` : ""].join(" ").trim();
    const cell = element("td", { class: kind }, text);
    if (column.text && text.length > 24) cell.title = text;
    made.append(cell);
  }
  return made;
}

function tableClick(event) {
  const line = event.target.closest("tr[data-row]");
  if (!line) return;
  tableFocus = Number(line.dataset.place);
  const box = event.target.closest(".pick");
  select(Number(line.dataset.row), Boolean(box) || event.ctrlKey || event.metaKey || event.shiftKey);
  seek(`#table tr[data-place="${tableFocus}"]`)?.focus({ preventScroll: true });
}

function tableKey(event) {
  const line = event.target.closest("tr[data-row]");
  if (!line) return;
  const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
  if (event.key in moves) {
    tableFocus = Math.max(0, Math.min(view.sorted.length - 1, Number(line.dataset.place) + moves[event.key]));
    const scroller = find("#table .scroller");
    const [top, room] = [tableFocus * ROW, scroller.clientHeight - 62 - ROW];
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    if (top > scroller.scrollTop + room) scroller.scrollTop = top - room;
    drawTable();
  } else if (event.key === "Enter") select(Number(line.dataset.row), event.ctrlKey || event.shiftKey);
  else if (event.key === " ") select(Number(line.dataset.row), true);
  else return;
  event.preventDefault();
}
