// How scores are distributed: a drawing that stretches with the page, its labels beside it.

import { draw, make } from "./elements.js";
import { number, t } from "./i18n.js";
import { tone } from "./labels.js";

const BINS = 20;
const BAR = { step: 10, width: 9 };
const HEIGHT = 100;
const TICKS = [-1, -0.5, 0, 0.5, 1];

/** The histogram of `scored` rows, `{ score, label }`; `labels` from the floor upwards. */
export function histogram(scored, labels) {
  const bins = sortIntoBins(scored);
  const most = Math.max(...bins.map((bin) => bin.length));
  const fullest = bins.findIndex((bin) => bin.length === most);
  const frame = {
    viewBox: `0 0 ${BINS * BAR.step} ${HEIGHT}`,
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": t("distributionSummary", describeBin(fullest, most)),
    class: "chart",
  };
  const bars = bins.flatMap((bin, place) => drawBar(bin, place, labels, HEIGHT / most));
  const ticks = TICKS.map((value) => make("span", {}, number(value, { signDisplay: "exceptZero" })));
  return make("div", {}, draw("svg", frame, ...bars), make("p", { class: "ticks", "aria-hidden": "true" }, ...ticks));
}

/** The rows of each step from -1 to 1; the last one takes 1 too. */
export function sortIntoBins(scored) {
  const bins = Array.from({ length: BINS }, () => []);
  for (const row of scored) {
    bins[Math.min(BINS - 1, Math.floor(((row.score + 1) / 2) * BINS))].push(row);
  }
  return bins;
}

/** A part for each label, one upon the other. */
function drawBar(bin, place, labels, scale) {
  let y = HEIGHT;
  return labels.map((label) => {
    const height = scale * bin.filter((row) => row.label === label).length;
    y -= height;
    const x = place * BAR.step + (BAR.step - BAR.width) / 2;
    const title = draw("title", {}, t("barTitle", describeBin(place, bin.length)));
    return draw("rect", { x, y, width: BAR.width, height, class: tone(label) }, title);
  });
}

function describeBin(place, count) {
  const edge = (at) => number((2 * at) / BINS - 1, { maximumFractionDigits: 1 });
  return { from: edge(place), to: edge(place + 1), count: number(count) };
}
