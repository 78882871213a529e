/* What the server put into the page for its code. */
export const pageData = () => JSON.parse(document.getElementById("data").textContent);

/* An address with its parameters. */
export const address = (path, params) => `${path}?${new URLSearchParams(params)}`;
