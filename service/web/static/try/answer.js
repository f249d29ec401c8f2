// The numbers of an answer beside the picture: places with smoke, where the time went, the JSON itself.

import { milliseconds, percent, quantity } from "../words.js";

const part = (id) => document.getElementById(id);
const STAGES = {
  read: "receiving it",
  decode: "opening the picture",
  queue: "waiting for the model",
  inference: "the model",
  encode: "making the maps",
};
let savedUrl = null;

/** Show an answer; `point` is told the box of the place that is pointed at, or null. */
export function showAnswer(reply, point) {
  showRegions(reply, point);
  showTimes(reply.latency_ms);
  showJson(reply);
}

function showRegions(reply, point) {
  const whole = reply.frame.width * reply.frame.height;
  part("no-regions").hidden = reply.regions.length > 0;
  part("regions").replaceChildren(...reply.regions.map((region, index) => describe(region, index + 1, whole, point)));
}

function describe(region, number, whole, point) {
  const item = part("region").content.cloneNode(true);
  const button = item.querySelector("button");
  item.querySelector(".place").textContent = `${number}. ${percent(region.area_px / whole)} of the picture`;
  item.querySelector(".probability").textContent = percent(region.mean_probability);
  for (const kind of ["total", "aleatoric", "epistemic"]) item.querySelector(`.${kind}`).textContent = quantity(region[kind], "nat");
  item.querySelector(".doubted").hidden = !region.doubted;
  for (const name of ["mouseenter", "focus"]) button.addEventListener(name, () => point(region.bbox));
  for (const name of ["mouseleave", "blur"]) button.addEventListener(name, () => point(null));
  return item;
}

function showTimes(latency) {
  const names = Object.keys(STAGES);
  const bars = names.map((name) => {
    const bar = document.createElement("span");
    bar.className = `stage-${name}`;
    bar.style.flexGrow = String(Math.max(latency[name], 0));
    return bar;
  });
  const lines = names.map((name) => listed(`stage-${name}`, STAGES[name], milliseconds(latency[name])));
  part("times").replaceChildren(...bars);
  part("times").setAttribute("aria-label", `${milliseconds(latency.total)} in all`);
  part("times-list").replaceChildren(...lines, listed("", "in all", milliseconds(latency.total)));
}

function listed(swatch, name, value) {
  const line = document.createElement("li");
  for (const [style, text] of [[`swatch ${swatch}`, ""], ["", name], ["number", value]]) {
    const cell = document.createElement("span");
    cell.className = style;
    cell.textContent = text;
    line.append(cell);
  }
  return line;
}

function showJson(reply) {
  const text = JSON.stringify(reply, null, 2);
  part("json").textContent = text;
  part("copy").onclick = () => navigator.clipboard.writeText(text);
  if (savedUrl) URL.revokeObjectURL(savedUrl);
  savedUrl = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  part("download").href = savedUrl;
}
