/* The page of a question: asks it, shows the answer, and keeps the question in the address, which shares the view. */
import { byId } from "../report/base/dom.js";
import { save } from "../report/base/export.js";
import { keepLink, linkParameters } from "../report/base/link.js";
import { wireTheme } from "../report/base/theme.js";
import { copied, redraw, showView, wireView } from "../report/asked/view.js";
import { fillForm, hasField, question, showProblem, watchForm } from "./form.js";

const form = byId("question");
const { verb } = form.dataset;
const example = JSON.parse(form.dataset.example);
/* Answers that come sooner are asked for again with every change. */
const PROMPT_MS = 2500;
/* What another question takes over from this one. */
const CARRIED = ["model", "precision", "workload", "isl", "osl", "e2e_s", "interactivity", "accelerator", "engine"];
let running = null;
let lastMs = 0;

const parse = (text) => {
  try {
    const value = JSON.parse(text);
    return value && typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
};

/* The question in the address, else the example with what another question carried over. */
function linked() {
  const link = linkParameters();
  const stated = link?.has("question") ? parse(link.get("question")) : null;
  if (stated) return stated;
  const carried = parse(link?.get("carry") || "{}") || {};
  const kept = Object.entries(carried).filter(([name]) => CARRIED.includes(name) && hasField(name));
  const names = kept.map(([name]) => name);
  const dropped = new Set();
  if (names.includes("e2e_s") || names.includes("interactivity")) ["e2e_s", "interactivity"].forEach((n) => dropped.add(n));
  if (names.includes("isl")) dropped.add("workload");
  const first = Object.entries(example).filter(([name]) => !dropped.has(name));
  return { ...Object.fromEntries(first), ...Object.fromEntries(kept) };
}

function keep(stated) {
  keepLink(new URLSearchParams({ question: JSON.stringify(stated) }));
  const carried = Object.fromEntries(Object.entries(stated).filter(([name]) => CARRIED.includes(name)));
  const hash = new URLSearchParams({ carry: JSON.stringify(carried) });
  for (const link of document.querySelectorAll(".questions a")) link.hash = Object.keys(carried).length ? hash : "";
}

const post = (path, stated, signal) =>
  fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(stated),
    signal,
  });

async function problemOf(response) {
  try {
    return await response.json();
  } catch {
    return { detail: `the server answered ${response.status}; ask again` };
  }
}

/* Asks what the form says; `explicit` is a press of Ask, which moves the focus to what is wrong. */
async function ask(explicit = false) {
  running?.abort();
  const own = (running = new AbortController());
  const stated = question();
  const begun = performance.now();
  const state = byId("state");
  state.textContent = "Asking …";
  byId("answer").classList.add("stale");
  let problem = null;
  try {
    const response = await post(`/ask/${verb}`, stated, own.signal);
    if (response.ok) {
      const next = await response.json();
      if (running !== own) return;
      keep(stated);
      byId("answer").hidden = false;
      byId("waiting").hidden = true;
      showView(next);
    } else problem = await problemOf(response);
  } catch (error) {
    if (own.signal.aborted) return;
    problem = { detail: `the server cannot be reached: ${error.message}` };
  }
  if (running !== own) return;
  lastMs = performance.now() - begun;
  state.textContent = problem ? "" : `Answered in ${(lastMs / 1000).toFixed(lastMs < 1000 ? 2 : 1)} s`;
  byId("answer").classList.toggle("stale", Boolean(problem));
  if (problem) byId("waiting").textContent = "No answer: correct the question, then ask again.";
  showProblem(problem, explicit);
  performance.mark("paretoken-drawn");
}

async function saveFile(button) {
  button.disabled = true;
  const response = await post(`/ask/${verb}/file`, question());
  if (response.ok) save(`paretoken-${verb}.html`, "text/html", await response.blob());
  else showProblem(await problemOf(response), true);
  button.disabled = false;
}

function start() {
  fillForm(linked());
  if (form.dataset.asks === "yes" || linkParameters()?.has("question")) ask();
  else performance.mark("paretoken-drawn");
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask(true);
});
byId("reset").addEventListener("click", () => {
  fillForm(example);
  ask();
});
byId("save-file").addEventListener("click", (event) => saveFile(event.target));
byId("copy-link").addEventListener("click", (event) => copied(event.target, location.href));
watchForm(() => {
  if (lastMs < PROMPT_MS) ask();
  else byId("state").textContent = "Changed: press Ask";
});
addEventListener("hashchange", start);
wireView();
wireTheme(redraw);
start();
