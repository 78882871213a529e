/* The part of the address that keeps a selection. */

/* Its parameters; null where the address names a place on the page, or nothing. */
export function linkParameters() {
  const text = location.hash.slice(1);
  return text.includes("=") ? new URLSearchParams(text) : null;
}

/* Keeps these parameters in the address without a step in the history; none leave it bare. */
export function keepLink(parameters) {
  const text = parameters.toString();
  history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
}
