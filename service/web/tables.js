// The rows of a file, whatever its format, and the same file with columns added.

import { parseDelimited, sniffDelimiter, writeField } from "./csv.js";

const TEXT_NAMES = /^(text|texts|review|reviews|comment|comments|content|sentence|tweet|message|body|inputs?|文本|内容|評論|评论|评价|评语|句子|正文)$/i;
const SAMPLED = 50;

/** Why a file cannot be read: `key` of the page's texts. */
export class Unreadable extends Error {
  constructor(key, values = {}) {
    super(key);
    Object.assign(this, { key, values });
  }
}

/** The table of a file's text. Raises Unreadable. */
export function openTable(name, text, header) {
  const suffix = name.toLowerCase().split(".").pop();
  return checkTable(make(suffix, text, header));
}

/** The table, where it holds something. Raises Unreadable. */
export function checkTable(table) {
  if (table.length === 0) throw new Unreadable("fileEmpty");
  if (table.names.length === 0) throw new Unreadable("fileNoText");
  return table;
}

function make(suffix, text, header) {
  if (["jsonl", "ndjson", "json"].includes(suffix)) return new JsonLines(text);
  if (suffix === "txt") return new Lines(text);
  return new Delimited(text, suffix === "tsv" ? "\t" : sniffDelimiter(text), header);
}

/** CSV and its like. What was there is written as it was, to the last quote. */
export class Delimited {
  hasHeader = true;

  constructor(text, delimiter, header) {
    const records = parseDelimited(text, delimiter);
    this.suffix = delimiter === "\t" ? "tsv" : "csv";
    this.#text = text;
    this.#delimiter = delimiter;
    this.#lineEnd = text.includes("\r\n") ? "\r\n" : "\n";
    this.#head = header ? (records.shift() ?? null) : null;
    this.#records = records;
    this.#width = (this.#head ?? records[0])?.cells.length ?? 0;
    const cells = this.#head?.cells ?? Array(this.#width).fill("");
    this.names = cells.map((cell) => cell.trim());
  }

  #text;
  #delimiter;
  #lineEnd;
  #head;
  #records;
  #width;

  get length() {
    return this.#records.length;
  }

  cell(row, column) {
    return this.#records[row].cells[column] ?? "";
  }

  /** The parts of the file with the columns `added`, whose values `answer` gives for a row. */
  *write(added, answer) {
    if (this.#head) yield this.#extend(this.#head, added);
    for (const [row, record] of this.#records.entries()) {
      const values = answer(row);
      yield this.#extend(record, added.map((name) => values[name] ?? ""));
    }
  }

  #extend(record, values) {
    const missing = Math.max(0, this.#width - record.cells.length);
    const fields = [...Array(missing).fill(""), ...values];
    const written = fields.map((value) => writeField(value, this.#delimiter));
    return [this.#text.slice(record.start, record.end), ...written].join(this.#delimiter) + this.#lineEnd;
  }
}

/** A text on each line; written as CSV. */
export class Lines {
  hasHeader = false;
  suffix = "csv";
  names = ["text"];

  constructor(text) {
    this.#lines = text.split(/\r\n|\n|\r/).filter((line) => line.trim());
  }

  #lines;

  get length() {
    return this.#lines.length;
  }

  cell(row) {
    return this.#lines[row];
  }

  *write(added, answer) {
    const join = (values) => `${values.map((value) => writeField(value, ",")).join(",")}\n`;
    yield join(["text", ...added]);
    for (const [row, line] of this.#lines.entries()) {
      const values = answer(row);
      yield join([line, ...added.map((name) => values[name] ?? "")]);
    }
  }
}

/** An object on each line. */
export class JsonLines {
  hasHeader = false;
  suffix = "jsonl";

  constructor(text) {
    this.#lines = [];
    this.#objects = [];
    for (const [index, line] of text.split("\n").entries()) {
      if (!line.trim()) continue;
      this.#lines.push(line.trim());
      this.#objects.push(parseObject(line, index + 1));
    }
    const sample = this.#objects.slice(0, SAMPLED);
    const names = new Set(sample.flatMap((object) => Object.keys(object)));
    this.names = [...names].filter((name) => sample.some((object) => typeof object[name] === "string"));
    this.taken = [...names];
  }

  #lines;
  #objects;

  get length() {
    return this.#objects.length;
  }

  cell(row, column) {
    const value = this.#objects[row][this.names[column]];
    return value === undefined || value === null ? "" : String(value);
  }

  *write(added, answer) {
    for (const [row, line] of this.#lines.entries()) {
      const values = answer(row);
      const pairs = added.filter((name) => name in values).map((name) => pair(name, values[name]));
      const before = line.slice(0, -1).trimEnd(); // without its closing brace: numbers stay as written
      yield `${before}${before === "{" ? "" : ", "}${pairs.join(", ")}}\n`;
    }
  }
}

const pair = (name, value) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`;

function parseObject(line, number) {
  let value;
  try {
    value = JSON.parse(line);
  } catch {
    throw new Unreadable("fileNotJson", { line: number });
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new Unreadable("fileNotJson", { line: number });
  }
  return value;
}

/** The column that most likely holds the texts: by its name, else the one with the most text. */
export function guessColumn(table) {
  const named = table.names.findIndex((name) => TEXT_NAMES.test(name));
  if (named >= 0) return named;
  const rows = Array.from({ length: Math.min(SAMPLED, table.length) }, (_, row) => row);
  const sizes = table.names.map((_, column) =>
    rows.reduce((size, row) => size + table.cell(row, column).length, 0),
  );
  return sizes.indexOf(Math.max(...sizes));
}

/** The names of the added columns: as `POST /predict/file` has them, told apart where taken. */
export function nameColumns(table, labels) {
  const names = ["label", "score", ...labels.map((label) => `score_${label}`), "error"];
  const taken = table.taken ?? table.names;
  const clash = names.some((name) => taken.includes(name));
  return names.map((name) => (clash ? `sentiment_${name}` : name));
}
