// The language of the page: English or Chinese, as the browser prefers until somebody chooses.

import { TEXTS } from "./texts.js";

const KEPT = "sentiment-language";

let language = recall() ?? (navigator.language?.toLowerCase().startsWith("zh") ? "zh" : "en");
const listeners = [];

export const currentLanguage = () => language;

/** The text of a key, with `{name}` replaced. */
export const t = (key, values = {}) =>
  TEXTS[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);

export const number = (value, options = {}) =>
  new Intl.NumberFormat(language, options).format(value).replace("-", "−");

/** Have `listener` called whenever the language changes. */
export const onLanguage = (listener) => listeners.push(listener);

export function setLanguage(chosen) {
  language = chosen;
  try {
    localStorage.setItem(KEPT, chosen);
  } catch {
    // A browser may forbid to keep anything: then the choice holds for this visit.
  }
  translate();
  for (const listener of listeners) listener();
}

/** Put the texts of the page into its language. */
export function translate() {
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  document.title = t("pageTitle");
  for (const element of document.querySelectorAll("[data-i18n]")) {
    element.textContent = t(element.dataset.i18n);
  }
  for (const element of document.querySelectorAll("[data-i18n-label]")) {
    element.setAttribute("aria-label", t(element.dataset.i18nLabel));
  }
}

/** An error in words: what happened, and what the service says of the texts where they are why. */
export function explainError(error) {
  const key = `error_${error.type}`;
  const happened = t(key in TEXTS[language] ? key : "error_other");
  return error.lasting && error.message
    ? `${happened} ${t("serviceSays", { message: error.message })}`
    : happened;
}

function recall() {
  try {
    const kept = localStorage.getItem(KEPT);
    return kept in TEXTS ? kept : null;
  } catch {
    return null;
  }
}
