// The bytes of a file as text.

export const ENCODINGS = { "utf-8": "UTF-8", gb18030: "GB18030 / GBK", "windows-1252": "Windows-1252", "utf-16le": "UTF-16" };

const LOOKED_AT = 8000; // bytes, as git does

/** The encoding of bytes: by their mark, else UTF-8 where they are that, else Chinese; null for no text. */
export function guessEncoding(bytes) {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "utf-16le";
  if (bytes.subarray(0, LOOKED_AT).includes(0)) return null;
  for (const encoding of ["utf-8", "gb18030"]) {
    if (isEncoded(bytes, encoding)) return encoding;
  }
  return "windows-1252";
}

/** The text without a mark. Throws a TypeError where the bytes are not so encoded. */
export const decode = (bytes, encoding) => new TextDecoder(encoding, { fatal: true }).decode(bytes);

export const hasMark = (bytes) => bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;

function isEncoded(bytes, encoding) {
  try {
    decode(bytes, encoding);
    return true;
  } catch {
    return false;
  }
}
