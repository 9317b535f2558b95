// Money, days and moments as people read them.

import { language } from "/words.js";

const CURRENCY = "KRW"; // amounts are whole units of the one currency

export function money(amount) {
  return new Intl.NumberFormat(language, { style: "currency", currency: CURRENCY }).format(amount);
}

// A calendar day has no zone.
export function day(text) {
  const options = { dateStyle: "medium", timeZone: "UTC" };
  return new Intl.DateTimeFormat(language, options).format(new Date(`${text}T00:00:00Z`));
}

// With its zone, which the short styles leave out. `timeStyle` is short, or medium with seconds.
export function moment(text, timeStyle = "medium") {
  const at = new Date(text);
  const zone = new Intl.DateTimeFormat(language, { timeZoneName: "short" }).formatToParts(at).find(({ type }) => type === "timeZoneName").value;
  return `${new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle }).format(at)} ${zone}`;
}

export function countdown(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
