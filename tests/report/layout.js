/* What is wrong in a figure as drawn, and in all states of a panel. */
window.faultsOf = (id) => {
  const { plot, place, canvas, node } = document.getElementById(id).drawn;
  if (plot.empty) {
    const why = node.querySelector(".empty").textContent.trim();
    const axes = getComputedStyle(canvas).display !== "none";
    return why === plot.empty && why.length > 10 && !axes ? [] : [`empty, says "${why}", axes shown: ${axes}`];
  }
  const svg = canvas.querySelector("svg");
  const frame = svg.getBoundingClientRect();
  const { rect } = place;
  const texts = [...svg.querySelectorAll("text")]
    .map((t) => {
      const box = t.getBoundingClientRect();
      const [left, right] = [box.left - frame.left, box.right - frame.left];
      const [top, bottom] = [box.top - frame.top, box.bottom - frame.top];
      return { text: t.textContent, left, right, top, bottom };
    })
    .filter((t) => t.text);
  const faults = [];
  if (/NaN|Infinity|undefined/.test(svg.outerHTML)) faults.push("NaN in the drawing");
  const inPlot = (t) =>
    t.right > rect.left + 1 && t.left < rect.right - 1 && t.bottom > rect.top + 1 && t.top < rect.bottom - 1;
  for (const t of texts) {
    if (t.left < -1 || t.top < -1 || t.right > frame.width + 1 || t.bottom > frame.height + 1)
      faults.push(`"${t.text}" leaves the chart`);
    if ([plot.x.title, plot.y.title].includes(t.text) && inPlot(t)) faults.push(`axis title "${t.text}" in the plot`);
  }
  for (const title of [plot.x.title, plot.y.title].filter(Boolean))
    if (!texts.some((t) => t.text === title)) faults.push(`no axis title "${title}"`);
  const around = texts.filter((t) => !inPlot(t));
  around.forEach((a, i) =>
    around.slice(i + 1).forEach((b) => {
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (wide > 0.5 && high > 3) faults.push(`"${a.text}" on "${b.text}"`);
    }),
  );
  const names = around.filter((t) => t.left > rect.right + 8).sort((a, b) => a.top - b.top);
  names.forEach((t, i) => {
    if (i && t.top - names[i - 1].top < 12) faults.push(`"${t.text}" too near "${names[i - 1].text}"`);
  });
  return faults;
};

/* [number of states, faults]; only the charts that a state changes are drawn. */
window.sweep = (panel, ids) => {
  const { state } = globalThis.paretoken["study/state.js"];
  const { refresh } = globalThis.paretoken["base/figure.js"];
  const { data } = globalThis.paretoken["study/study.js"];
  const { AXES } = globalThis.paretoken["study/axes.js"];
  const { model, precision, workload, scenario } = data.panels[panel];
  const faults = [];
  let states = 0;
  for (const axis of Object.keys(AXES))
    for (const scale of ["log", "linear"])
      for (const view of ["t", "o", "i"]) {
        Object.assign(state, { model, precision, workload, scenario, axis, scale, view });
        const own = view === "t" ? ids : ["chart-cost"];
        refresh(own);
        states += 1;
        const where = [model, precision, workload, scenario, axis, scale, view].join(" ");
        for (const id of own) faults.push(...faultsOf(id).map((fault) => `${where} ${id}: ${fault}`));
      }
  return [states, faults];
};
null;
