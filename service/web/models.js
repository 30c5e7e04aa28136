// Which model answers; nobody is asked where there is only one.

import { listModels } from "./api.js";
import { find, make } from "./elements.js";

const listeners = [];

/** The name of the chosen model, undefined for the default one. */
export const chosenModel = () => find("model").value || undefined;

/** Have `listener` called whenever another model is chosen. */
export const onModel = (listener) => listeners.push(listener);

export async function startModels() {
  let models;
  try {
    models = await listModels();
  } catch {
    return; // the default model answers; that the service is away is said when it is asked
  }
  const options = models.map(({ name }) => make("option", { value: name }, name));
  find("model").append(...options);
  find("chooser").hidden = models.length < 2;
  find("model").addEventListener("change", () => listeners.forEach((listener) => listener()));
}
