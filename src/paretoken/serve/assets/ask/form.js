/* The form of a question: its inputs as JSON, and back. `data-kind` says how the text of an input is read. What cannot
   be read is sent as it was typed: the server says what is wrong with it, in the same sentence as the command line. */
import { byId } from "../report/base/dom.js";

const OTHER = "…";
const form = byId("question");
const inputs = [...form.querySelectorAll("[data-name]")];

const asNumber = (text) => (text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text);
const asList = (text) =>
  text
    .split(/[,\n]/)
    .map((part) => part.trim())
    .filter(Boolean);
const asPairs = (text) =>
  Object.fromEntries(
    asList(text).map((part) => {
      const [name, ...rest] = part.split("=");
      return [name.trim(), asNumber(rest.join("=").trim())];
    }),
  );
function asJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
const READ = {
  number: asNumber,
  integer: asNumber,
  list: asList,
  numbers: (text) => asList(text).map(asNumber),
  pairs: asPairs,
  json: asJson,
  loose: (text) => (/^\s*[[{]/.test(text) ? asJson(text) : asNumber(text)),
};

const otherOf = (input) => byId(`${input.id}-other`);
const boxesOf = (input) => [...input.querySelectorAll("input")];

/* What an input says; undefined where it is left at its default. */
function valueOf(input) {
  const { kind } = input.dataset;
  if (kind === "flag") return String(input.checked) === input.dataset.default ? undefined : input.checked;
  if (input.tagName === "FIELDSET") {
    const chosen = boxesOf(input).filter((box) => box.checked);
    return chosen.length ? chosen.map((box) => box.value) : undefined;
  }
  const text = input.value === OTHER ? otherOf(input).value : input.value;
  if (text.trim() === "" || text === input.dataset.default) return undefined;
  return READ[kind] ? READ[kind](text) : text.trim();
}

/* The question: only what differs from its defaults. */
export function question() {
  const stated = {};
  for (const input of inputs) {
    const value = valueOf(input);
    if (value === undefined) continue;
    const [outer, inner] = input.dataset.name.split(".");
    if (inner) (stated[outer] ||= {})[inner] = value;
    else stated[outer] = value;
  }
  return stated;
}

const textOf = (value, kind) => {
  if (kind === "pairs" && typeof value === "object")
    return Object.entries(value)
      .map(([name, number]) => `${name}=${number}`)
      .join("\n");
  if (Array.isArray(value) && value.every((item) => typeof item !== "object")) return value.join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
};

function put(input, value) {
  const isSet = value !== undefined && value !== null;
  if (input.dataset.kind === "flag") input.checked = isSet ? value === true : input.dataset.default === "true";
  else if (input.tagName === "FIELDSET") {
    const values = isSet ? [value].flat().map(String) : [];
    for (const box of boxesOf(input)) box.checked = values.includes(box.value);
  } else if (input.tagName === "SELECT") putChoice(input, isSet ? String(value) : input.dataset.default);
  else input.value = isSet ? textOf(value, input.dataset.kind) : "";
}

function putChoice(input, text) {
  const listed = [...input.options].some((option) => option.value === text);
  input.value = listed ? text : otherOf(input) ? OTHER : "";
  if (otherOf(input)) {
    otherOf(input).value = listed ? "" : text;
    otherOf(input).hidden = listed;
  }
}

/* Puts a question into the form; fields that it does not have get their defaults. */
export function fillForm(stated) {
  for (const input of inputs) {
    const [outer, inner] = input.dataset.name.split(".");
    put(input, inner ? stated[outer]?.[inner] : stated[outer]);
  }
  const folded = byId("more");
  if (folded) folded.open ||= inputs.some((input) => folded.contains(input) && valueOf(input) !== undefined);
}

export const hasField = (name) => inputs.some((input) => input.dataset.name === name);

/* Shows a problem at the field that it names, else below the form; null clears it. `go` moves the focus there. */
export function showProblem(problem, go) {
  for (const node of form.querySelectorAll('[aria-invalid="true"]')) node.removeAttribute("aria-invalid");
  for (const node of form.querySelectorAll(".error")) node.hidden = true;
  const below = byId("problem");
  below.hidden = true;
  if (!problem) return;
  const input = inputs.find((node) => node.dataset.name === problem.field);
  const place = input ? byId(`${input.id}-error`) : below;
  place.textContent = problem.detail;
  place.hidden = false;
  if (!input) {
    place.scrollIntoView({ block: "nearest" });
    return;
  }
  input.setAttribute("aria-invalid", "true");
  for (let node = input.closest("details"); node; node = node.parentElement.closest("details")) node.open = true;
  if (go) input.focus();
}

/* Calls `changed` when a value was changed; "Other …" shows its own input first. */
export function watchForm(changed) {
  form.addEventListener("change", (event) => {
    const other = event.target.tagName === "SELECT" ? otherOf(event.target) : null;
    if (other) other.hidden = event.target.value !== OTHER;
    if (other && !other.hidden) other.focus();
    else changed();
  });
}
