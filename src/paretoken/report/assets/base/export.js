/* A figure as a file: its table as CSV, its chart as a picture with title, subtitle and source. */
import { el } from "./dom.js";
import { inks } from "./theme.js";

/* A cell of text that a spreadsheet would run as a formula is quoted. */
const cellOf = (value) => {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

export function csvOf(plot) {
  const { heads, rows } = plot.table || { heads: [], rows: [] };
  const about = [plot.title, plot.subtitle, plot.source]
    .filter(Boolean)
    .map((text) => `# ${text.replaceAll("\n", " ")}`);
  return (
    [...about.map((t) => cellOf(t)), ...[heads, ...rows].map((row) => row.map(cellOf).join(","))].join("\r\n") + "\r\n"
  );
}

export function save(name, type, content) {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const link = el("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

function wrapped(pen, text, width) {
  const lines = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line && pen.measureText(`${line} ${word}`).width > width) {
      lines.push(line);
      line = word;
    } else line = line ? `${line} ${word}` : word;
  }
  return [...lines, line];
}

/* A PNG of twice the size on the screen. */
export async function pictureOf(own) {
  const { plot, canvas: figure, place } = own;
  const ink = inks();
  const [edge, width] = [16, place.width];
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d");
  const texts = [
    ["600 17px system-ui, sans-serif", 23, ink.ink, plot.title],
    ["13px system-ui, sans-serif", 18, ink.muted, plot.subtitle],
  ];
  const small = (text) => ["12px system-ui, sans-serif", 16, ink.muted, text];
  const key = plot.key?.map(([text]) => text).join("; ");
  const laidOut = (list) =>
    list
      .filter(([, , , text]) => text)
      .flatMap(([font, step, color, text]) => {
        pen.font = font;
        return wrapped(pen, text, width).map((line) => ({ font, step, color, line }));
      });
  const [head, foot] = [laidOut(texts), laidOut([small(key), small(plot.source)])];
  const tall = (list) => list.reduce((sum, { step }) => sum + step, 0);
  const picture = new Image();
  /* The drawing itself is written out: ECharts' own SVG text leaves quotes in attributes as they are. */
  const drawing = new XMLSerializer().serializeToString(figure.querySelector(".host svg"));
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(drawing)}`;
  await picture.decode();
  canvas.width = 2 * (width + 2 * edge);
  canvas.height = 2 * (tall(head) + place.height + tall(foot) + 3 * edge);
  pen.scale(2, 2);
  pen.fillStyle = ink.ground;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  let y = edge;
  const write = ({ font, step, color, line }) => {
    pen.font = font;
    pen.fillStyle = color;
    y += step;
    pen.fillText(line, edge, y - step * 0.25);
  };
  head.forEach(write);
  pen.drawImage(picture, edge, y + edge / 2, width, place.height);
  y += place.height + edge;
  foot.forEach(write);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
