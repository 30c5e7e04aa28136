// One file being answered: its progress, how it ended, and what can be downloaded.

import { answerSheet } from "./api.js";
import { announce, make, showProblem } from "./elements.js";
import { hasMark } from "./encodings.js";
import { explainError, number, t } from "./i18n.js";
import { Results } from "./results.js";
import { answerRows } from "./rows.js";
import { offer } from "./save.js";
import { nameColumns } from "./tables.js";

const UPDATE_MS = 400;
const UPDATE_SHARE = 0.1; // of the time goes to drawing, however many rows there are

export class Job {
  #source; // { name, table, column, encoding, bytes, model }
  #texts;
  #answers; // a prediction or an error for each row, once it is there
  #results;
  #abort = null;
  #failed = null;
  #saving = false;
  #waitS = 0;
  #began = { ms: 0, done: 0 };
  #drawAtMs = 0;
  #bar = make("progress");
  #state = make("p", { class: "state" });
  #problem = make("p", { class: "problem", role: "alert", hidden: true });
  #stopButton = make("button", { type: "button", onclick: () => this.stop() });
  #goOn = make("button", { type: "button", class: "primary", onclick: () => this.run() });
  #download = make("button", { type: "button", class: "primary", onclick: () => this.#save() });

  constructor(source) {
    this.#source = source;
    const { table, column } = source;
    this.#texts = Array.from({ length: table.length }, (_, row) => table.cell(row, column));
    this.#answers = [];
    this.#results = new Results(this.#texts, this.#answers);
    this.#bar.max = this.#texts.length;
    const buttons = make("p", { class: "buttons" }, this.#stopButton, this.#goOn, this.#download);
    const parts = [this.#bar, this.#state, this.#problem, buttons, this.#results.element];
    this.element = make("div", { class: "job" }, ...parts);
  }

  /** Answer what has no answer yet. */
  async run() {
    this.#abort = new AbortController();
    this.#failed = null;
    this.#began = { ms: performance.now(), done: this.#done };
    this.#update();
    try {
      await answerRows({
        texts: this.#texts,
        results: this.#answers,
        model: this.#source.model,
        signal: this.#abort.signal,
        onProgress: () => this.#note(0),
        onWait: (seconds) => this.#note(seconds),
      });
    } catch (error) {
      if (error.name !== "AbortError") this.#failed = error;
    }
    this.#abort = null;
    this.render();
    announce(this.#describe(), 0);
  }

  stop() {
    this.#abort?.abort();
  }

  /** Say everything anew. */
  render() {
    this.#bar.setAttribute("aria-label", this.#source.name);
    this.#stopButton.textContent = t("cancel");
    this.#goOn.textContent = t("resume");
    this.#download.textContent = t("download");
    this.#results.render();
    this.#update();
  }

  get #done() {
    return this.#answers.reduce((count, answer) => count + Boolean(answer), 0);
  }

  #note(waitS) {
    this.#waitS = waitS;
    this.#update();
    const beganMs = performance.now();
    if (beganMs < this.#drawAtMs) return;
    this.#results.update();
    const endedMs = performance.now();
    this.#drawAtMs = endedMs + Math.max(UPDATE_MS, (endedMs - beganMs) / UPDATE_SHARE);
  }

  #update() {
    const running = this.#abort !== null;
    const done = this.#done;
    this.#bar.value = done;
    this.#bar.hidden = done === this.#texts.length;
    this.#state.textContent = this.#describe();
    this.#stopButton.hidden = !running;
    this.#goOn.hidden = running || done === this.#texts.length;
    this.#download.hidden = running || done === 0;
    this.#download.disabled = this.#saving;
    this.#results.element.hidden = done === 0;
    showProblem(this.#problem, this.#failed && explainError(this.#failed));
  }

  #describe() {
    const done = this.#done;
    const total = this.#texts.length;
    const counts = { done: number(done), total: number(total) };
    if (this.#abort) {
      const left = this.#waitS ? t("busy", { count: this.#waitS }) : this.#estimate(done, total);
      return [t("progress", counts), left].filter(Boolean).join(" · ");
    }
    if (done < total) return t("stopped", counts);
    const failed = this.#answers.filter((answer) => answer.error).length;
    return t(failed ? "finishedSome" : "finished", { ...counts, failed: number(failed) });
  }

  #estimate(done, total) {
    const seconds = (performance.now() - this.#began.ms) / 1000;
    const gained = done - this.#began.done;
    if (seconds < 2 || gained === 0) return "";
    const left = Math.ceil((seconds / gained) * (total - done));
    const time = left < 90 ? t("seconds", { count: left }) : t("minutes", { count: Math.round(left / 60) });
    return t("remaining", { time });
  }

  async #save() {
    const { name, table } = this.#source;
    const parts = table.isSheet ? await this.#askForSheet() : this.#write();
    if (parts) offer(parts, name, table.suffix);
  }

  /** The spreadsheet with its answers, which the service writes; none where it does not. */
  async #askForSheet() {
    const { bytes, table, column, model } = this.#source;
    this.#failed = null;
    this.#saving = true;
    this.#update();
    try {
      return [await answerSheet(bytes, { column: table.names[column], model })];
    } catch (error) {
      this.#failed = error;
    } finally {
      this.#saving = false;
      this.#update();
    }
  }

  #write() {
    const { table, encoding, bytes } = this.#source;
    const labels = Object.keys(this.#answers.find((answer) => answer?.scores)?.scores ?? {}).sort();
    const added = nameColumns(table, labels);
    const answer = (row) => describe(this.#answers[row], added, labels);
    // Spreadsheet programs take a file for UTF-8 by its mark; where it was something else, it now is.
    const marked = table.suffix !== "jsonl" && (encoding !== "utf-8" || hasMark(bytes));
    return [...(marked ? ["\ufeff"] : []), ...table.write(added, answer)];
  }
}

/** A row's answer by the names of the added columns: label, score, each label's score, error. */
function describe(answer, added, labels) {
  if (!answer) return {};
  if (answer.error) return { [added.at(-1)]: answer.error.message };
  const values = [answer.label, answer.score, ...labels.map((label) => answer.scores[label])];
  return Object.fromEntries(values.map((value, place) => [added[place], value]));
}
