// The tags of some XML one by one. The page's Content-Security-Policy keeps the browser's own parser
// away from whatever a file holds, and a tree of a large sheet would take a gigabyte.

const TOKEN =
  /<!\[CDATA\[([^]*?)\]\]>|<!--[^]*?-->|<[?!][^>]*>|<(\/?)(?:[\w.-]+:)?([\w.-]+)((?:"[^"]*"|'[^']*'|[^>"'])*?)(\/?)>/g;
const ATTRIBUTE = /(?:[\w.-]+:)?([\w.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;
const REFERENCE = /&(?:#(\d+)|#x([\da-fA-F]+)|(\w+));/g;
const NAMED = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

/**
 * Each tag as `name` and `attributes`, both without their namespaces; `ends` for one that closes an
 * element, with the `text` since the tag before. An element without content gives both.
 */
export function* readTags(xml) {
  let text = "";
  let at = 0;
  for (const token of xml.matchAll(TOKEN)) {
    const [whole, data, closing, name, attributes, empty] = token;
    text += decode(xml.slice(at, token.index)) + (data ?? "");
    at = token.index + whole.length;
    if (name === undefined) continue;
    if (!closing) yield { name, ends: false, attributes: readAttributes(attributes), text: "" };
    if (closing || empty) yield { name, ends: true, attributes: new Map(), text: empty ? "" : text };
    text = "";
  }
}

function readAttributes(written) {
  const pairs = [...written.matchAll(ATTRIBUTE)].map(([, name, double, single]) => [name, double ?? single]);
  return new Map(pairs.map(([name, value]) => [name, decode(value)]));
}

const decode = (text) =>
  text.replace(REFERENCE, (whole, decimal, hexadecimal, name) => {
    if (name) return NAMED[name] ?? whole;
    return String.fromCodePoint(decimal ? Number(decimal) : parseInt(hexadecimal, 16));
  });
