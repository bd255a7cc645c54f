// The dot plot: a dot a run, over a parameter or a score.

function drawDots() {
  const [x, y, colour] = ["x", "y", "colour"].map((key) => columnOf.get(state.dots[key]));
  const section = find("#dots");
  find(".keys", section).replaceChildren(legend(colour));
  layFacets(find(".plot", section), facetsOf(state.dots.facet), (list, width) =>
    dotsPicture(list, width, x, y, colouring(colour)),
  );
}

// Parameters and few values stand in classes side by side, spread a little so that dots do not hide each other.
function dotPlaces(x) {
  if (!x.text && x.distinct.length > 12)
    return {
      axis: columnScale(x, 0.03),
      unit: (row) => (x.at[row] === null ? null : columnScale(x, 0.03).unit(x.at[row])),
    };
  const groups = groupsOf(x);
  const size = groups.labels.length;
  const spread = (row) => ((((row + 1) * 0.618034) % 1) - 0.5) * 0.6;
  return {
    axis: { labels: groups.labels },
    groups,
    unit: (row) => (groups.of(row) < 0 ? null : (groups.of(row) + 0.5 + spread(row)) / size),
  };
}

function dotsPicture(list, width, x, y, colours) {
  const places = dotPlaces(x);
  const scale = columnScale(y, 0.03);
  const ticks = scale.ticks(8).map(tickText);
  const left = 26 + Math.max(0, ...ticks.map((text) => textWidth(text)));
  const inner = width - left - 10;
  const below = labelRoom(places.axis.labels, inner);
  const box = { left, top: 8, width: inner, height: 250 };
  const height = box.height + below + 30;
  const picture = drawing(width, height, { class: "over" });
  frame(picture, box, { ...places.axis, unit: places.axis.unit }, scale, {
    x: x.title,
    y: y.title,
    bottom: box.height + below + 22,
  });
  const [layer, context] = canvas(width, height);
  const points = [];
  for (const row of list) {
    const [u, v] = [places.unit(row), y.at[row]];
    if (u !== null && v !== null)
      points.push({ row, x: left + inner * u, y: box.top + box.height * (1 - scale.unit(v)) });
  }
  if (places.groups) paintMedians(context, box, list, places.groups, y, scale);
  paintDots(context, points, colours);
  const near = (event) => nearestPoint(points, event);
  picture.addEventListener("pointermove", (event) => {
    const row = near(event);
    if (row === null) hideTip();
    else runTip(event, row, [x, y, columnOf.get(state.dots.colour)]);
  });
  picture.addEventListener("pointerleave", hideTip);
  picture.addEventListener("click", (event) => {
    const row = near(event);
    if (row !== null) select(row, event.ctrlKey || event.metaKey || event.shiftKey);
  });
  const holder = element("div", { class: "layers" }, layer, picture);
  holder.style.height = `${height}px`;
  return holder;
}

function paintDots(context, points, colours) {
  const size = points.length > 1500 ? 1.8 : points.length > 300 ? 2.6 : 3.8;
  context.globalAlpha = points.length > 1500 ? 0.5 : 0.8;
  for (const { row, x, y } of points) {
    context.fillStyle = colours.colour(row);
    context.fill(new Path2D(markPath(colours.mark(row), x, y, size)));
  }
  context.globalAlpha = 1;
  for (const { row, x, y } of points) {
    if (!state.runs.includes(row)) continue;
    [context.strokeStyle, context.lineWidth] = ["#000", 1.6];
    context.fillStyle = runColour(row);
    const mark = new Path2D(markPath(state.runs.indexOf(row), x, y, 6));
    context.fill(mark);
    context.stroke(mark);
  }
}

function paintMedians(context, box, list, groups, y, scale) {
  const values = groups.labels.map(() => []);
  for (const row of list) if (groups.of(row) >= 0 && y.at[row] !== null) values[groups.of(row)].push(y.at[row]);
  const each = box.width / values.length;
  values.forEach((some, k) => {
    if (!some.length) return;
    const at = box.top + box.height * (1 - scale.unit(middle(some)));
    [context.strokeStyle, context.lineWidth] = ["#111", 2];
    context.beginPath();
    context.moveTo(box.left + each * (k + 0.12), at);
    context.lineTo(box.left + each * (k + 0.88), at);
    context.stroke();
  });
}

function nearestPoint(points, event) {
  const bounds = event.currentTarget.getBoundingClientRect();
  const [x, y] = [event.clientX - bounds.left, event.clientY - bounds.top];
  let [row, distance] = [null, 100];
  for (const point of points) {
    const away = (point.x - x) ** 2 + (point.y - y) ** 2;
    if (away < distance) [row, distance] = [point.row, away];
  }
  return row;
}
