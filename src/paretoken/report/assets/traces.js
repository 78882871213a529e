/* Plotly traces from the panel's columns. Every trace carries meta.a, its accelerator. */
const ORIGIN = {
  published: { dash: "solid", suffix: "", text: "published by others: solid line" },
  measured: { dash: "solid", suffix: "-dot", text: "measured here: solid line, dotted mark" },
  predicted: { dash: "dash", suffix: "-open", text: "predicted: dashed line, open mark" },
  emulated: { dash: "dot", suffix: "-open-dot", text: "emulated, no accelerator ran: dotted line, open mark with a dot" },
};
const originOf = (index) => ORIGIN[word(index)] || ORIGIN.published;
const tint = (id, dark) => accelerators.get(id)[dark ? "dark" : "light"];

/* The lines of one axis: {a, e per sample, r, x, t, o, i}, best engine of each accelerator or each engine. */
function linesOf(axis, mode) {
  if (mode === "each") return axis.curves.map((c) => ({ ...c, a: word(c.a), e: c.x.map(() => word(c.e)) }));
  return axis.lines.map((l) => {
    const n = l.t.length;
    const engines = l.e.flatMap(([from, e], i) => Array((l.e[i + 1] ? l.e[i + 1][0] : n) - from).fill(word(e)));
    return { ...l, a: word(l.a), e: engines, x: axis.x.slice(l.k, l.k + n) };
  });
}

function lineTrace(line, y, dark, hover) {
  const style = originOf(line.r);
  return {
    type: "scatter",
    mode: "lines",
    x: line.x,
    y,
    meta: { a: line.a, kind: "line" },
    name: line.a,
    connectgaps: false,
    line: { color: tint(line.a, dark), width: state.lines === "each" ? 1.6 : 2.2, dash: style.dash },
    customdata: line.e.map((e) => escapeText(engineName(e))),
    hovertemplate: hover,
  };
}

const hoverLine = (what) =>
  `<b>%{fullData.name}</b> %{customdata}, between points<br>%{x:.3~g} ${AXIS[state.axis].unit}: ${what}<extra></extra>`;

/* The indices of the panel's points that can be placed on the axis, by accelerator. */
function pointsOf(p) {
  const x = p.points[AXIS[state.axis].x] || p.points.tpot.map((v) => (v === null ? null : 1 / v));
  const indices = new Map();
  x.forEach((v, i) => {
    if (v === null) return;
    const a = word(p.points.a[i]);
    if (!indices.has(a)) indices.set(a, []);
    indices.get(a).push(i);
  });
  return { x, indices };
}

const E2E_BASIS = { little: "derived, Little’s law", measured: "stated by the source" };

function describe(p, i) {
  const c = p.points;
  const ms = (v) => (v === null ? "–" : v >= 1 ? `${short(v)} s` : `${short(v * 1000)} ms`);
  const basis = word(c.basis[i]);
  const parallelism = `${c.ep[i] > 1 ? `, EP ${c.ep[i]}` : ""}${c.dpa[i] ? ", DP attention" : ""}`;
  const output = c.o[i] ? `, output ${short(c.o[i], 4)}` : "";
  const date = word(c.d[i]) ? `, ${escapeText(word(c.d[i]))}` : "";
  const load = c.c[i] === null ? "load not stated" : `${short(c.c[i])} users`;
  const rows = [
    `<b>${escapeText(word(c.a[i]))}</b> ${escapeText(engineName(word(c.e[i])))}`,
    word(c.v[i]) ? escapeText(clip(word(c.v[i]), 44)) : "version not stated",
    `TP ${escapeText(word(c.tp[i]))}${parallelism}, ${c.n[i] ?? "?"} GPUs, ${load}`,
    `TTFT ${ms(c.ttft[i])}, TPOT ${ms(c.tpot[i])}`,
    `E2E ${short(c.e2e[i])} s (${E2E_BASIS[basis] || basis || "unknown"})`,
    `<b>${short(c.t[i], 4)} tok/s/GPU</b>${output}${word(c.tb[i]) === "stated" ? "" : " (derived)"}`,
    `${escapeText(word(c.r[i]))}: ${escapeText(clip(word(c.s[i]), 44))}${date}`,
  ];
  const spec = word(c.spec[i]);
  if (spec && spec !== "none") rows.splice(3, 0, `speculative decoding: ${escapeText(spec)}`);
  return rows.join("<br>");
}

function pointTraces(p, dark, valueOf, ground) {
  const { x, indices } = pointsOf(p);
  const level = p.points[`f${state.axis}`];
  const least = state.lines === "each" ? 1 : 2;
  const traces = [];
  for (const [a, all] of indices) {
    for (const strong of [false, true]) {
      for (const origin of unique(all.map((i) => p.points.r[i]))) {
        const own = all.filter(
          (i) => p.points.r[i] === origin && level[i] >= least === strong && valueOf(i) !== null,
        );
        if (own.length) traces.push(pointTrace(p, a, own, x, valueOf, strong, originOf(origin), dark, ground));
      }
    }
  }
  return traces;
}

