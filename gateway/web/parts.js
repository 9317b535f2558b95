// What several screens have, and show in the same way.

import { html, nothing, render, repeat } from "/vendor/lit.js";
import { browser } from "/storage.js";
import { t } from "/words.js";
import { mayBeRepeated, NoAnswer } from "/api.js";

// Draws the screen that is there, as after a change of the language.
export let drawAgain = () => {};

// A way to draw a screen while it is there, what its requests need, and a way to leave it. `view` makes the screen from its
// state; `state.waking` is a function that a request waits for, the first of them where there are several.
export function onScreen(main, state, view) {
  const leaving = new AbortController();
  const draw = () => { if (!leaving.signal.aborted) render(view(), main); };
  drawAgain = draw;
  const late = new Set();
  const onWaking = (name, isLate) => {
    late[isLate ? "add" : "delete"](name);
    state.waking = [...late][0] ?? null;
    draw();
  };
  return { draw, options: { signal: leaving.signal, onWaking }, leave: () => leaving.abort() };
}

export const heading = (text) => html`<h1 tabindex="-1">${text}</h1>`;

// Always there, so that a screen reader hears when something is put into it.
export const status = (text) => html`<p class="status" role="status" data-testid="status">${text || nothing}</p>`;

export const waking = (name) => (name ? t("waking", name) : "");

// One row for each item, which stays that item's own in whatever order they come next: what a person is about to press,
// or has typed, belongs to the same item as before.
export const rows = (items, key, row) => repeat(new Map((items ?? []).map((item) => [item[key], item])).values(), (item) => item[key], row);

export function failure(error, again) {
  const what = error instanceof NoAnswer ? t("noAnswer") : t(mayBeRepeated(error) ? "failed" : "refused", error.message);
  return html`<div class="notice bad" role="alert" data-testid="failure">
    <p>${what}</p>
    ${again ? html`<button data-testid="again" @click=${again}>${t("again")}</button>` : nothing}
  </div>`;
}

// A style sheet of some screens alone; there when the promise is kept.
export function styled(address) {
  if (document.querySelector(`link[href="${address}"]`)) return null;
  return new Promise((resolve, reject) => {
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: address, onload: resolve, onerror: reject }));
  });
}

export function remembered(name, fallback = "") {
  return browser.get(name) ?? fallback;
}

export function isNumber(text) {
  return /^[1-9]\d{0,17}$/.test(text);
}
