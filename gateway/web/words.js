// The language of the page, and its words.

import { browser } from "/storage.js";

const LANGUAGES = { en: () => import("/words/en.js"), ko: () => import("/words/ko.js") };

const rooms = new Set();
let words = {};
export let language = "en";

// With the words of all rooms that were learned before.
export async function speak(wanted) {
  const chosen = wanted in LANGUAGES ? wanted : "en";
  const all = await Promise.all([LANGUAGES[chosen](), ...[...rooms].map((room) => wordsOf(room, chosen))]);
  words = Object.assign({}, ...all.map((one) => one.default));
  language = chosen;
  document.documentElement.lang = language;
}

export function preferred() {
  const chosen = browser.get("language") ?? navigator.language;
  return chosen.startsWith("ko") ? "ko" : "en";
}

// Words that only some screens need.
export async function learn(room) {
  rooms.add(room);
  words = { ...words, ...(await wordsOf(room, language)).default };
}

const wordsOf = (room, chosen) => import(`/words/${room}.${chosen}.js`);

export const hasWord = (name) => name in words;

// The text of a name; some need values.
export function t(name, ...values) {
  const text = words[name];
  if (text === undefined) throw new Error(`no word for ${name} in ${language}`);
  return typeof text === "function" ? text(...values) : text;
}
