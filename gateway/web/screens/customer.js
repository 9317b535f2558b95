// What the dashboard counts for one customer, and the rule by which it counts.

import { html, nothing } from "/vendor/lit.js";
import { get, Problem } from "/api.js";
import { customerForm } from "/customer-form.js";
import { day, money } from "/format.js";
import { failure, heading, isNumber, onScreen, remembered, status, waking } from "/parts.js";
import { t } from "/words.js";

export default function start({ main, query, go }) {
  const customer = query.get("customer") ?? remembered("customer");
  const state = { counts: null, none: false, error: null, waking: null, invalid: false };
  const { draw, options, leave } = onScreen(main, state, () => view());

  async function load() {
    state.error = null;
    draw();
    try {
      state.counts = await get(`/customerInfos/${customer}`, options);
    } catch (error) {
      state.none = error instanceof Problem && error.status === 404;
      state.error = state.none ? null : error;
    }
    draw();
  }

  const view = () => html`
    ${heading(t("navCustomer"))}
    ${customerForm(customer, { state, draw, go, path: "/customers" })}
    ${status(waking(state.waking) || message())}
    ${state.counts ? counts(state.counts) : nothing}
    ${state.error ? failure(state.error, load) : nothing}
    <p class="soft" data-testid="rule">${t("countRule")}</p>
  `;

  const message = () => {
    if (!isNumber(customer)) return t("whoAreYou");
    if (state.none) return t("noTrips");
    return state.counts || state.error ? "" : t("loading");
  };

  draw();
  if (isNumber(customer)) load();
  return leave;
}

const counts = (info) => html`<dl class="card facts big" data-testid="counts">
  <div><dt>${t("flightCount")}</dt><dd data-testid="flightCount">${info.flightCount}</dd></div>
  <div><dt>${t("confirmedCount")}</dt><dd data-testid="confirmedCount">${info.confirmedCount}</dd></div>
  <div><dt>${t("canceledCount")}</dt><dd data-testid="canceledCount">${info.canceledCount}</dd></div>
  <div><dt>${t("recentReserveDate")}</dt><dd data-testid="recentReserveDate">${info.recentReserveDate ? day(info.recentReserveDate) : "–"}</dd></div>
  <div><dt>${t("spent")}</dt><dd data-testid="spent">${amount(info.spent)}</dd></div>
  <div><dt>${t("refunded")}</dt><dd data-testid="refunded">${amount(info.refunded)}</dd></div>
</dl>`;

// Not known where an earlier release has forgotten the amount of a reservation.
const amount = (value) => (typeof value === "number" ? money(value) : t("unknownAmount"));
