// The text: asked about as it is typed, answered beside it.

import { analyze, sleep } from "./api.js";
import { announce, find, make, showProblem } from "./elements.js";
import { explainError, onLanguage, t } from "./i18n.js";
import { badge, bars, nameLabel, percent, signed } from "./labels.js";
import { listSentences, listWords } from "./marks.js";
import { chosenModel, onModel } from "./models.js";
import { EXAMPLES } from "./texts.js";

const PAUSE_MS = 250;
const EXPLAINED_CHARS = 300; // beyond, words are highlighted when asked for: each costs a run

let asked; // the AbortController of the latest request
let shown = null; // the latest answer
let failed = null; // the error that stands on the page

export function startText() {
  const input = find("text");
  input.addEventListener("input", () => update(PAUSE_MS));
  find("explain").addEventListener("click", () => update(0, true));
  find("examples").append(...EXAMPLES.map(makeExample));
  onModel(() => update(0));
  onLanguage(() => {
    if (shown) show(shown);
    tell(failed);
  });
  if (input.value) update(0); // what a browser kept over a reload
}

function makeExample([language, text]) {
  const use = () => {
    find("text").value = text;
    update(0);
  };
  const lang = language === "zh" ? "zh-Hans" : "en";
  return make("button", { type: "button", class: "example", lang, onclick: use }, text);
}

/** Ask about the text after a pause, in place of whatever was asked before. */
async function update(pauseMs, explain = false) {
  asked?.abort();
  asked = new AbortController();
  const { signal } = asked;
  const text = find("text").value;
  if (!text.trim()) return clear();
  try {
    await sleep(pauseMs, signal);
    find("document").setAttribute("aria-busy", "true");
    find("explain").disabled = explain;
    const short = Array.from(text).length <= EXPLAINED_CHARS;
    await ask(text, explain || short, explain, signal);
  } catch (error) {
    if (error.name !== "AbortError") tell(error);
  } finally {
    if (asked.signal === signal) {
      find("document").removeAttribute("aria-busy");
      find("explain").disabled = false;
    }
  }
}

async function ask(text, explain, insisted, signal) {
  for (;;) {
    try {
      const answer = await analyze(text, { explain, model: chosenModel() }, signal);
      tell(null);
      return show(answer.analyses[0]);
    } catch (error) {
      if (error.type === "too_large" && explain && !insisted) {
        explain = false; // many words in few characters: the sentences are still to be had
      } else if (error.status === 429) {
        tell(error);
        await sleep(1000 * error.retryAfterS, signal);
      } else {
        throw error;
      }
    }
  }
}

/** Say what went wrong, if anything; text and the latest answer stay. */
function tell(error) {
  failed = error;
  showProblem(find("text-problem"), error && explainError(error));
}

function clear() {
  shown = null;
  tell(null);
  find("document").removeAttribute("aria-busy");
  find("hint").hidden = false;
  find("verdict").hidden = find("details").hidden = true;
}

function show(answer) {
  shown = answer;
  find("hint").hidden = true;
  find("verdict").hidden = find("details").hidden = false;
  find("verdict").replaceChildren(...describe(answer));
  find("sentences").replaceChildren(...listSentences(answer));
  find("explain").hidden = Boolean(answer.explanation);
  find("words").hidden = !answer.explanation;
  find("words").replaceChildren(...listWords(answer));
  announceAnswer(answer);
}

function describe(answer) {
  const polar = answer.score !== undefined;
  return [
    make(
      "p",
      { class: "verdict" },
      badge(answer.label),
      answer.mixed ? make("span", { class: "badge mixed" }, t("mixed")) : null,
      polar ? make("span", { class: "score" }, t("score", { score: signed(answer.score) })) : null,
    ),
    make("p", { class: "hint" }, ...remarks(answer, polar)),
    make("h3", { class: "unseen" }, t("probabilities")),
    bars(answer.probabilities),
  ];
}

const remarks = (answer, polar) =>
  [
    answer.mixed ? t("mixedHint") : null,
    answer.truncated ? t("cut") : null,
    !answer.mixed && polar ? t("scoreHint") : null,
  ]
    .filter(Boolean)
    .map((remark) => make("span", {}, remark));

function announceAnswer(answer) {
  announce(
    t("announceText", {
      label: nameLabel(answer.label),
      percent: percent(answer.probabilities[answer.label]),
      mixed: answer.mixed ? t("mixedHint") : "",
    }),
  );
}
