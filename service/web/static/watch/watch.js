// What «Cameras» and «Alarms» share: the events, followed while one of them is looked at.

import { refresh, startAlarms } from "./alarms.js";
import { begin, fetchAlarms, forget, showAlarms, take, tick } from "./cameras.js";
import { Events } from "./events.js";
import { setClock } from "./states.js";

const part = (id) => document.getElementById(id);
const TICK_MS = 5000;
// A picture is written after the frame was answered.
const SETTLED_MS = 1500;

const events = new Events(
  {
    clock: setClock,
    current: (told) => {
      begin(told);
      lookForAlarms(0);
    },
    camera: (told) => {
      if (take(told)) lookForAlarms(SETTLED_MS);
    },
    forgotten: forget,
  },
  (words) => {
    for (const place of document.querySelectorAll(".connection")) {
      place.textContent = words || "Live";
      place.dataset.well = String(!words);
    }
  },
);
let looking = null;

/** Connect the controls of both. */
export function startWatching() {
  startAlarms();
  setInterval(tick, TICK_MS);
}

/** Follow the events while one of the two is shown. */
export function watch(page) {
  if (page === "cameras" || page === "alarms") events.start();
  else events.stop();
  if (page === "alarms") refresh();
}

/** Once for all cameras that ask for it meanwhile. */
function lookForAlarms(delayMs) {
  looking ??= setTimeout(async () => {
    looking = null;
    if (!part("alarms").hidden) await refresh();
    else showAlarms(await fetchAlarms().catch(() => []));
  }, delayMs);
}
