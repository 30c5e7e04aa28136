// The first sheet of an XLSX workbook: XML (ECMA-376 part 1, 18.3) in a ZIP archive.

import { Unreadable } from "./tables.js";
import { readTags } from "./xml.js";

const MAX_UNPACKED_MB = 64; // the service, which writes the answers into it, takes no more
const END = { signature: 0x06054b50, size: 22, comment: 65_535 };
const ENTRY = { signature: 0x02014b50, size: 46 };
const LOCAL_SIZE = 30;
const STORED = 0;
const STRINGS = "xl/sharedStrings.xml";

/** The rows of the first sheet as texts; the first one names the columns. Raises Unreadable. */
export class Workbook {
  hasHeader = false;
  isSheet = true;
  suffix = "xlsx";

  constructor([header = [], ...rows]) {
    this.#rows = rows;
    this.#columns = [...header.keys()].filter((column) => header[column]?.trim());
    this.names = this.#columns.map((column) => header[column]);
  }

  #rows;
  #columns;

  get length() {
    return this.#rows.length;
  }

  cell(row, column) {
    return this.#rows[row]?.[this.#columns[column]] ?? "";
  }
}

export async function openWorkbook(bytes) {
  const parts = listParts(bytes);
  const unpacked = [...parts.values()].reduce((size, part) => size + part.unpacked, 0);
  if (unpacked > MAX_UNPACKED_MB * 2 ** 20) throw new Unreadable("fileTooBig", { limit: MAX_UNPACKED_MB });
  const read = (name) => unpack(bytes, parts.get(name));
  const path = findSheet(await read("xl/workbook.xml"), await read("xl/_rels/workbook.xml.rels"));
  const shared = parts.has(STRINGS) ? readStrings(await read(STRINGS)) : [];
  return new Workbook(readRows(await read(path), shared));
}

/** Where each part of the archive lies, by its name, as its directory at the end says. */
function listParts(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - END.size;
  const first = Math.max(0, end - END.comment);
  while (end >= first && view.getUint32(end, true) !== END.signature) end -= 1;
  if (end < first) throw new Unreadable("fileFailed");
  const parts = new Map();
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left -= 1) {
    if (view.getUint32(at, true) !== ENTRY.signature) throw new Unreadable("fileFailed");
    const [name, extra, comment] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
    const local = view.getUint32(at + 42, true);
    const skipped = view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    parts.set(new TextDecoder().decode(bytes.subarray(at + ENTRY.size, at + ENTRY.size + name)), {
      method: view.getUint16(at + 10, true),
      start: local + LOCAL_SIZE + skipped,
      packed: view.getUint32(at + 20, true),
      unpacked: view.getUint32(at + 24, true),
    });
    at += ENTRY.size + name + extra + comment;
  }
  return parts;
}

function unpack(bytes, part) {
  if (!part) throw new Unreadable("fileFailed");
  const stream = new Blob([bytes.subarray(part.start, part.start + part.packed)]).stream();
  const unpacked =
    part.method === STORED ? stream : stream.pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(unpacked).text();
}

/** The path of the first sheet of cells; a sheet of nothing but a chart has another type. */
function findSheet(workbook, relations) {
  const paths = new Map();
  for (const { name, attributes } of readTags(relations)) {
    if (name !== "Relationship" || !attributes.get("Type")?.endsWith("/worksheet")) continue;
    const target = attributes.get("Target");
    paths.set(attributes.get("Id"), target.startsWith("/") ? target.slice(1) : `xl/${target}`);
  }
  for (const { name, attributes } of readTags(workbook)) {
    if (name === "sheet" && paths.has(attributes.get("id"))) return paths.get(attributes.get("id"));
  }
}

/** Texts that cells share, each of one or more runs. */
function readStrings(xml) {
  const strings = [];
  let aloud = false; // how a text is read out, which is no part of it
  for (const { name, ends, text } of readTags(xml)) {
    if (name === "si" && !ends) strings.push("");
    if (name === "rPh") aloud = !ends;
    if (name === "t" && ends && !aloud) strings.push(strings.pop() + text);
  }
  return strings;
}

function readRows(xml, shared) {
  const rows = [];
  let row, cell;
  for (const { name, ends, attributes, text } of readTags(xml)) {
    if (name === "row" && !ends) {
      const number = Number(attributes.get("r")) || rows.length + 1;
      while (rows.length < number) rows.push([]); // rows without cells are left out
      row = rows[number - 1];
    } else if (name === "c" && !ends) {
      const reference = attributes.get("r");
      const column = reference ? findColumn(reference) : row.length;
      cell = { column, type: attributes.get("t"), value: "", formula: false };
    } else if (name === "f") {
      cell.formula = true;
    } else if (["v", "t"].includes(name) && ends) {
      cell.value += text;
    } else if (name === "c") {
      row[cell.column] = readCell(cell, shared);
    }
  }
  return rows;
}

/** A cell as text; nothing for a formula, which the service does not read either. */
function readCell({ type, value, formula }, shared) {
  if (formula) return "";
  return type === "s" ? (shared[Number(value)] ?? "") : value;
}

/** The place of a cell by its reference: A1 is 0, AB7 is 27. */
function findColumn(reference) {
  let column = 0;
  for (const letter of reference.match(/^[A-Z]+/)[0]) column = 26 * column + letter.charCodeAt(0) - 64;
  return column - 1;
}
