// What the service is asked. Addresses are relative, so that the page works below any prefix.

const XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/** Why a request has no answer: `type` is the service's name for it, or `unreachable`. */
export class Refusal extends Error {
  constructor(status, { type, message }, retryAfterS = 0) {
    super(message);
    Object.assign(this, { status, type, retryAfterS });
  }

  /** Whether the texts are at fault, and not the service or the moment. */
  get lasting() {
    return this.status >= 400 && this.status < 500 && ![404, 408, 429].includes(this.status);
  }
}

export const analyze = (inputs, options, signal) => post("analyze", { inputs, ...options }, signal);
export const predict = (inputs, options, signal) => post("predict", { inputs, ...options }, signal);
export const listModels = async () => (await ask("models")).models;

/** The Blob of a spreadsheet with its answers, for `options` of POST /predict/file. */
export async function answerSheet(bytes, { column, model }) {
  const query = new URLSearchParams(model ? { column, model } : { column });
  const headers = { "Content-Type": XLSX };
  const sent = { method: "POST", headers, body: bytes };
  return ask(`predict/file?${query}`, sent, (response) => response.blob());
}

const post = (path, body, signal) =>
  ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });

async function ask(path, options = {}, read = (response) => response.json()) {
  let response, answer;
  try {
    response = await fetch(path, options);
    answer = await (response.ok ? read(response) : response.json());
  } catch (error) {
    if (error.name === "AbortError") throw error;
    // No answer at all, or one that a proxy made.
    const type = response ? "unavailable" : "unreachable";
    throw new Refusal(response?.status ?? 0, { type, message: error.message });
  }
  if (response.ok) return answer;
  const retryAfterS = Number(response.headers.get("Retry-After")) || 1;
  throw new Refusal(response.status, answer.error ?? { type: "unavailable" }, retryAfterS);
}

/** Wait; an aborted signal ends it with an AbortError. */
export function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}
