/* Selects and accelerator buttons, filled from the data and the selection. */
function fill(id, options, value) {
  const node = byId(id);
  node.replaceChildren(...options.map(([key, text]) => el("option", { value: key }, text)));
  node.value = value;
}

function drawControls() {
  const named = new Map(data.panels.map((p) => [p.model, p.modelName]));
  const titled = new Map(data.panels.map((p) => [p.scenario, p.scenarioTitle]));
  fill(
    "model",
    choices(0).map((m) => [m, named.get(m)]),
    state.model,
  );
  fill(
    "precision",
    choices(1).map((v) => [v, v.toUpperCase()]),
    state.precision,
  );
  fill(
    "workload",
    choices(2).map((v) => [v, v]),
    state.workload,
  );
  fill("scenario", [...titled], state.scenario);
  fill(
    "tier",
    data.tariffs.map((t) => [t.id, t.name]),
    state.tier,
  );
  for (const id of ["axis", "lines", "scale", "view"]) byId(id).value = state[id];
  const here = unique(panel().axes[state.axis].lines.map((l) => word(l.a)));
  fill(
    "reference",
    data.accelerators.map((a) => [a.id, here.includes(a.id) ? a.id : `${a.id} (no data here)`]),
    state.reference,
  );
  if (document.activeElement !== byId("rent")) byId("rent").value = state.rent;
  drawChips(here);
  drawNotes(here);
}

/* Buttons are kept, not rebuilt, so that the keyboard's focus stays where it is. */
function drawChips(here) {
  const group = byId("accelerators");
  if (!group.children.length) {
    group.append(
      ...data.accelerators.map((a) => {
        const button = el(
          "button",
          { type: "button", "data-accelerator": a.id, title: a.name },
          el("i", { "aria-hidden": "true" }, a.glyph),
          a.id,
        );
        button.style.setProperty("--c", a.light);
        button.style.setProperty("--cd", a.dark);
        return button;
      }),
    );
  }
  for (const button of group.children) {
    const id = button.dataset.accelerator;
    button.setAttribute("aria-pressed", String(!state.off.has(id)));
    button.hidden = !here.includes(id);
  }
}

function drawNotes(here) {
  const p = panel();
  const missing = data.accelerators.map((a) => a.id).filter((id) => !here.includes(id));
  const notes = [];
  if (p.scenario !== state.scenario)
    notes.push("Other kinds of serving add no point here: the like-for-like points are shown.");
  if (missing.length) notes.push(`No curve here: ${missing.join(", ")}; the comparisons below give the reasons.`);
  if (state.absentReference)
    notes.push(
      `${state.absentReference} has no points in this study; ` +
        `${state.reference} at ${dollars(state.rent)}/GPU-h stands in as the break-even reference.`,
    );
  if (!here.includes(state.reference))
    notes.push(
      `${state.reference} has no curve here, so there is no break-even rent against it; choose another reference.`,
    );
  const unpriced = here.filter((id) => !tariffs.get(state.tier).usd[id]);
  if (unpriced.length) notes.push(`No price in this tier: ${unpriced.join(", ")}.`);
  const placeholders = here.filter((id) => tariffs.get(state.tier).placeholders.includes(id));
  if (placeholders.length) notes.push(`The price is a placeholder: ${placeholders.join(", ")}.`);
  if (state.view !== "t")
    notes.push(`Lines without known ${VIEWS[state.view]} throughput are left out of the cost plot.`);
  if (p.flagged)
    notes.push(`${p.flagged} suspicious ${p.flagged === 1 ? "point is" : "points are"} listed below, not here.`);
  byId("note").textContent = notes.join(" ");
  drawLegend(p);
  for (const node of document.querySelectorAll("[data-axis-name]")) node.textContent = AXIS[state.axis].name;
}

function drawLegend(p) {
  const glyphs = new Map(data.accelerators.map((a) => [a.vendor || "other", a.glyph]));
  const origins = unique(p.axes[state.axis].lines.map((l) => word(l.r)));
  const parts = [
    [...glyphs].map(([vendor, glyph]) => `${glyph} ${vendor}`).join("  "),
    "large marks on the frontier, faint ones dominated",
    ...origins.map((o) => (ORIGIN[o] || { text: o }).text),
    "dotted beyond an accelerator’s last point, which meets every slower limit too",
    "a line breaks where the engine, its software, the source or the basis of latency changes",
    ...(p.newer.length ? ["crosses: newer releases, not ranked"] : []),
  ];
  const derived = p.points.basis.some((b) => word(b) === "little");
  if (state.axis === "e2e" && derived) {
    const pc = (v) => (v * 100).toFixed(1);
    parts.push(
      data.little.n
        ? "bars at points whose E2E latency is derived by Little’s law, " +
            `which reads ${pc(data.little.p5)} to ${pc(data.little.p95)} % high ` +
            `(p5 to p95 of ${data.little.n.toLocaleString("en-US")} points that have both)`
        : "E2E latency partly derived by Little’s law, its error unknown here",
    );
  }
  byId("legend").textContent = `${parts.join("; ")}. Hover a mark for the whole point.`;
}
