// What a file came to: how many of each label, the distribution, the extremes, the rows.

import { histogram } from "./chart.js";
import { make } from "./elements.js";
import { number, t } from "./i18n.js";
import { badge, nameLabel, percent, signed, sortLabels, tone } from "./labels.js";

const EXTREMES = 5;
const PAGE_ROWS = 20;
const FAILED = Symbol("rows without an answer");

/** What gives a row's probability of positive less that of negative; null where labels lack one. */
function findPolarity(labels) {
  const [positive, negative] = ["positive", "negative"].map((wanted) =>
    labels.find((label) => tone(label) === wanted),
  );
  return positive && negative ? ({ scores }) => scores[positive] - scores[negative] : null;
}

const figure = (text) => make("span", { class: "figure" }, text);

/** The view of `results` for `texts`; `element` is its place on the page. */
export class Results {
  #texts;
  #results;
  #counts = new Map();
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
    this.#counts = this.#count();
    this.#updateFilters();
    this.#fillTable();
    const polarity = findPolarity(this.#labels);
    const rows = [];
    this.#results.forEach((result, row) => {
      if (result.label) rows.push({ row, label: result.label, score: polarity?.(result) });
    });
    this.#plotDistribution(rows, polarity);
    this.#listExtremes(rows, polarity);
  }

  #plotDistribution(rows, polarity) {
    const shares = this.#labels.map((label) => {
      const count = this.#counts.get(label);
      const share = rows.length ? percent(count / rows.length) : "–";
      const text = t("share", { count: number(count), percent: share });
      return make("li", {}, badge(label), figure(text));
    });
    this.#plot.replaceChildren(
      make("h3", {}, t("distribution")),
      make("ul", { class: "shares" }, ...shares),
      ...(polarity ? [histogram(rows, this.#labels)] : []),
    );
  }

  /** The model's labels, once a row has been answered. */
  get #labels() {
    return sortLabels(Object.keys(this.#results.find((result) => result?.scores)?.scores ?? {}));
  }

  #listExtremes(rows, polarity) {
    const surest = ({ row }) => this.#results[row].score;
    const lists = [["leastCertain", (a, b) => surest(a) - surest(b), () => true]];
    if (polarity) {
      lists.unshift(
        ["mostPositive", (a, b) => b.score - a.score, ({ score }) => score > 0],
        ["mostNegative", (a, b) => a.score - b.score, ({ score }) => score < 0],
      );
    }
    this.#extremes.replaceChildren(
      ...lists.map(([key, compare, belongs]) => {
        const chosen = rows.filter(belongs).sort(compare).slice(0, EXTREMES);
        const value = (item) => (key === "leastCertain" ? percent(surest(item)) : signed(item.score));
        const items = chosen.map((item) => this.#describe(item, value(item)));
        return make("div", {}, make("h3", {}, t(key)), make("ol", {}, ...items));
      }),
    );
  }

  #describe({ row, label }, value) {
    return make(
      "li",
      {},
      make("p", { class: "excerpt", dir: "auto" }, this.#texts[row]),
      make(
        "p",
        { class: "answer" },
        badge(label),
        figure(value),
        make("span", { class: "hint" }, t("row", { number: number(row + 1) })),
      ),
    );
  }

  /** How many rows each filter lets through: all, each label, and those that failed, if any. */
  #count() {
    const counts = new Map([[null, 0], ...this.#labels.map((label) => [label, 0])]);
    this.#results.forEach((result) => {
      const key = result.label ?? FAILED;
      counts.set(null, counts.get(null) + 1);
      counts.set(key, (counts.get(key) ?? 0) + 1);
    });
    return counts;
  }

  #updateFilters() {
    const counts = this.#counts;
    if (this.#filters.children.length !== counts.size) this.#makeFilters([...counts.keys()]);
    [...counts].forEach(([key, count], place) => {
      const name = key === null ? t("all") : key === FAILED ? t("failed") : nameLabel(key);
      const button = this.#filters.children[place];
      button.replaceChildren(`${name} `, figure(number(count)));
      button.setAttribute("aria-pressed", String(this.#filter === key));
    });
  }

  #makeFilters(keys) {
    const style = (key) => (typeof key === "string" ? `filter ${tone(key)}` : "filter");
    const choose = (key) => () => {
      this.#filter = key;
      this.#shown = PAGE_ROWS;
      this.#updateFilters();
      this.#fillTable();
    };
    this.#filters.replaceChildren(
      ...keys.map((key) => make("button", { type: "button", class: style(key), onclick: choose(key) })),
    );
  }

  #makeTable() {
    const heads = ["tableRow", "tableText", "tableLabel"];
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
      make("td", {}, make("p", { class: "excerpt", dir: "auto" }, this.#texts[row])),
      make("td", {}, ...(error ? [error.message] : [badge(label), " ", figure(percent(score, 1))])),
    );
  }

  #showMore() {
    this.#shown += 5 * PAGE_ROWS;
    this.#fillTable();
  }
}
