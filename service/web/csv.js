// Delimited text (RFC 4180): quotes, line ends within them, any delimiter of one character.

const DELIMITERS = [",", "\t", ";", "|"];
const SNIFFED = { chars: 20_000, records: 20 };

/** The delimiter that cuts the first records into the same number of fields, most of them. */
export function sniffDelimiter(text) {
  const sample = text.slice(0, SNIFFED.chars);
  const fits = (delimiter) => {
    let records = parseDelimited(sample, delimiter).slice(0, SNIFFED.records);
    if (text.length > sample.length && records.length > 1) records = records.slice(0, -1);
    const width = records[0]?.cells.length ?? 0;
    const alike = records.filter(({ cells }) => cells.length === width).length;
    return width > 1 ? alike / records.length + width / 1000 : 0;
  };
  const scores = DELIMITERS.map(fits);
  return DELIMITERS[scores.indexOf(Math.max(...scores))];
}

/**
 * Records of `cells`, with `start` and `end` of the record in the text, its line end left out.
 * Empty lines are no records. A quote within a field that does not begin with one is itself.
 */
export function parseDelimited(text, delimiter) {
  const records = [];
  let at = 0;
  while (at < text.length) {
    const start = at;
    const cells = [];
    for (;;) {
      const field = readField(text, at, delimiter);
      cells.push(field.value);
      at = field.end;
      if (text[at] !== delimiter) break;
      at += 1;
    }
    const end = at;
    if (text[at] === "\r") at += 1;
    if (text[at] === "\n") at += 1;
    if (end > start) records.push({ cells, start, end });
  }
  return records;
}

function readField(text, start, delimiter) {
  if (text[start] !== '"') {
    const end = findEnd(text, start, delimiter);
    return { value: text.slice(start, end), end };
  }
  let value = "";
  let at = start + 1;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return { value: value + text.slice(at), end: text.length };
    value += text.slice(at, quote);
    if (text[quote + 1] !== '"') {
      const end = findEnd(text, quote + 1, delimiter); // what follows a closing quote belongs to it
      return { value: value + text.slice(quote + 1, end), end };
    }
    value += '"';
    at = quote + 2;
  }
}

function findEnd(text, start, delimiter) {
  let end = start;
  while (end < text.length && text[end] !== delimiter && text[end] !== "\n" && text[end] !== "\r") {
    end += 1;
  }
  return end;
}

/** A field as it is written: quoted where it has to be. */
export function writeField(value, delimiter) {
  const field = String(value);
  const plain = !field.includes(delimiter) && !/["\r\n]/.test(field);
  return plain ? field : `"${field.replaceAll('"', '""')}"`;
}
