/* The type of charts, and how wide a text is in it. */
export const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif';
export const SIZE = { tick: 11, title: 12, label: 11 };

let pen = null;
export function textWidth(text, size = SIZE.tick) {
  if (typeof document === "undefined") return text.length * size * 0.56;
  pen ||= document.createElement("canvas").getContext("2d");
  pen.font = `${size}px ${FONT}`;
  return pen.measureText(text).width;
}
