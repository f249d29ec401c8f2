// How the page asks the service: relative addresses, the key from memory, and refusals in words.

let key = "";

const TITLES = {
  401: "The service asks for an API key",
  403: "This key may not do that",
  404: "Not found",
  408: "The picture came too slowly",
  413: "The picture is too large",
  415: "This is no picture that can be read here",
  422: "The picture cannot be used",
  429: "The service is busy",
  500: "The model failed on this picture",
  503: "The service is not ready",
  504: "It took too long",
};

/** A refusal: `title` in a few words, `message` with what was found and expected, `status` 0 where nobody answered. */
export class Refusal extends Error {
  constructor(status, title, detail) {
    super(detail);
    this.status = status;
    this.title = title;
  }
}

export function useKey(text) {
  key = text;
}

/** The answer to a request; throws a Refusal, and shows the field for the key where one is asked for. */
export async function ask(path, options = {}) {
  const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers, credentials: "omit" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "The service cannot be reached", "Nothing came back. Is it running, and is this computer online?");
  }
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

async function refusal(answer) {
  if (answer.status === 401 || answer.status === 403) askForKey();
  const problem = await answer.json().catch(() => ({}));
  const title = TITLES[answer.status] ?? `The service refused (${answer.status})`;
  return new Refusal(answer.status, title, inWords(answer, problem.detail ?? answer.statusText));
}

function inWords(answer, detail) {
  if (answer.status === 401) return "Type it into the field at the top; whoever runs the service has one for you.";
  const wait = answer.headers.get("Retry-After");
  return wait ? `${detail}. Try again in ${wait} s.` : `${detail}.`;
}

function askForKey() {
  const form = document.getElementById("key-form");
  if (!form.hidden) return;
  form.hidden = false;
  document.getElementById("key").focus();
}
