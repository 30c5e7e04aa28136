// Sentences in the colour of their label, and words in that of their effect.

import { make } from "./elements.js";
import { t } from "./i18n.js";
import { badge, percent, signed, tone } from "./labels.js";

const LEAST_EFFECT = 0.02; // below, a word has hardly done anything
const LEAST_SHARE = 0.08; // of the strongest effect: what is less would only be noise to the eye,
const LEAST_SHARE_OF_SIDE = 0.25; // and of the strongest in its direction: complaint must not drown praise
const LISTED = 6;

/** A list item for each sentence of an answer. */
export function listSentences(answer) {
  const moved = findMoved(answer);
  const strongest = Math.max(...moved.map((word) => Math.abs(word.effect)));
  return answer.sentences.map((sentence) => {
    const end = sentence.offset + sentence.length;
    const words = moved.filter((word) => word.offset >= sentence.offset && word.offset < end);
    return make(
      "li",
      { class: `sentence ${tone(sentence.label)}` },
      make("p", { class: "words", dir: "auto" }, ...mark(sentence, words, strongest)),
      make(
        "p",
        { class: "answer" },
        badge(sentence.label),
        make("span", { class: "figure" }, percent(sentence.probabilities[sentence.label])),
      ),
    );
  });
}

/** The parts of a sentence, each word that did something in a mark. */
function mark(sentence, words, strongest) {
  const points = Array.from(sentence.text); // offsets count code points, strings UTF-16 units
  const parts = [];
  let read = 0;
  for (const word of words) {
    const start = word.offset - sentence.offset;
    parts.push(points.slice(read, start).join(""));
    read = start + word.length;
    const strength = Math.ceil((4 * Math.abs(word.effect)) / strongest);
    const kind = `${direction(word)} strength-${strength}`;
    parts.push(make("mark", { class: kind, title: signed(word.effect) }, points.slice(start, read).join("")));
  }
  return [...parts, points.slice(read).join("")];
}

/** The words whose effects can be told from noise, in their order. */
function findMoved(answer) {
  const words = answer.explanation?.words ?? [];
  const size = (word) => Math.abs(word.effect);
  const strongest = (some) => Math.max(...some.map(size));
  const least = Math.max(LEAST_EFFECT, LEAST_SHARE * strongest(words));
  return ["up", "down"]
    .map((kind) => words.filter((word) => direction(word) === kind))
    .flatMap((side) => {
      const leastOfSide = Math.max(least, LEAST_SHARE_OF_SIDE * strongest(side));
      return side.filter((word) => size(word) >= leastOfSide);
    })
    .sort((a, b) => a.offset - b.offset);
}

const direction = (word) => (word.effect > 0 ? "up" : "down");

/** The words with the largest effects, both ways; nothing without an explanation. */
export function listWords(answer) {
  if (!answer.explanation) return [];
  const moved = findMoved(answer).sort((a, b) => Math.abs(b.effect) - Math.abs(a.effect));
  const side = (kind) => moved.filter((word) => direction(word) === kind).slice(0, LISTED);
  return [
    make("h3", {}, t("wordsTitle")),
    make("div", { class: "columns" }, group("up", side("up")), group("down", side("down"))),
    make("p", { class: "hint" }, t("wordsHint")),
  ];
}

function group(kind, words) {
  const items = words.map((word) =>
    make(
      "li",
      {},
      make("mark", { class: `${kind} strength-3` }, word.text),
      make("span", { class: "figure" }, signed(word.effect)),
    ),
  );
  return make(
    "div",
    {},
    make("h4", {}, t(kind === "up" ? "wordsUp" : "wordsDown")),
    items.length ? make("ul", { class: "effects" }, ...items) : make("p", {}, t("wordsNone")),
  );
}
