// The page: which part of it is shown, the key, and the model in service.

import { ask, useKey } from "./api.js";
import { leaveTry, retryAfterKey, startTry } from "./try/try.js";
import { startWatching, watch } from "./watch/watch.js";

const PAGES = ["try", "cameras", "alarms"];
const part = (id) => document.getElementById(id);

function shownPage() {
  const name = location.hash.slice(1);
  return PAGES.includes(name) ? name : PAGES[0];
}

function showPage() {
  const shown = shownPage();
  for (const page of PAGES) {
    part(page).hidden = page !== shown;
    const link = document.querySelector(`nav a[href="#${page}"]`);
    if (page === shown) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (shown !== "try") leaveTry();
  watch(shown);
}

async function showModel() {
  try {
    const model = await (await ask("model")).json();
    part("model").textContent = `Model ${model.name} ${model.version} on ${model.provider}; smoke from ${model.threshold.toFixed(2)} on.`;
    part("key-form").hidden = true;
  } catch (refusal) {
    part("model").textContent = `${refusal.title}.`;
  }
}

part("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(part("key").value.trim());
  showModel();
  retryAfterKey();
  watch(shownPage());
});
window.addEventListener("hashchange", showPage);
startTry();
startWatching();
showPage();
showModel();
