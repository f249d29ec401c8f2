// A small line of how a number went, oldest to newest.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 160;
const HEIGHT = 32;
const MARGIN = 2;

/** Draw numbers from 0 up into an <svg>; the top stands for the largest of them, and for `least` at least. */
export function drawSparkline(svg, numbers, least, label) {
  const top = Math.max(least, ...numbers);
  const step = (WIDTH - 2 * MARGIN) / Math.max(1, numbers.length - 1);
  const points = numbers.map((number, index) => [MARGIN + index * step, HEIGHT - MARGIN - (number / top) * (HEIGHT - 2 * MARGIN)]);
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-label", label);
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("points", points.map((point) => point.join(",")).join(" "));
  svg.replaceChildren(line);
}
