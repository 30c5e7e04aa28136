// A spreadsheet: only the service can read it, and answers it as a whole.

import { answerSheet } from "./api.js";
import { announce, find, make, showProblem } from "./elements.js";
import { explainError, t } from "./i18n.js";
import { chosenModel } from "./models.js";
import { offer } from "./save.js";

export class Sheet {
  #file;
  #column = "text";
  #abort = null;
  #failed = null;
  #answered = null; // the Blob that came back

  constructor(file) {
    this.#file = file;
  }

  stop() {
    this.#abort?.abort();
  }

  /** Say everything anew. */
  render() {
    const column = make("input", { id: "column", value: this.#column });
    column.addEventListener("input", () => (this.#column = column.value));
    const running = this.#abort !== null;
    const problem = make("p", { class: "problem", role: "alert" });
    showProblem(problem, this.#failed && explainError(this.#failed));
    find("file-panel").replaceChildren(
      make("h3", {}, this.#file.name),
      make("p", { class: "hint" }, t("sheetHint")),
      make("p", { class: "options" }, make("label", { for: "column" }, t("sheetColumn")), column),
      running ? make("progress", { "aria-label": this.#file.name }) : "",
      make("p", { class: "buttons" }, ...this.#makeButtons(running)),
      problem,
    );
    find("file-panel").hidden = false;
  }

  #makeButtons(running) {
    const button = (key, onclick, options = {}) =>
      make("button", { type: "button", onclick, ...options }, t(key));
    if (running) return [button("cancel", () => this.stop())];
    const start = button("start", () => this.#run(), { id: "start", class: this.#answered ? null : "primary" });
    const save = () => offer([this.#answered], this.#file.name, "xlsx");
    return this.#answered ? [start, button("download", save, { class: "primary" })] : [start];
  }

  async #run() {
    this.#abort = new AbortController();
    this.#failed = this.#answered = null;
    this.#refresh();
    const options = { column: this.#column, model: chosenModel() };
    try {
      this.#answered = await answerSheet(this.#file, options, this.#abort.signal);
      announce(t("sheetDone"), 0);
    } catch (error) {
      if (error.name !== "AbortError") this.#failed = error;
    }
    this.#abort = null;
    this.#refresh();
  }

  /** Render, with the focus on what comes next. */
  #refresh() {
    this.render();
    find("file-panel").querySelector(".buttons button:last-child").focus();
  }
}
