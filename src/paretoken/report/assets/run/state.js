/* The data, what is selected, and the link that keeps the selection. */
const data = JSON.parse(byId("data").textContent);
const CHOICES = { axis: ["e2e", "inter"], side: ["out", "total"], scale: ["linear", "log"], tail: ["within", "beyond"] };
const state = { axis: "e2e", side: "out", scale: "linear", tail: "within", run: 0, level: data.runs[0].best };
const START = { ...state };

const run = () => data.runs[state.run];
const level = () => run().levels[state.level];
const tint = (r, dark) => r[dark ? "dark" : "light"];
const kind = (l) => (l.failed ? "failed" : l.limited ? "client-limited" : l.steady ? "steady" : "not steady");

/* Puts what exists where the selection names what does not. */
function settle() {
  for (const key of Object.keys(CHOICES)) if (!CHOICES[key].includes(state[key])) state[key] = START[key];
  if (!data.runs[state.run]) state.run = 0;
  if (!run().levels[state.level]) state.level = run().best;
}

function readLink() {
  const text = location.hash.slice(1);
  if (!text.includes("=")) return false;
  const given = new URLSearchParams(text);
  for (const key of Object.keys(START)) {
    const value = given.get(key);
    state[key] = value === null ? START[key] : key in CHOICES ? value : Number(value);
  }
  settle();
  return true;
}

function writeLink() {
  const given = new URLSearchParams();
  for (const key of Object.keys(START)) if (state[key] !== START[key]) given.set(key, state[key]);
  const text = given.toString();
  history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
}

/* The size of a plot's box: on paper it is the paper's, whatever the window is. */
function box(id, paperHeight, paperWidth = PRINT.width) {
  const paper = printing || printMedia.matches;
  const node = byId(id);
  return paper ? { paper, width: paperWidth, height: paperHeight } : { paper, width: node.clientWidth, height: node.clientHeight };
}
const sized = (b) => (b.paper ? { width: b.width, height: b.height } : {});

/* An axis with ticks on it even where the data span next to nothing. */
function axis(title, log, range, ink) {
  const made = axisLayout(title, log, range, ink);
  if (!log || made.tickvals.length > 1) return made;
  const [low, high] = range.map((v) => 10 ** v);
  const values = [0.1, 0.37, 0.63, 0.9].map((share) => Number((low + (high - low) * share).toPrecision(3)));
  return { ...made, tickvals: unique(values), ticktext: unique(values).map((v) => short(v)) };
}
