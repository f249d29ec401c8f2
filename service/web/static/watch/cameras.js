// «Cameras»: one card each, brought up to date by events.

import { ask } from "../api.js";
import { drawSparkline } from "../drawing/sparkline.js";
import { percent } from "../words.js";
import { forgetPicture, showPicture } from "./pictures.js";
import { ago, inWords, STATES, when } from "./states.js";

const part = (id) => document.getElementById(id);
// As many frames as the service remembers of a camera.
const FRAMES_MAX = 50;
// The least that the top of a line stands for, so that nothing looks large that is not.
const AREA_LEAST = 0.002;
const NOVELTY_LEAST = 2;

const cameras = new Map();

/** The service says anew how all cameras stand. */
export function begin({ cameras: count }) {
  for (const id of [...cameras.keys()]) forget({ camera_id: id });
  part("no-cameras").hidden = count > 0;
}

/** What a frame changed of a camera. Returns whether there may be a new picture of an alarm. */
export function take(told) {
  const known = cameras.get(told.camera_id) ?? add(told.camera_id);
  const alarmed = Boolean(known.told?.alarm.id);
  const newest = known.findings.at(-1)?.arrived_at ?? "";
  const fresh = told.findings.filter((found) => found.arrived_at > newest);
  known.findings = [...known.findings, ...fresh].slice(-FRAMES_MAX);
  known.told = told;
  part("no-cameras").hidden = true;
  show(known);
  arrange();
  return alarmed || told.alarm.id !== null;
}

export function forget({ camera_id: id }) {
  const known = cameras.get(id);
  if (!known) return;
  forgetPicture(known.card.querySelector("img"));
  known.card.remove();
  cameras.delete(id);
  part("no-cameras").hidden = cameras.size > 0;
}

/** Say anew how long ago each was seen. */
export function tick() {
  for (const known of cameras.values()) showSeen(known);
}

/** Show of each camera the latest picture of its latest alarm. */
export function showAlarms(alarms) {
  for (const [id, known] of cameras) {
    const alarm = alarms.find((one) => one.camera_id === id);
    if (alarm) showAlarm(known, alarm);
  }
}

async function showAlarm({ card }, alarm) {
  const kept = alarm.frames.latest;
  card.querySelector(".latest").hidden = false;
  card.querySelector("figcaption").textContent = `Latest alarm: ${when(alarm.started_at)}`;
  if (!kept) return;
  const image = card.querySelector("img");
  image.alt = `Camera ${alarm.camera_id} at its latest alarm, the smoke outlined`;
  // The same path shows another frame while the alarm goes on.
  await showPicture(image, kept.overlay, kept.request_id).catch(() => (image.hidden = true));
}

function add(id) {
  const card = part("camera").content.firstElementChild.cloneNode(true);
  card.querySelector("h3").textContent = id;
  const known = { card, findings: [], told: null };
  cameras.set(id, known);
  return known;
}

function show(known) {
  const { card, told, findings } = known;
  const { words } = STATES[told.alarm.state] ?? { words: told.alarm.state };
  card.dataset.state = told.alarm.state;
  card.querySelector(".state").textContent = words + (told.alarm.restored ? " (as of before a restart)" : "");
  const area = findings.map((found) => found.area_fraction);
  const novelty = findings.map((found) => found.novelty ?? 0);
  showLine(card.querySelector(".area"), area, AREA_LEAST, percent);
  card.querySelector(".novelty").hidden = !findings.some((found) => found.novelty !== null);
  showLine(card.querySelector(".novelty"), novelty, NOVELTY_LEAST, (value) => value.toFixed(1));
  card.querySelector(".flags").replaceChildren(...told.flags.map(listed));
  showSeen(known);
}

function showLine(place, numbers, least, write) {
  const latest = write(numbers.at(-1) ?? 0);
  place.querySelector(".latest-value").textContent = latest;
  drawSparkline(place.querySelector("svg"), numbers, least, `Last ${numbers.length} pictures, now ${latest}, at most ${write(Math.max(0, ...numbers))}`);
}

function listed(flag) {
  const item = document.createElement("li");
  item.textContent = `It ${inWords(flag)}`;
  return item;
}

function showSeen({ card, told }) {
  card.querySelector(".seen").textContent = told.last_frame_at ? `Last picture ${ago(told.last_frame_at)}` : "No picture yet";
}

/** The most urgent first, then by name; the cards move only where the order is another one. */
function arrange() {
  const urgency = ({ told }) => STATES[told.alarm.state]?.urgency ?? 0;
  const sorted = [...cameras.entries()].sort(([a, one], [b, other]) => urgency(other) - urgency(one) || a.localeCompare(b));
  const cards = sorted.map(([, known]) => known.card);
  const list = part("camera-list");
  if (cards.some((card, index) => list.children[index] !== card)) list.replaceChildren(...cards);
}

/** The alarms that pictures are taken from. */
export async function fetchAlarms() {
  return (await (await ask("alarms?limit=100")).json()).alarms;
}
