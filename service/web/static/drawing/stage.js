// The photograph with what the service says of it drawn on top: a heat map, the outline of the smoke, one region's box.

import { paint } from "./maps.js";
import { outline } from "./outline.js";

const SMOKE = "#ff5a1f";
const HALO = "rgb(0 0 0 / 55%)";

/** Draws into a canvas that covers a photograph. Set `maps`, `layer`, `opacity`, `threshold` and `box`, then `draw()`. */
export class Stage {
  maps = {};
  layer = "";
  opacity = 0.8;
  threshold = 0.5;
  box = null;
  #figure;
  #photo;
  #canvas;
  #painted = new Map();

  constructor(figure) {
    this.#figure = figure;
    this.#photo = figure.querySelector("img");
    this.#canvas = figure.querySelector("canvas");
    new ResizeObserver(() => this.draw()).observe(figure);
  }

  /** Show a photograph, of this width and height in pixels once they are known. */
  show(url, size) {
    this.#figure.hidden = false;
    if (this.#photo.src !== url) this.#photo.src = url;
    const { width, height } = size ?? { width: 4, height: 3 };
    this.#figure.style.setProperty("--ratio", String(width / height));
    this.size = size;
  }

  /** Take another frame's maps. */
  take(maps) {
    this.maps = maps;
    this.#painted.clear();
    this.box = null;
    this.draw();
  }

  draw() {
    const density = window.devicePixelRatio || 1;
    const { width, height } = this.#figure.getBoundingClientRect();
    this.#canvas.width = Math.round(width * density);
    this.#canvas.height = Math.round(height * density);
    const context = this.#canvas.getContext("2d");
    if (this.maps[this.layer]) this.#drawHeat(context);
    if (this.maps.probability) this.#drawOutline(context, density);
    if (this.box && this.size) this.#drawBox(context, density);
  }

  #drawHeat(context) {
    if (!this.#painted.has(this.layer)) this.#painted.set(this.layer, paint(this.maps[this.layer]));
    context.globalAlpha = this.opacity;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.#painted.get(this.layer), 0, 0, this.#canvas.width, this.#canvas.height);
    context.globalAlpha = 1;
  }

  #drawOutline(context, density) {
    const map = this.maps.probability;
    const path = outline(map, this.threshold, this.#canvas.width / map.width, this.#canvas.height / map.height);
    stroke(context, path, density);
  }

  #drawBox(context, density) {
    const [scaleX, scaleY] = [this.#canvas.width / this.size.width, this.#canvas.height / this.size.height];
    const { x, y, width, height } = this.box;
    const path = new Path2D();
    const margin = 6 * density;
    path.rect(x * scaleX - margin, y * scaleY - margin, width * scaleX + 2 * margin, height * scaleY + 2 * margin);
    context.setLineDash([6 * density, 4 * density]);
    stroke(context, path, density, "#ffffff");
    context.setLineDash([]);
  }
}

function stroke(context, path, density, colour = SMOKE) {
  context.lineCap = "round";
  for (const [style, width] of [[HALO, 4.5], [colour, 2.25]]) {
    context.strokeStyle = style;
    context.lineWidth = width * density;
    context.stroke(path);
  }
}
