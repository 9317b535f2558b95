// What several screens show in the same way.

import { html, nothing } from "/vendor/lit.js";
import { t } from "/words.js";
import { NoAnswer } from "/api.js";

export const heading = (text) => html`<h1 tabindex="-1">${text}</h1>`;

// Always there, so that a screen reader hears when something is put into it.
export const status = (text) => html`<p class="status" role="status" data-testid="status">${text || nothing}</p>`;

export const waking = (name) => (name ? t("waking", name) : "");

export function failure(error, again) {
  const what = error instanceof NoAnswer ? t("noAnswer") : t("refused", error.message);
  return html`<div class="notice bad" role="alert" data-testid="failure">
    <p>${what}</p>
    ${again ? html`<button data-testid="again" @click=${again}>${t("again")}</button>` : nothing}
  </div>`;
}

export function remembered(name, fallback = "") {
  return localStorage.getItem(name) ?? fallback;
}

export function isNumber(text) {
  return /^[1-9]\d{0,17}$/.test(text);
}
