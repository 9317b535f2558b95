// Asks for the number of a customer, remembers it, and goes to the screen of that customer.

import { html, nothing } from "/vendor/lit.js";
import { isNumber } from "/parts.js";
import { browser } from "/storage.js";
import { t } from "/words.js";

export function customerForm(customer, { state, draw, go, path }) {
  const submit = (event) => {
    event.preventDefault();
    const asked = new FormData(event.target).get("customer").trim();
    state.invalid = !isNumber(asked);
    if (state.invalid) return draw();
    browser.set("customer", asked);
    return go(`${path}?customer=${asked}`);
  };
  return html`<form class="card tools" @submit=${submit} novalidate>
    <div class="field"><label for="customer">${t("customer")}</label>
      <input id="customer" name="customer" inputmode="numeric" autocomplete="off" data-testid="customer" .defaultValue=${customer}
        aria-invalid=${state.invalid} aria-describedby="customer-error">
      <span class="error" id="customer-error" data-testid="customer-error">${state.invalid ? t("badCustomer") : nothing}</span></div>
    <button class="main" data-testid="show">${t("show")}</button>
  </form>`;
}
