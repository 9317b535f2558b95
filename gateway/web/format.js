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

export function moment(text) {
  const options = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" };
  return new Intl.DateTimeFormat(language, options).format(new Date(text));
}

export function countdown(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
