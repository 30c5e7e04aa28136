// What a file came to: how many of each label, the distribution, the extremes, the rows.

import { histogram } from "./chart.js";
import { make } from "./elements.js";
import { number, t } from "./i18n.js";
import { badge, nameLabel, percent, signed, sortLabels, tone } from "./labels.js";

const EXTREMES = 5;
const PAGE_ROWS = 20;
const FAILED = Symbol("rows without an answer");

/** The probability of positive less that of negative; undefined for labels that lack one. */
export function polarScore({ scores }) {
  const of = (wanted) => Object.keys(scores).find((label) => tone(label) === wanted);
  const [positive, negative] = [of("positive"), of("negative")];
  return positive && negative ? scores[positive] - scores[negative] : undefined;
}

/** The view of `results` for `texts`; `element` is its place on the page. */
export class Results {
  #texts;
  #results;
  #filter = null; // null for all, else a label or FAILED
  #shown = PAGE_ROWS;
  #plot = make("div");
  #extremes = make("div", { class: "extremes" });
  #filters = make("div", { class: "filters", role: "group" });
  #body = make("tbody");
  #more;
  #none;

  constructor(texts, results) {
    this.#texts = texts;
    this.#results = results;
    this.#more = make("button", { type: "button", class: "quiet", onclick: () => this.#showMore() });
    this.#none = make("p", { class: "hint", hidden: true });
    this.element = make("div", { class: "results" });
  }

  /** Say everything anew: in another language, or for the first time. */
  render() {
    this.#more.textContent = t("more");
    this.#none.textContent = t("noRows");
    this.#filters.setAttribute("aria-label", t("filter"));
    this.#filters.replaceChildren();
    this.element.replaceChildren(
      this.#plot,
      this.#extremes,
      make("h3", {}, t("table")),
      this.#filters,
      this.#makeTable(),
      this.#none,
      this.#more,
    );
    this.update();
  }

  /** Take in what has been answered since. Buttons stay where they are, and keep their focus. */
  update() {
    const answered = [];
    this.#results.forEach((result, row) => result.label && answered.push(row));
    this.#updateFilters(answered);
    this.#fillTable();
    const ranked = answered.map((row) => {
      const result = this.#results[row];
      return { row, label: result.label, score: polarScore(result) };
    });
    this.#plotDistribution(ranked);
    this.#listExtremes(ranked);
  }

  #plotDistribution(ranked) {
    const labels = this.#labels;
    const shares = labels.map((label) => {
      const count = ranked.filter((row) => row.label === label).length;
      const text = t("share", { count: number(count), percent: percent(count / ranked.length) });
      return make("li", {}, badge(label), make("span", { class: "figure" }, text));
    });
    const polar = ranked[0]?.score !== undefined;
    this.#plot.replaceChildren(
      make("h3", {}, t("distribution")),
      make("ul", { class: "shares" }, ...shares),
      ...(polar ? [histogram(ranked, labels)] : []),
    );
  }

  /** The model's labels, once a row has been answered. */
  get #labels() {
    return sortLabels(Object.keys(this.#results.find((result) => result?.scores)?.scores ?? {}));
  }

  #listExtremes(ranked) {
    const surest = (row) => this.#results[row].score;
    const lists = [["leastCertain", (a, b) => surest(a.row) - surest(b.row), () => true]];
    if (ranked[0]?.score !== undefined) {
      lists.unshift(
        ["mostPositive", (a, b) => b.score - a.score, ({ score }) => score > 0],
        ["mostNegative", (a, b) => a.score - b.score, ({ score }) => score < 0],
      );
    }
    this.#extremes.replaceChildren(
      ...lists.map(([key, compare, belongs]) => {
        const chosen = ranked.filter(belongs).sort(compare).slice(0, EXTREMES);
        const items = chosen.map(({ row, score }) => this.#describe(row, score));
        return make("div", {}, make("h3", {}, t(key)), make("ol", {}, ...items));
      }),
    );
  }

  #describe(row, score) {
    const { label, score: sure } = this.#results[row];
    const figure = score === undefined ? percent(sure) : signed(score);
    return make(
      "li",
      {},
      make("p", { class: "excerpt", dir: "auto" }, this.#texts[row]),
      make(
        "p",
        { class: "answer" },
        badge(label),
        make("span", { class: "figure" }, figure),
        make("span", { class: "hint" }, t("row", { number: number(row + 1) })),
      ),
    );
  }

  #updateFilters(answered) {
    const counts = new Map([[null, this.#results.filter(Boolean).length]]);
    for (const label of this.#labels) counts.set(label, 0);
    for (const row of answered) {
      const { label } = this.#results[row];
      counts.set(label, counts.get(label) + 1);
    }
    const failed = counts.get(null) - answered.length;
    if (failed || this.#filter === FAILED) counts.set(FAILED, failed);
    const buttons = [...this.#filters.children];
    if (buttons.length !== counts.size) this.#makeFilters([...counts.keys()]);
    [...counts].forEach(([key, count], place) => {
      const name = key === null ? t("all") : key === FAILED ? t("failed") : nameLabel(key);
      const button = this.#filters.children[place];
      button.replaceChildren(`${name} `, make("span", { class: "figure" }, number(count)));
      button.setAttribute("aria-pressed", String(this.#filter === key));
    });
  }

  #makeFilters(keys) {
    const style = (key) => (typeof key === "string" ? `filter ${tone(key)}` : "filter");
    const choose = (key) => () => {
      this.#filter = key;
      this.#shown = PAGE_ROWS;
      this.update();
    };
    this.#filters.replaceChildren(
      ...keys.map((key) => make("button", { type: "button", class: style(key), onclick: choose(key) })),
    );
  }

  #makeTable() {
    const heads = ["tableRow", "tableText", "tableLabel", "tableProbability"];
    return make(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": t("table") },
      make(
        "table",
        {},
        make("thead", {}, make("tr", {}, ...heads.map((key) => make("th", { scope: "col" }, t(key))))),
        this.#body,
      ),
    );
  }

  #fillTable() {
    const rows = [];
    this.#results.forEach((result, row) => this.#belongs(result) && rows.push(row));
    this.#body.replaceChildren(...rows.slice(0, this.#shown).map((row) => this.#makeRow(row)));
    this.#more.hidden = rows.length <= this.#shown;
    this.#none.hidden = rows.length > 0;
  }

  #belongs(result) {
    if (this.#filter === null) return true;
    return this.#filter === FAILED ? Boolean(result.error) : result.label === this.#filter;
  }

  #makeRow(row) {
    const { label, score, error } = this.#results[row];
    return make(
      "tr",
      {},
      make("td", { class: "figure" }, number(row + 1)),
      make("td", { class: "excerpt", dir: "auto" }, this.#texts[row]),
      make("td", {}, error ? error.message : badge(label)),
      make("td", { class: "figure" }, error ? "–" : percent(score, 1)),
    );
  }

  #showMore() {
    this.#shown += 5 * PAGE_ROWS;
    this.#fillTable();
  }
}
