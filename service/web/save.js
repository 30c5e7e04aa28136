// A file for the person to keep.

const KEEP_MS = 60_000; // browsers fetch a download after the click

/** Download `parts` as one file, named after the one that they answer. */
export function offer(parts, name, suffix) {
  const address = URL.createObjectURL(new Blob(parts));
  const link = document.createElement("a");
  link.href = address;
  link.download = `${name.replace(/\.[^.]*$/, "")}-sentiment.${suffix}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), KEEP_MS);
}
