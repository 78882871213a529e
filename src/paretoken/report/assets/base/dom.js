/* Nodes of the page. They are built, never parsed, so no text can become markup. */
export const byId = (id) => document.getElementById(id);
export const unique = (values) => [...new Set(values)];
export const clip = (text, n) => (text.length > n ? `${text.slice(0, n - 1)}…` : text);

export function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {}))
    if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value);
  node.append(...children.filter((c) => c !== null && c !== undefined));
  return node;
}

/* A select's options, [[value, text], …]; left alone where they are the same, so that an open list stays open. */
export function fill(id, options, value) {
  const node = byId(id);
  const wanted = JSON.stringify(options);
  if (node.dataset.options !== wanted) {
    node.replaceChildren(...options.map(([key, text]) => el("option", { value: key }, text)));
    node.dataset.options = wanted;
  }
  node.value = value;
}

/* The table in a region that scrolls; columns whose first row has class "text" are not numbers. */
export function table(label, heads, rows, className) {
  const kind = (i) =>
    rows[0] && (i === 0 || rows[0].children[i].classList.contains("text"))
      ? { scope: "col", class: "text" }
      : { scope: "col" };
  return el(
    "div",
    { class: "scroll", role: "region", "aria-label": label, tabindex: "0" },
    el(
      "table",
      { class: className || "figures" },
      el("thead", null, el("tr", null, ...heads.map((h, i) => el("th", kind(i), h)))),
      el("tbody", null, ...rows),
    ),
  );
}
