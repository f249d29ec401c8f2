// The pictures that were dropped, pasted, chosen or filmed: asked about one after another, the newest forty kept.

import { ask } from "../api.js";
import { decode } from "../drawing/maps.js";

const MOST = 40;
const OUTPUTS = ["probability", "total", "aleatoric", "epistemic"];

/** One picture: its file, an address to show it by, and what the service said of it (`reply` and `maps`, or `refusal`). */
export class Shot {
  reply = null;
  maps = {};
  refusal = null;
  threshold = null;

  constructor(file, name, { live = false } = {}) {
    this.file = file;
    this.name = name;
    this.live = live;
    this.url = URL.createObjectURL(file);
  }

  /** Ask the service, at a threshold or at its own. */
  async segment(threshold) {
    const chosen = threshold === null ? "" : `&threshold=${threshold}`;
    this.refusal = null;
    this.threshold = threshold;
    try {
      const headers = { "Content-Type": this.file.type || "application/octet-stream" };
      const answer = await ask(`segment?outputs=${OUTPUTS}${chosen}`, { method: "POST", headers, body: this.file });
      const reply = await answer.json();
      const decoded = await Promise.all(OUTPUTS.map((name) => decode(reply.maps[name])));
      this.maps = Object.fromEntries(OUTPUTS.map((name, index) => [name, decoded[index]]));
      this.reply = withoutData(reply);
    } catch (error) {
      [this.reply, this.maps, this.refusal] = [null, {}, error];
    }
  }

  forget() {
    URL.revokeObjectURL(this.url);
  }
}

/** The reply as people read it: how long the maps are instead of what is in them. */
function withoutData(reply) {
  const maps = Object.entries(reply.maps).map(([name, map]) => [name, { ...map, data: `${map.data.length} letters of base64` }]);
  return { ...reply, maps: Object.fromEntries(maps) };
}

/** The pictures in order; the oldest make room, and a still of the webcam for the next one. */
export class Shots {
  #shots = [];

  get all() {
    return this.#shots;
  }

  add(shot) {
    if (shot.live && this.#shots.at(-1)?.live) this.#shots.pop().forget();
    this.#shots.push(shot);
    while (this.#shots.length > MOST) this.#shots.shift().forget();
  }
}
