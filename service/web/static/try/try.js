// «Try it»: pictures in, the service's answer over them, and what the controls beside them change.

import { ask } from "../api.js";
import { paintLegend } from "../drawing/maps.js";
import { areaFraction } from "../drawing/outline.js";
import { showAnswer } from "./answer.js";
import { Shot, Shots } from "./shots.js";
import { Stage } from "../drawing/stage.js";
import { LAYERS, percent, quantity, verdict } from "../words.js";
import { Webcam } from "./webcam.js";

const part = (id) => document.getElementById(id);
const shots = new Shots();
const stage = new Stage(part("frame"));
const webcam = new Webcam((file) => look([new Shot(file, "webcam", { live: true })]), webcamStopped);
let current = null;
// The threshold that was chosen here; null for the service's own.
let threshold = null;
let asked = 0;

/** Connect the controls. */
export function startTry() {
  part("files").addEventListener("change", (event) => {
    takeFiles(event.target.files);
    event.target.value = "";
  });
  part("example").addEventListener("click", showExample);
  part("webcam").addEventListener("click", () => webcam.toggle().catch(showTrouble));
  part("again").addEventListener("click", () => current && look([current]));
  document.addEventListener("paste", (event) => takeFiles(event.clipboardData.files));
  acceptDrops();
  connectControls();
  paintLegend(part("legend"));
  setOpacity();
}

/** Ask again about a picture that was refused for want of a key. */
export function retryAfterKey() {
  if (current?.refusal) look([current]);
}

/** Stop what only this page needs. */
export function leaveTry() {
  webcam.stop();
}

function acceptDrops() {
  const target = part("drop");
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      target.classList.toggle("over", name === "dragover");
      if (name === "drop") takeFiles(event.dataTransfer.files);
    });
  }
}

function connectControls() {
  part("layers").addEventListener("change", (event) => showLayer(event.target.value));
  part("opacity").addEventListener("input", setOpacity);
  part("threshold").addEventListener("input", () => moveThreshold(Number(part("threshold").value)));
  part("threshold").addEventListener("change", () => current && look([current]));
  part("released").addEventListener("click", () => {
    threshold = null;
    if (current) look([current]);
  });
}

async function showExample() {
  try {
    const file = await (await ask("page/example.jpg")).blob();
    await look([new Shot(file, "example")]);
  } catch (error) {
    showTrouble(error);
  }
}

function takeFiles(files) {
  if (files.length) look([...files].map((file) => new Shot(file, file.name)));
}

/** Ask about pictures one after another, and show each as it is answered; a later call takes over what is shown. */
async function look(wanted) {
  asked += 1;
  const mine = asked;
  for (const shot of wanted) if (!shots.all.includes(shot)) shots.add(shot);
  if (wanted[0] !== current) show(wanted[0]);
  for (const shot of wanted) {
    part("drop").setAttribute("aria-busy", "true");
    await shot.segment(threshold);
    if (mine === asked) show(shot);
    else showStrip();
  }
  if (mine === asked) part("drop").removeAttribute("aria-busy");
}

function show(shot) {
  current = shot;
  part("invitation").hidden = true;
  stage.show(shot.url, shot.reply?.frame);
  if (shot.reply) showReply(shot);
  else stage.take({});
  part("trouble").hidden = !shot.refusal;
  part("verdict").hidden = !shot.reply;
  part("panel").hidden = !shot.reply;
  if (shot.refusal) showTrouble(shot.refusal);
  showStrip();
}

function showReply(shot) {
  const { reply, maps } = shot;
  threshold = shot.threshold;
  stage.threshold = reply.model.threshold;
  stage.take(maps);
  part("threshold").value = String(stage.threshold);
  part("threshold-value").textContent = stage.threshold.toFixed(2);
  part("released").disabled = threshold === null;
  [part("headline").textContent, part("detail").textContent] = verdict(reply);
  part("unfamiliar").hidden = !reply.novelty?.unfamiliar;
  part("verdict").dataset.assessment = reply.assessment;
  showAnswer(reply, (box) => {
    stage.box = box;
    stage.draw();
  });
  showScale();
}

/** At once, on the map that is here; the regions and the verdict follow when the service was asked again. */
function moveThreshold(value) {
  threshold = value;
  stage.threshold = value;
  stage.draw();
  part("threshold-value").textContent = value.toFixed(2);
  if (current?.reply) part("detail").textContent = `${percent(areaFraction(current.maps.probability, value))} of the picture.`;
}

function showLayer(name) {
  stage.layer = name;
  stage.draw();
  showScale();
}

function showScale() {
  const map = current?.maps[stage.layer];
  part("scale").hidden = !map;
  if (!map) return;
  const { meaning, low, high } = LAYERS[stage.layer];
  part("meaning").textContent = meaning;
  part("least").textContent = `${quantity(map.minimum, map.unit)}, ${low}`;
  part("most").textContent = `${quantity(map.maximum, map.unit)}, ${high}`;
}

function setOpacity() {
  stage.opacity = part("opacity").value / 100;
  part("opacity-value").textContent = `${part("opacity").value} %`;
  stage.draw();
}

function showTrouble(refusal) {
  part("trouble").hidden = false;
  part("trouble-title").textContent = refusal.title ?? "Something went wrong on this page";
  part("trouble-detail").textContent = refusal.message;
  part("again").hidden = !current?.refusal;
}

function webcamStopped(running) {
  part("webcam").setAttribute("aria-pressed", String(running));
  part("webcam").textContent = running ? "Stop the webcam" : "Use the webcam";
}

/** The pictures as small buttons, once there are several. */
function showStrip() {
  const items = shots.all.map((shot) => {
    const item = part("shot").content.cloneNode(true);
    const [button, photo, label] = ["button", "img", "span"].map((name) => item.querySelector(name));
    photo.src = shot.url;
    label.textContent = inShort(shot);
    button.title = shot.name;
    button.setAttribute("aria-current", String(shot === current));
    button.dataset.assessment = shot.reply?.assessment ?? "";
    button.addEventListener("click", () => show(shot));
    return item;
  });
  part("strip").hidden = shots.all.length < 2;
  part("strip").replaceChildren(...items);
}

function inShort(shot) {
  if (shot.refusal) return "refused";
  return shot.reply ? verdict(shot.reply)[0] : "waiting";
}
