// Making and finding elements; text is only ever set as text, never as markup.

export const find = (id) => document.getElementById(id);

/** A new element; `properties` are its attributes, `on…` its listeners; null ones are left out. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** A new element of SVG. */
export function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function showProblem(element, message) {
  element.textContent = message ?? "";
  element.hidden = !message;
}

let pending;

/** Tell a screen reader, once what is to be told has stopped changing. */
export function announce(message, afterMs = 800) {
  clearTimeout(pending);
  pending = setTimeout(() => (find("announcer").textContent = message), afterMs);
}
