// «Alarms»: the newest first, each with its picture, and what people say of it.

import { ask } from "../api.js";
import { percent } from "../words.js";
import { forgetPicture, showPicture } from "./pictures.js";
import { ago, when } from "./states.js";

const part = (id) => document.getElementById(id);
const PAGE = 20;
// By id: {card, told}. Cards stay, so that whoever is about to press a button does not lose it.
const alarms = new Map();
let shown = PAGE;

/** Connect the controls of the list. */
export function startAlarms() {
  part("outlines").addEventListener("change", () => alarms.forEach(showKept));
  part("older").addEventListener("click", () => {
    shown += PAGE;
    refresh();
  });
}

/** Take the list from the service. */
export async function refresh() {
  try {
    const pages = await fetchPages();
    show(pages.flatMap((page) => page.alarms));
    part("older").hidden = pages.at(-1).next === null;
    part("no-pictures").hidden = pages[0].keeps_pictures;
    part("alarms-trouble").hidden = true;
  } catch (refusal) {
    say(part("alarms-trouble"), refusal);
  }
}

async function fetchPages() {
  const pages = [];
  for (let next = ""; next !== null && pages.length * PAGE < shown; next = pages.at(-1).next) {
    pages.push(await (await ask(`alarms?limit=${PAGE}${next && `&before=${next}`}`)).json());
  }
  return pages;
}

function show(list) {
  const gone = [...alarms.keys()].filter((id) => !list.some((alarm) => alarm.id === id));
  for (const id of gone) {
    forgetPicture(alarms.get(id).card.querySelector("img"));
    alarms.delete(id);
  }
  const cards = list.map((alarm) => bringUpToDate(alarm));
  part("no-alarms").hidden = list.length > 0;
  const place = part("alarm-list");
  if (cards.length !== place.children.length || cards.some((card, index) => place.children[index] !== card)) place.replaceChildren(...cards);
}

function bringUpToDate(told) {
  const known = alarms.get(told.id) ?? add(told);
  known.told = told;
  const { card } = known;
  card.dataset.state = told.state;
  card.querySelector("h3").textContent = told.view ? `${told.camera_id}, ${told.view}` : told.camera_id;
  card.querySelector(".when").textContent = `${when(told.started_at)}, ${ago(told.started_at)}`;
  card.querySelector(".ended").textContent = told.cleared_at ? `Over since ${when(told.cleared_at)}` : "Still going on";
  card.querySelector(".strength").textContent = `At most ${percent(told.area_fraction)} of the picture is smoke`;
  showTaken(card, told);
  showVerdict(card, told.feedback?.verdict);
  showKept(known);
  return card;
}

function add(told) {
  const card = part("alarm").content.firstElementChild.cloneNode(true);
  const known = { card, told };
  for (const button of card.querySelectorAll("[data-verdict]")) button.addEventListener("click", () => judge(known, button.dataset.verdict));
  card.querySelector(".take").addEventListener("click", () => takeOn(known));
  alarms.set(told.id, known);
  return known;
}

async function showKept({ card, told }) {
  const kept = told.frames.strongest ?? told.frames.latest;
  card.querySelector(".no-picture").hidden = Boolean(kept);
  card.querySelector(".no-picture").textContent = told.cleared_at ? "No picture was kept." : "No picture yet.";
  if (!kept) return;
  const outlined = part("outlines").checked;
  const image = card.querySelector("img");
  image.alt = `Camera ${told.camera_id} at the alarm${outlined ? ", the smoke outlined" : ""}`;
  await showPicture(image, outlined ? kept.overlay : kept.frame, kept.request_id).catch((refusal) => tell(card, refusal));
}

// It is told of the camera, and holds for the alarms of all its views; who presses it again changes nothing.
async function takeOn({ card, told }) {
  try {
    await ask(`cameras/${encodeURIComponent(told.camera_id)}/acknowledge`, { method: "POST" });
    card.querySelector(".trouble").hidden = true;
    await refresh();
  } catch (refusal) {
    tell(card, refusal);
  }
}

function showTaken(card, told) {
  const button = card.querySelector(".take");
  button.hidden = told.state !== "active";
  button.setAttribute("aria-pressed", String(Boolean(told.acknowledged)));
  const words = told.acknowledged ? `Taken on by ${told.acknowledged.by}, ${when(told.acknowledged.at)}` : "";
  const place = card.querySelector(".taken");
  if (place.textContent !== words) place.textContent = words;
}

async function judge({ card, told }, verdict) {
  const body = JSON.stringify({ verdict, alarm_id: told.id });
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body };
  try {
    await ask(`cameras/${encodeURIComponent(told.camera_id)}/feedback`, options);
    showVerdict(card, verdict);
    card.querySelector(".trouble").hidden = true;
  } catch (refusal) {
    tell(card, refusal);
  }
}

function showVerdict(card, verdict) {
  for (const button of card.querySelectorAll("[data-verdict]")) button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict));
}

function tell(card, refusal) {
  say(card.querySelector(".trouble"), refusal);
}

function say(place, refusal) {
  place.hidden = false;
  place.textContent = `${refusal.title ?? "Something went wrong on this page"}. ${refusal.message}`;
}
