// The top of the page: the summary of the study in tiles.

function buildTop() {
  const states = columnOf.get("state");
  const number = (name) => rows.filter((row) => show(states, row) === name).length;
  const counts = ["finished", "failed", "interrupted", "running"]
    .map((name) => [name, number(name)])
    .filter(([, many]) => many);
  find("#top").replaceChildren(
    element("h1", {}, study.group),
    element(
      "p",
      { class: "muted" },
      `${count} runs${study.where ? ` with ${study.where}` : ""} · keplearn report of ${study.made}`,
    ),
  );
  find("#summary").replaceChildren(
    tile(
      "Runs",
      element(
        "div",
        { class: "states" },
        ...counts.map(([name, many]) =>
          element("span", { class: `state ${name}` }, element("b", {}, String(many)), ` ${name}`),
        ),
      ),
    ),
    tile(best === null ? "Best run" : `Best run by ${leads[0].title}`, bestLink()),
    tile("Time", timeText()),
    tile(
      study.over ? `Test datasets, ${study.over}` : "Test datasets",
      element(
        "ol",
        { class: "datasets" },
        ...study.datasets.map((data, k) =>
          element(
            "li",
            {},
            element("b", {}, `D${k + 1} `),
            data.name,
            element(
              "span",
              { class: "muted" },
              data.count ? ` ${data.count} ${data.count === 1 ? "orbit" : "orbits"}` : "",
            ),
          ),
        ),
      ),
    ),
    variesTile(),
    failedRuns(),
    ...ruledMeans(),
    commonConfig(),
  );
}

const tile = (title, content, kind = "") =>
  element("div", { class: `tile ${kind}` }, element("h3", {}, title), content || "–");

function bestLink() {
  if (best === null) return "no run was scored";
  const values = leads
    .map((column, k) => `${study.datasets.length > 1 ? `D${k + 1} ` : ""}${show(column, best, ` ${column.unit}`)}`)
    .join(", ");
  return element(
    "div",
    {},
    element(
      "button",
      {
        type: "button",
        class: "link",
        id: "best",
        onclick: () => {
          state.runs = [best];
          changed();
        },
      },
      nameOf(best),
    ),
    element("div", { class: "muted" }, values),
  );
}

function timeText() {
  const column = columnOf.get("seconds");
  if (!column) return "–";
  const total = column.at.reduce((sum, value) => sum + (value || 0), 0);
  const text = (seconds) =>
    seconds < 120
      ? `${format(Number(seconds.toPrecision(3)))} s`
      : seconds < 7200
        ? `${(seconds / 60).toFixed(1)} min`
        : `${(seconds / 3600).toFixed(1)} h`;
  const one = middle(column.at.filter((value) => value !== null));
  return element(
    "div",
    {},
    element("b", {}, text(total)),
    " in all",
    element("div", { class: "muted" }, `${text(one)} a run (median)`),
  );
}

function variesTile() {
  if (!parameters.length) return tile("What varies", "nothing", "broad");
  const line = (column) => {
    const labels = groupsOf(column).labels;
    const text =
      labels.length > 6
        ? `${column.distinct.length} values, ${labels[0]} … ${labels[labels.length - 1]}`
        : labels.join(", ");
    return element(
      "div",
      { title: column.key },
      element("b", {}, column.label),
      " ",
      element("span", { class: "muted" }, text + (column.missing ? ", none" : "")),
    );
  };
  return tile("What varies", element("div", { class: "varies" }, ...parameters.map(line)), "broad");
}

function failedRuns() {
  const failed = rows.filter((row) => stateOf(row) !== "finished" && stateOf(row) !== "running");
  if (!failed.length) return element("p", { class: "muted" }, "No run failed.");
  const own = parameters.filter((column) => column.at.some((value) => value !== column.at[0]));
  const line = (row) =>
    element(
      "tr",
      {},
      element(
        "td",
        {},
        element("button", { type: "button", class: "link", onclick: () => select(row, false) }, nameOf(row)),
      ),
      element("td", {}, show(columnOf.get("kind"), row)),
      element("td", { class: "reason" }, show(columnOf.get("reason"), row)),
      element("td", { class: "muted" }, own.map((column) => `${column.label} ${show(column, row)}`).join(", ")),
    );
  const table = element(
    "table",
    { class: "facts" },
    element(
      "thead",
      {},
      element("tr", {}, ...["run", "kind", "reason", "its parameters"].map((title) => element("th", {}, title))),
    ),
    element("tbody", {}, ...failed.slice(0, 300).map(line)),
  );
  const more =
    failed.length > 300
      ? [element("p", { class: "muted" }, `and ${failed.length - 300} more: filter the table by state`)]
      : [];
  return element(
    "details",
    { id: "failed", open: failed.length <= 3 },
    element("summary", {}, `${failed.length} ${failed.length === 1 ? "run" : "runs"} failed or interrupted`),
    element("div", { class: "limited" }, table, ...more),
  );
}

// Means that tell of a few orbits and not of the model.
function ruledMeans() {
  if (!study.remarks.length) return [];
  return [
    element(
      "details",
      { id: "ruled", open: study.remarks.length < 3 },
      element("summary", {}, "A few orbits rule some means; the medians beside them do not move"),
      ...study.remarks.map((text) => element("div", { class: "muted" }, text)),
    ),
  ];
}

function commonConfig() {
  const entries = Object.entries(study.common).map(([key, value]) =>
    element("div", {}, element("span", { class: "muted" }, `${key} `), value),
  );
  return element(
    "details",
    {},
    element("summary", {}, "Config that all runs share"),
    element("div", { class: "common" }, ...entries),
  );
}
