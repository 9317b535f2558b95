// Money, days and moments as people read them.

import { language } from "/words.js";

const CURRENCY = "KRW"; // amounts are whole units of the one currency

// Each format is made once: to make one costs a thousand times what it costs to use it.
const formats = new Map();
export function formatOf(name, make) {
  const key = `${language} ${name}`;
  return formats.get(key) ?? formats.set(key, make()).get(key);
}

const dates = (options) => formatOf(JSON.stringify(options), () => new Intl.DateTimeFormat(language, options));

export function money(amount) {
  return formatOf("money", () => new Intl.NumberFormat(language, { style: "currency", currency: CURRENCY })).format(amount);
}

// A calendar day has no zone.
export function day(text) {
  return dates({ dateStyle: "medium", timeZone: "UTC" }).format(new Date(`${text}T00:00:00Z`));
}

// With its zone, which the short styles leave out. `timeStyle` is short, or medium with seconds.
export function moment(text, timeStyle = "medium") {
  const at = new Date(text);
  const zone = dates({ timeZoneName: "short" }).formatToParts(at).find(({ type }) => type === "timeZoneName").value;
  return `${dates({ dateStyle: "medium", timeStyle }).format(at)} ${zone}`;
}

export function countdown(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
