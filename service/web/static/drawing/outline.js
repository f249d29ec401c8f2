// The outline of the smoke: marching squares over the probability, each crossing placed by linear interpolation.

/**
 * Where a map crosses a level, as a path in units of the drawing; what lies beyond the border counts as below.
 *
 * @param map as `decode` gives it
 * @param level in the map's unit
 * @param scaleX, scaleY units of the drawing per pixel of the map
 */
export function outline(map, level, scaleX, scaleY) {
  const { width, height, bytes, minimum, maximum } = map;
  const limit = ((level - minimum) / (maximum - minimum)) * 255;
  const at = (x, y) => (x < 0 || y < 0 || x >= width || y >= height ? 0 : bytes[y * width + x]);
  const path = new Path2D();
  for (let y = -1; y < height; y += 1) {
    for (let x = -1; x < width; x += 1) {
      const [a, b, c, d] = [at(x, y), at(x + 1, y), at(x + 1, y + 1), at(x, y + 1)];
      if (Math.max(a, b, c, d) < limit || Math.min(a, b, c, d) >= limit) continue;
      for (const [from, to] of segments([a, b, c, d], limit)) {
        path.moveTo((x + 0.5 + from[0]) * scaleX, (y + 0.5 + from[1]) * scaleY);
        path.lineTo((x + 0.5 + to[0]) * scaleX, (y + 0.5 + to[1]) * scaleY);
      }
    }
  }
  return path;
}

// The sides of a square from corner to corner, clockwise from the upper left.
const CORNERS = [[0, 0], [1, 0], [1, 1], [0, 1]];

function segments(corners, limit) {
  const inside = corners.map((value) => value >= limit);
  const crossings = [];
  for (let side = 0; side < 4; side += 1) {
    const next = (side + 1) % 4;
    if (inside[side] !== inside[next]) crossings.push(crossing(side, next, corners, limit));
  }
  return crossings.length === 2 ? [crossings] : [crossings.slice(0, 2), crossings.slice(2)];
}

function crossing(from, to, corners, limit) {
  const share = (limit - corners[from]) / (corners[to] - corners[from]);
  return CORNERS[from].map((start, axis) => start + share * (CORNERS[to][axis] - start));
}

/** The share of a map's pixels at or above a level. */
export function areaFraction({ bytes, minimum, maximum }, level) {
  const limit = ((level - minimum) / (maximum - minimum)) * 255;
  return bytes.reduce((count, value) => count + (value >= limit), 0) / bytes.length;
}
