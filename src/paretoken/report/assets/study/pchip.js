/* Monotone piecewise cubics, the twin of frontier/pchip.py. */
export function pchip(x, y) {
  if (x.length === 1) return () => y[0];
  const h = x.slice(1).map((v, i) => v - x[i]);
  const secant = h.map((width, i) => (y[i + 1] - y[i]) / width);
  const slope = slopes(h, secant);
  return (v) => {
    let i = 0;
    while (i < h.length - 1 && v >= x[i + 1]) i++;
    const s = v - x[i];
    const t = (slope[i] + slope[i + 1] - 2 * secant[i]) / h[i];
    return y[i] + s * (slope[i] + s * ((secant[i] - slope[i]) / h[i] - t + (t / h[i]) * s));
  };
}

function slopes(h, secant) {
  if (h.length === 1) return [secant[0], secant[0]];
  const last = h.length - 1;
  const inner = h.slice(1).map((_, i) => innerSlope(h[i], h[i + 1], secant[i], secant[i + 1]));
  return [
    endSlope(h[0], h[1], secant[0], secant[1]),
    ...inner,
    endSlope(h[last], h[last - 1], secant[last], secant[last - 1]),
  ];
}

function innerSlope(h0, h1, m0, m1) {
  if (m0 === 0 || m1 === 0 || m0 > 0 !== m1 > 0) return 0;
  const [w1, w2] = [2 * h1 + h0, h1 + 2 * h0];
  return 1 / ((w1 / m0 + w2 / m1) / (w1 + w2));
}

function endSlope(h0, h1, m0, m1) {
  const slope = ((2 * h0 + h1) * m0 - h0 * m1) / (h0 + h1);
  if (Math.sign(slope) !== Math.sign(m0)) return 0;
  return Math.sign(m0) !== Math.sign(m1) && Math.abs(slope) > 3 * Math.abs(m0) ? 3 * m0 : slope;
}
