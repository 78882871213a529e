/* Plotly traces from the panel's columns. Every trace carries meta.a, its accelerator. */
const ORIGIN = {
  published: { dash: "solid", suffix: "", text: "published by others: solid line" },
  measured: { dash: "solid", suffix: "-dot", text: "measured here: solid line, dotted mark" },
  predicted: { dash: "dash", suffix: "-open", text: "predicted: dashed line, open mark" },
  emulated: {
    dash: "longdashdot",
    suffix: "-open-dot",
    text: "emulated, in no headline: dash-dotted line, open mark with a dot",
  },
};
const originOf = (index) => ORIGIN[word(index)] || ORIGIN.published;
const tint = (id, dark) => accelerators.get(id)[dark ? "dark" : "light"];

/* What a line is at a sample: joined between like points, flat beyond the last point, or between points not alike. */
const [JOINED, FLAT, APART] = [0, 1, 2];
const LINES = new Set(["line", "flat"]);

/* Runs [[first index, value], …] as one value for each of n samples. */
const spread = (runs, n) =>
  runs.flatMap(([from, value], i) => Array((runs[i + 1] ? runs[i + 1][0] : n) - from).fill(value));

/* The lines of one axis: {a, r, x, t, o, i, and per sample e, w, h}, best engine of each accelerator or each engine. */
function linesOf(axis, mode) {
  if (mode === "each")
    return axis.curves.map((c) => {
      const n = c.x.length;
      return { ...c, a: word(c.a), e: Array(n).fill(word(c.e)), w: Array(n).fill(word(c.w)), h: spread(c.h, n) };
    });
  return axis.lines.map((l) => {
    const n = l.t.length;
    const [e, w] = [l.e, l.w].map((runs) => spread(runs, n).map(word));
    return { ...l, a: word(l.a), e, w, h: spread(l.h, n), x: axis.x.slice(l.k, l.k + n) };
  });
}

/* A line as up to two traces, solid (or its origin's dash) and, beyond the last point, dotted. Both hold every sample,
   null where the other draws; where the engine or its software changes, a null breaks the line. */
function lineTraces(line, y, dark, hover, kind = "line") {
  const style = originOf(line.r);
  const of = [line.a, line.r, state.lines === "each" ? line.e[0] : ""].join("|");
  const changes = (i) => i > 0 && (line.e[i] !== line.e[i - 1] || line.w[i] !== line.w[i - 1]);
  const samples = line.x.flatMap((_, i) => (changes(i) ? [null, i] : [i]));
  const at = (i, k) => (i === null ? samples[k + 1] : i);
  const starts = (i) => line.h[i] === JOINED && line.h[i + 1] === FLAT && !changes(i + 1);
  const part = (here, flat) => ({
    type: "scatter",
    mode: "lines",
    x: samples.map((i, k) => line.x[at(i, k)]),
    y: samples.map((i) => (i !== null && here(i) ? y[i] : null)),
    meta: { a: line.a, kind: flat ? "flat" : kind, of, e: engineName(line.e[0]) },
    name: line.a,
    connectgaps: false,
    showlegend: !flat,
    line: {
      color: tint(line.a, dark),
      width: state.lines === "each" ? 1.6 : 2.2,
      dash: flat ? "dot" : style.dash,
    },
    customdata: samples.map((i, k) => {
      const s = at(i, k);
      const software = escapeText([engineName(line.e[s]), line.w[s]].join(" "));
      return `${software}, ${flat ? "its last point" : "between points"}`;
    }),
    hovertemplate: hover,
  });
  const traces = [part((i) => line.h[i] === JOINED, false), part((i) => line.h[i] === FLAT || starts(i), true)];
  return traces.filter((trace) => trace.y.some((v) => v !== null));
}

const limitWord = () => (state.axis === "e2e" ? "at most" : "at least");
const hoverLine = (what) =>
  `<b>%{fullData.name}</b> %{customdata}<br>${limitWord()} %{x:.3~g} ${AXIS[state.axis].unit}: ${what}<extra></extra>`;

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

const SPECULATION = { none: "no speculative decoding", unknown: "speculative decoding not stated" };

/* The software state of a point, with the image or build where it says more than the release. */
function softwareOf(c, i) {
  const software = word(c.w[i]);
  const version = word(c.v[i]);
  const said = !version || software.includes(version) || software.startsWith("median");
  return escapeText(said ? software : `${software} (${clip(version, 32)})`);
}

