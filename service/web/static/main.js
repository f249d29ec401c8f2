// The page: the key, and the model in service.

import { ask, useKey } from "./api.js";
import { retryAfterKey, startTry } from "./try.js";

const part = (id) => document.getElementById(id);

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
});
startTry();
showModel();
