// Many texts through POST /predict: in batches, a few of them at once.

import { predict, sleep } from "./api.js";

const BATCH = { texts: 64, chars: 100_000 };
const AT_ONCE = 3;
const TRIES = 4;

/**
 * Answer every text that has no answer in `results` yet, which are predictions or errors.
 * `onProgress` hears of each batch, `onWait` of the seconds until a busy service is asked again.
 * Raises a Refusal where the service does not answer at all, and an AbortError when stopped.
 */
export async function answerRows({ texts, results, model, signal, onProgress, onWait }) {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const batches = cutBatches(texts, results);
  const work = async () => {
    for (const batch of batches) {
      await answerBatch(batch);
      onProgress();
    }
  };

  async function answerBatch(batch) {
    try {
      const inputs = batch.map((row) => texts[row]);
      const answer = await askPatiently(inputs, { model }, either, onWait);
      batch.forEach((row, place) => (results[row] = answer.predictions[place]));
    } catch (error) {
      if (!error.lasting) throw error;
      if (batch.length === 1) {
        results[batch[0]] = { error };
        return;
      }
      // Refused as a whole: too much at once, or no text of it can be answered.
      const half = batch.length >> 1;
      await answerBatch(batch.slice(0, half));
      await answerBatch(batch.slice(half));
    }
  }

  try {
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  } finally {
    stop.abort(); // when one has failed, the others end too
  }
}

/** The rows without an answer, in batches. A generator: who asks next gets the next one. */
function* cutBatches(texts, results) {
  let batch = [];
  let chars = 0;
  for (let row = 0; row < texts.length; row += 1) {
    if (results[row]) continue;
    if (!texts[row].trim()) {
      results[row] = { error: { type: "invalid_input", message: "the text is empty" } };
      continue;
    }
    if (batch.length === BATCH.texts || (batch.length && chars + texts[row].length > BATCH.chars)) {
      yield batch;
      batch = [];
      chars = 0;
    }
    batch.push(row);
    chars += texts[row].length;
  }
  if (batch.length) yield batch;
}

async function askPatiently(inputs, options, signal, onWait) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await predict(inputs, options, signal);
    } catch (error) {
      if (error.name === "AbortError" || error.lasting) throw error;
      if (error.status !== 429 && tries === TRIES) throw error;
      const waitS = error.status === 429 ? error.retryAfterS : 2 ** (tries - 2);
      onWait(waitS);
      await sleep(1000 * waitS, signal);
    }
  }
}
