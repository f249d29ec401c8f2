// What a camera's state and flags mean, and when something was.

export const STATES = {
  clear: { words: "No smoke", urgency: 0 },
  suspected: { words: "Perhaps smoke: wait and see", urgency: 1 },
  review: { words: "Looks like smoke and stays, but is doubtful or in damaged pictures: have a look", urgency: 2 },
  alarm: { words: "Smoke", urgency: 3 },
};

const FLAGS = {
  frozen: "shows the same picture again and again",
  dark: "is too dark to see",
  overexposed: "is too bright to see",
  blurred: "is blurred",
  fogged: "is fogged",
  damaged: "sends damaged pictures",
  clock: "has a wrong clock",
  panning: "keeps turning and does not say where to",
  unfamiliar: "shows pictures unlike those that the model knows",
};

/** A flag in words; one that is not known here as it is. */
export function inWords(flag) {
  return FLAGS[flag] ?? flag;
}

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS = [["second", 1], ["minute", 60], ["hour", 3600], ["day", 86_400]];
let aheadMs = 0;

/** Take the service's clock as the right one. */
export function setClock(nowMs) {
  if (Number.isFinite(nowMs)) aheadMs = nowMs - Date.now();
}

/** How long ago that was, by the service's clock. */
export function ago(time) {
  const seconds = Math.min(0, (Date.parse(time) - Date.now() - aheadMs) / 1000);
  const [unit, length] = UNITS.findLast(([, from]) => -seconds >= from) ?? UNITS[0];
  return RELATIVE.format(Math.round(seconds / length), unit);
}

/** A time as a date and an hour. */
export function when(time) {
  return new Date(time).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}
