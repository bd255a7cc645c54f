// Of the selected runs: in what they differ, their scores, their configs.

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