function pointTrace(p, a, own, x, valueOf, strong, style, dark, ground) {
  const color = tint(a, dark);
  const open = style.suffix === "-open";
  return {
    type: "scatter",
    mode: "markers",
    x: own.map((i) => x[i]),
    y: own.map(valueOf),
    name: a,
    meta: { a, kind: strong ? "front" : "dominated" },
    text: own.map((i) => describe(p, i)),
    hovertemplate: "%{text}<extra></extra>",
    marker: {
      color,
      symbol: accelerators.get(a).symbol + style.suffix,
      size: strong ? 9 : 5,
      opacity: strong ? 1 : 0.32,
      line: { width: strong ? (open ? 1.6 : 1) : 0, color: open ? color : ground },
    },
    ...(strong && AXIS[state.axis].error ? { error_x: littleError(p, own, color) } : {}),
  };
}

/* Where the true E2E latency of a point derived by Little's law lies, p5 to p95. */
function littleError(p, own, color) {
  const off = (i, quantile) =>
    word(p.points.basis[i]) === "little" ? p.points.e2e[i] - p.points.e2e[i] / (1 + quantile) : 0;
  return {
    type: "data",
    symmetric: false,
    color,
    thickness: 1,
    width: 0,
    array: own.map((i) => Math.max(0, -off(i, data.little.p5))),
    arrayminus: own.map((i) => Math.max(0, off(i, data.little.p95))),
  };
}

function frontierTraces(p, axis, dark, ground) {
  const lines = linesOf(axis, state.lines).map((l) => lineTrace(l, l.t, dark, hoverLine("%{y:,.4~r} tok/s/GPU")));
  return [...pointTraces(p, dark, (i) => p.points.t[i], ground), ...lines].sort((a, b) => order(a) - order(b));
}
const order = (trace) => ["dominated", "line", "front"].indexOf(trace.meta.kind);

function costTraces(p, axis, dark, ground) {
  const key = state.view;
  const lines = linesOf(axis, state.lines)
    .filter((l) => l[key] && tariffs.get(state.tier).usd[l.a])
    .map((l) =>
      lineTrace(
        l,
        l[key].map((t) => tierCost(l.a, t)),
        dark,
        hoverLine("$%{y:.3~r} per million tokens"),
      ),
    );
  const points = pointTraces(p, dark, (i) => tierCost(word(p.points.a[i]), p.points[key][i]), ground);
  return [...points.filter((t) => t.meta.kind === "front"), ...lines].sort((a, b) => order(a) - order(b));
}

/* The break-even rent of each accelerator against the reference on the common grid; where the reference's throughput is
   a prediction, so is what follows from it. */
function rentTraces(axis, dark) {
  const lines = linesOf(axis, "best");
  const base = new Map();
  for (const l of lines.filter((l) => l.a === state.reference)) {
    l.x.forEach((x, i) => {
      if (l.t[i] !== null && l.t[i] > (base.get(x) || { t: 0 }).t) base.set(x, { t: l.t[i], r: l.r });
    });
  }
  const guess = axis.lines.map((l) => l.r).find((r) => word(r) === "predicted");
  const parts = lines.flatMap((l) => {
    const guessed = (x) => l.r !== guess && base.has(x) && base.get(x).r === guess;
    return [
      [l, (x) => !guessed(x)],
      ...(guess !== undefined && l.x.some(guessed) ? [[{ ...l, r: guess }, guessed]] : []),
    ];
  });
  return parts
    .map(([l, here]) => {
      const y = l.x.map((x, i) => {
        if (l.t[i] === null || !base.has(x) || !here(x)) return null;
        return l.a === state.reference ? state.rent : Money.breakEvenRent(state.rent, base.get(x).t, l.t[i]);
      });
      const trace = lineTrace(l, y, dark, "");
      const usd = tariffs.get(state.tier).usd[l.a];
      const priced = usd ? `<br>priced at ${dollars(usd)} as ${escapeText(tariffs.get(state.tier).name)}` : "";
      trace.meta.best = true;
      trace.line.width = 2.2;
      if (l.a === state.reference) trace.line = { ...trace.line, width: 1.4, dash: "dot" };
      trace.hovertemplate =
        `<b>${escapeText(l.a)}</b> %{customdata}<br>%{x:.3~g} ${AXIS[state.axis].unit}: ` +
        `break-even rent $%{y:.3~r}/GPU-h${priced}<extra></extra>`;
      return trace;
    })
    .filter((t) => t.y.some((v) => v !== null));
}
