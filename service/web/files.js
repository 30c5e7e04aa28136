// The file: chosen or dropped, read here, answered in batches, and given back.

import { announce, find, make, showProblem } from "./elements.js";
import { decode, ENCODINGS, guessEncoding } from "./encodings.js";
import { number, onLanguage, t } from "./i18n.js";
import { Job } from "./job.js";
import { chosenModel } from "./models.js";
import { checkTable, guessColumn, openTable, Unreadable } from "./tables.js";
import { openWorkbook } from "./workbook.js";

const MAX_FILE_MB = 100; // it is held in memory, as bytes and as text
const SHEETS = /\.(xls|ods|numbers)$/i;
const PREVIEWED = 3;

let file = null; // { name, bytes, encoding, header, table, column, job }
let failed = null; // the error that stands on the page

export function startFiles() {
  find("file").addEventListener("change", ({ target }) => {
    if (target.files.length) open(target.files[0]);
    target.value = ""; // so that the same file can be chosen again
  });
  for (const type of ["dragover", "dragleave", "drop"]) document.addEventListener(type, drag);
  onLanguage(() => {
    tell(failed);
    if (file) render();
  });
}

/** Take a file that is dropped anywhere: beside its place, the browser would leave the page for it. */
function drag(event) {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  find("drop").classList.toggle("over", event.type === "dragover");
  if (event.type === "drop") open(event.dataTransfer.files[0]);
}

async function open(chosen) {
  file?.job?.stop();
  file = null;
  find("file-panel").hidden = true;
  try {
    if (SHEETS.test(chosen.name)) throw new Unreadable("fileSheet");
    if (chosen.size > MAX_FILE_MB * 1e6) throw new Unreadable("fileTooBig", { limit: MAX_FILE_MB });
    const bytes = new Uint8Array(await chosen.arrayBuffer());
    const opened = { name: chosen.name, bytes, encoding: null, header: true };
    if (chosen.name.toLowerCase().endsWith(".xlsx")) {
      take(opened, checkTable(await openWorkbook(bytes)));
    } else {
      opened.encoding = guessEncoding(bytes);
      if (!opened.encoding) throw new Unreadable("fileNotText");
      read(opened);
    }
    file = opened;
    tell(null);
    render();
    find("start").focus();
  } catch (error) {
    tell(error);
  }
}

/** Read the table of a file with its encoding and header. Raises Unreadable. */
function read(opened) {
  let text;
  try {
    text = decode(opened.bytes, opened.encoding);
  } catch {
    throw new Unreadable("fileUnreadable", { encoding: ENCODINGS[opened.encoding] });
  }
  take(opened, openTable(opened.name, text, opened.header));
}

function take(opened, table) {
  opened.table = table;
  opened.column = guessColumn(table);
}

/** Say why the file cannot be read, if so. */
function tell(error) {
  failed = error;
  const reason = error instanceof Unreadable ? t(error.key, error.values) : t("fileFailed");
  showProblem(find("file-problem"), error && reason);
}

/** Read the file another way, and show it so. */
function reread(change) {
  file.job?.stop();
  file.job = null;
  find("job").replaceChildren();
  try {
    read(Object.assign(file, change));
    tell(null);
    fillColumns();
    showPreview();
  } catch (error) {
    tell(error);
  }
  find("start").disabled = failed !== null;
}

function render() {
  const { table, name } = file;
  const rows = t("rows", { count: number(table.length) });
  const parts = [
    make("h3", {}, make("span", {}, name), " ", make("span", { class: "hint", id: "rows" }, rows)),
    make("div", { class: "options" }, ...makeOptions()),
    table.isSheet ? make("p", { class: "hint" }, t("sheetHint")) : null,
    make("h4", {}, t("preview")),
    make("ul", { id: "preview", class: "preview" }),
    make("button", { type: "button", id: "start", class: "primary", onclick: start }, t("start")),
    make("div", { id: "job" }),
  ].filter(Boolean);
  find("file-panel").replaceChildren(...parts);
  find("file-panel").hidden = false;
  fillColumns();
  showPreview();
  find("start").disabled = failed !== null;
  if (file.job) showJob();
}

function makeOptions() {
  const encodings = Object.entries(ENCODINGS).map(([value, text]) =>
    make("option", { value, selected: value === file.encoding }, text),
  );
  const header = make("input", {
    type: "checkbox",
    id: "header",
    checked: file.header,
    onchange: ({ target }) => reread({ header: target.checked }),
  });
  return [
    option("column", ({ target }) => {
      file.column = Number(target.value);
      showPreview();
    }),
    file.table.isSheet ? null : option("encoding", ({ target }) => reread({ encoding: target.value }), encodings),
    file.table.hasHeader
      ? make("p", { class: "check" }, header, make("label", { for: "header" }, t("header")))
      : null,
  ].filter(Boolean);
}

const option = (id, onchange, options = []) =>
  make("p", {}, make("label", { for: id }, t(id)), make("select", { id, onchange }, ...options));

function fillColumns() {
  const { table, column } = file;
  const options = table.names.map((name, index) => {
    const text = name || t("columnNumber", { number: index + 1 });
    return make("option", { value: index, selected: index === column }, text);
  });
  find("column").replaceChildren(...options);
  find("rows").textContent = t("rows", { count: number(table.length) });
}

function showPreview() {
  const { table, column } = file;
  const rows = Array.from({ length: Math.min(PREVIEWED, table.length) }, (_, row) => row);
  const items = rows.map((row) =>
    make("li", { class: "excerpt", dir: "auto" }, table.cell(row, column) || t("empty")),
  );
  find("preview").replaceChildren(...items);
}

function start() {
  file.job?.stop();
  const { name, table, column, encoding, bytes } = file;
  file.job = new Job({ name, table, column, encoding, bytes, model: chosenModel() });
  showJob();
  file.job.run();
  announce(t("progress", { done: 0, total: number(table.length) }), 0);
}

function showJob() {
  find("start").className = ""; // from here on the download matters more
  find("job").replaceChildren(file.job.element);
  file.job.render();
}
