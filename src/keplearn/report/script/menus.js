// Menus of columns, and the tooltip.

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
