// The service's events, read with the key in a header (which the browser's own EventSource cannot send), for as long as they are wanted.

import { ask, Refusal } from "../api.js";

const PAUSE_MS = 1000;
const PAUSE_MAX_MS = 30_000;
// The service says something every 15 s: a connection that is silent for longer is dead.
const SILENCE_MS = 40_000;

/** Follows GET /events: `on[name](data)` for each event, `tell(words)` on how the connection stands; "" is well. */
export class Events {
  #on;
  #tell;
  #wanted = null;

  constructor(on, tell) {
    this.#on = on;
    this.#tell = tell;
  }

  /** Follow from now on; anew where it is followed already. */
  start() {
    this.stop();
    this.#wanted = new AbortController();
    this.#keep(this.#wanted.signal);
  }

  stop() {
    this.#wanted?.abort();
    this.#wanted = null;
  }

  async #keep(wanted) {
    let pauseMs = PAUSE_MS;
    while (!wanted.aborted) {
      try {
        await this.#follow(wanted, () => (pauseMs = PAUSE_MS));
      } catch (error) {
        if (wanted.aborted) return;
        this.#tell(inWords(error));
        if (error.status === 401 || error.status === 403) return;
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      pauseMs = Math.min(2 * pauseMs, PAUSE_MAX_MS);
    }
  }

  async #follow(wanted, well) {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    try {
      const answer = await ask("events", { signal: AbortSignal.any([wanted, silence.signal]) });
      this.#on.clock?.(Date.parse(answer.headers.get("Date")));
      this.#tell("");
      for await (const [name, data] of messages(answer.body)) {
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
        well();
        this.#on[name]?.(data);
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

function inWords(error) {
  const lost = "The connection was lost; the page tries again by itself.";
  return error instanceof Refusal && error.status ? `${error.title}. ${error.message}` : lost;
}

/** [name, data] of each event of a stream; ["", null] for a comment. */
async function* messages(body) {
  let text = "";
  for await (const chunk of chunks(body.pipeThrough(new TextDecoderStream()))) {
    text += chunk;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) yield parse(block);
  }
}

// Not every browser can iterate over a stream.
async function* chunks(stream) {
  const reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
}

function parse(block) {
  const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s, 2)));
  return fields.data === undefined ? ["", null] : [fields.event, JSON.parse(fields.data)];
}
