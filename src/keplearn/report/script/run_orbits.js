// Orbits of the selected runs, true and predicted.

function orbitPlots(chosen, width) {
  const seen = chosen.filter((run) => run.detail.paths);
  const drawn = study.datasets.flatMap((data, number) =>
    data.drawn.map((orbit) => ({ ...orbit, tag: `D${number + 1}` })),
  );
  if (!seen.length || !drawn.length) return [];
  const side = Math.floor((width - 10) / 2);
  const plots = drawn.map((orbit, k) => {
    const paths = seen.map((run) => ({ run, path: run.detail.paths[k] || [] }));
    return element(
      "figure",
      {},
      orbitPicture(orbit, paths, side),
      element("figcaption", {}, `${orbit.tag} orbit ${orbit.name}: a = ${format(orbit.a)} km, e = ${format(orbit.e)}`),
    );
  });
  const plane = drawn.every((orbit) => orbit.planar) ? "x and y" : "in its plane";
  const bodies = [...new Set(drawn.filter((orbit) => orbit.radius).map((orbit) => orbit.body))].join(", ");
  const disc = bodies && `; disc: ${bodies}`;
  return [
    plotTitle("Orbits", `${plane}, 10³ km; black: true, from the dot; coloured: predicted${disc}`),
    element("div", { class: "orbits" }, ...plots),
  ];
}

function orbitPicture(orbit, paths, side) {
  const points = (path) =>
    Array.from({ length: path.length / 2 }, (_, k) => [path[2 * k] * orbit.unit, path[2 * k + 1] * orbit.unit]);
  const truth = points(orbit.path);
  const xs = truth.map(([x]) => x).concat(-(orbit.radius || 0), orbit.radius || 0);
  const ys = truth.map(([, y]) => y).concat(-(orbit.radius || 0), orbit.radius || 0);
  const [left, right, bottom, top] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  // A model that runs away must not shrink the orbit to a dot: the frame grows by a quarter at most.
  const size = Math.max(right - left, top - bottom);
  const leaves = paths.some(
    ({ path }) =>
      path.length < 90 ||
      points(path).some(
        ([x, y]) =>
          x < left - 0.04 * size || x > right + 0.04 * size || y < bottom - 0.04 * size || y > top + 0.04 * size,
      ),
  );
  const half = (leaves ? 0.72 : 0.55) * size;
  const [cx, cy] = [(left + right) / 2, (bottom + top) / 2];
  const margin = 34;
  const box = { left: margin, top: 4, width: side - margin - 4, height: side - margin - 4 };
  const picture = drawing(side, box.height + 24);
  const thousand = (middle) => linearScale((middle - half) / 1000, (middle + half) / 1000, 0);
  const { px, py } = frame(picture, box, thousand(cx), thousand(cy), {}, 42);
  const clip = `clip${orbit.tag}${Math.random().toString(36).slice(2)}`;
  shape(shape(picture, "clipPath", { id: clip }), "rect", {
    x: box.left,
    y: box.top,
    width: box.width,
    height: box.height,
  });
  const inside = shape(picture, "g", { "clip-path": `url(#${clip})` });
  if (orbit.radius) {
    shape(inside, "circle", {
      cx: px(0),
      cy: py(0),
      r: px(orbit.radius / 1000) - px(0),
      fill: study.colours.body,
      stroke: "#767676",
      "stroke-width": 0.7,
    });
  }
  const line = (path) =>
    path.length ? `M${path.map(([x, y]) => `${px(x / 1000).toFixed(1)} ${py(y / 1000).toFixed(1)}`).join("L")}` : "";
  shape(inside, "path", { d: line(truth), fill: "none", stroke: study.colours.truth, "stroke-width": 1.5 });
  for (const { run, path } of paths) {
    const dash = paths.length > 1 ? run.dash : "";
    shape(inside, "path", {
      d: line(points(path)),
      fill: "none",
      stroke: run.colour,
      "stroke-width": 1.6,
      "stroke-dasharray": dash,
    });
  }
  shape(inside, "circle", {
    cx: px(truth[0][0] / 1000),
    cy: py(truth[0][1] / 1000),
    r: 3.4,
    fill: study.colours.truth,
  });
  return picture;
}
