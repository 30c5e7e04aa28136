// How labels look and what they are called; a model may have labels of its own.

import { number, t } from "./i18n.js";
import { make } from "./elements.js";

const KNOWN = ["positive", "neutral", "negative"];

/** The style class of a label: its polarity, or `other`. */
export function tone(label) {
  const lower = label.toLowerCase();
  return KNOWN.includes(lower) ? lower : "other";
}

/** A label in the language of the page. */
export const nameLabel = (label) => (tone(label) === "other" ? label : t(tone(label)));

/** Positive, neutral, negative, and then whatever else there is. */
export function sortLabels(labels) {
  const rank = (label) => (KNOWN.indexOf(tone(label)) + KNOWN.length + 1) % (KNOWN.length + 1);
  return [...labels].sort((a, b) => (tone(a) === "other") - (tone(b) === "other") || rank(a) - rank(b));
}

export const percent = (value, digits = 0) =>
  number(value, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits });

export const signed = (value) =>
  number(value, { signDisplay: "exceptZero", minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** A label with its sign, so that colour is not all that tells it. */
export const badge = (label, text = nameLabel(label)) =>
  make("span", { class: `badge ${tone(label)}` }, text);

/** Probabilities as bars with their numbers. */
export function bars(probabilities) {
  const rows = sortLabels(Object.keys(probabilities)).map((label) => {
    const bar = make("span", { class: `fill ${tone(label)}` });
    bar.style.inlineSize = `${100 * probabilities[label]}%`;
    return make(
      "li",
      {},
      make("span", {}, nameLabel(label)),
      make("span", { class: "track", "aria-hidden": "true" }, bar),
      make("span", { class: "figure" }, percent(probabilities[label], 1)),
    );
  });
  return make("ul", { class: "bars" }, ...rows);
}