function describe(p, i) {
  const c = p.points;
  const ms = (v) => (v === null ? "–" : v >= 1 ? `${short(v)} s` : `${short(v * 1000)} ms`);
  const basis = word(c.basis[i]);
  const parallelism = `${c.ep[i] > 1 ? `, EP ${c.ep[i]}` : ""}${c.dpa[i] ? ", DP attention" : ""}`;
  const output = c.o[i] ? `, output ${short(c.o[i], 4)}` : "";
  const day = word(c.d[i]);
  const date = day && !day.includes("..") ? `, ${escapeText(day)}` : "";
  const load = c.c[i] === null ? "load not stated" : `${short(c.c[i])} users`;
  const rows = [
    `<b>${escapeText(word(c.a[i]))}</b> ${escapeText(engineName(word(c.e[i])))}`,
    softwareOf(c, i),
    `TP ${escapeText(word(c.tp[i]))}${parallelism}, ${c.n[i] ?? "?"} GPUs, ${load}`,
    `TTFT ${ms(c.ttft[i])}, TPOT ${ms(c.tpot[i])}`,
    `E2E ${short(c.e2e[i])} s (${E2E_BASIS[basis] || basis || "unknown"})`,
    `<b>${short(c.t[i], 4)} tok/s/GPU</b>${output}${word(c.tb[i]) === "stated" ? "" : " (derived)"}`,
    `${escapeText(word(c.r[i]))}: ${escapeText(clip(word(c.s[i]), 44))}${date}`,
  ];
  rows.splice(3, 0, SPECULATION[word(c.spec[i])] || `speculative decoding: ${escapeText(word(c.spec[i]))}`);
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

/* Releases that are newer than the curve's but not ranked: crosses that no line joins. */
function newerTraces(p, dark) {
  return p.newer.map((n) => {
    const color = tint(word(n.a), dark);
    const about = [
      `<b>${escapeText(word(n.a))}</b> ${escapeText(engineName(word(n.e)))} ${escapeText(word(n.w))}`,
      `${word(n.d) ? `${escapeText(word(n.d))}: ` : ""}newer release, not ranked`,
      `the curve is of ${escapeText(word(n.of))}`,
    ];
    return {
      type: "scatter",
      mode: "markers",
      x: n[AXIS[state.axis].x],
      y: n.t,
      name: word(n.a),
      meta: { a: word(n.a), kind: "newer" },
      showlegend: false,
      text: n.load.map((load, i) =>
        [...about, `${escapeText(word(load))}: ${short(n.t[i], 4)} tok/s/GPU`].join("<br>"),
      ),
      hovertemplate: "%{text}<extra></extra>",
      marker: { color, symbol: "x-thin", size: 8, line: { color, width: 2 } },
    };
  });
}

function frontierTraces(p, axis, dark, ground) {
  const lines = linesOf(axis, state.lines).flatMap((l) => lineTraces(l, l.t, dark, hoverLine("%{y:,.4~r} tok/s/GPU")));
  const points = pointTraces(p, dark, (i) => p.points.t[i], ground);
  return [...points, ...newerTraces(p, dark), ...lines].sort((a, b) => order(a) - order(b));
}
const order = (trace) => ["dominated", "flat", "line", "between", "newer", "front"].indexOf(trace.meta.kind);

function costTraces(p, axis, dark, ground) {
  const key = state.view;
  const lines = linesOf(axis, state.lines)
    .filter((l) => l[key] && tariffs.get(state.tier).usd[l.a])
    .flatMap((l) =>
      lineTraces(
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
      if (l.t[i] !== null && l.t[i] > (base.get(x) || { t: 0 }).t) base.set(x, { t: l.t[i], r: l.r, h: l.h[i] });
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
  return parts.flatMap(([l, here]) => {
    const y = l.x.map((x, i) => {
      if (l.t[i] === null || !base.has(x) || !here(x)) return null;
      return l.a === state.reference ? state.rent : Money.breakEvenRent(state.rent, base.get(x).t, l.t[i]);
    });
    /* As certain as the less certain of the two. */
    const h = l.x.map((x, i) => Math.max(l.h[i], base.has(x) ? base.get(x).h : JOINED));
    const usd = tariffs.get(state.tier).usd[l.a];
    const priced = usd ? `<br>priced at ${dollars(usd)} as ${escapeText(tariffs.get(state.tier).name)}` : "";
    const hover =
      `<b>${escapeText(l.a)}</b> %{customdata}<br>${limitWord()} %{x:.3~g} ${AXIS[state.axis].unit}: ` +
      `break-even rent $%{y:.3~r}/GPU-h${priced}<extra></extra>`;
    return lineTraces({ ...l, h }, y, dark, hover).map((trace) => ({
      ...trace,
      meta: { ...trace.meta, best: true },
      line: { ...trace.line, width: l.a === state.reference ? 1.2 : 2.2 },
    }));
  });
}
