// Search and results. The search is kept in the address, so it can be sent to somebody and come back to.

import { html, nothing } from "/vendor/lit.js";
import { behind, get } from "/api.js";
import { day, money } from "/format.js";
import { failure, heading, onScreen, rows, status, waking } from "/parts.js";
import { t } from "/words.js";

const SIZE = 12;
const FEW = 3;
const MOST = 9;
const SORTS = { date: "takeoffDate", price: "cost", seats: "remainingSeatsCount,desc" };

export default function start({ main, query, go }) {
  const search = wanted(query);
  const asked = query.has("passengers");
  const wrong = asked ? invalid(search) : {};
  const valid = asked && !Object.keys(wrong).length;
  const state = { flights: [], promotions: [], more: null, error: null, waking: null, loading: false, invalid: {} };
  const { draw, options, leave } = onScreen(main, state, () => view());

  async function load(after) {
    if (state.loading) return;
    const before = state.flights.length;
    const byButton = document.activeElement?.dataset.testid === "more";
    Object.assign(state, { loading: true, error: null });
    draw();
    try {
      const answer = await get(`/flights?${parameters(search, after)}`, options);
      state.flights.push(...answer._embedded.flights);
      state.more = behind(answer);
      state.total = answer.page.totalElements;
    } catch (error) {
      state.error = error;
      state.retry = () => load(after);
    }
    state.loading = false;
    draw();
    // the button is gone with the last page, and the keyboard would begin at the top again
    if (byButton && state.more === null) main.querySelectorAll(".flight [data-testid=choose]")[before]?.focus();
  }

  // If only the offers fail, the search has not failed.
  async function offers() {
    const answer = await get("/promotions", { signal: options.signal }).catch(() => null);
    state.promotions = answer?._embedded.promotions ?? [];
    draw();
  }

  function submit(event) {
    event.preventDefault();
    const form = new FormData(event.target);
    const values = Object.fromEntries([...form].map(([name, value]) => [name, value.trim()]));
    state.invalid = invalid(values);
    draw();
    if (Object.keys(state.invalid).length) {
      main.querySelector("[aria-invalid=true]").focus();
      return;
    }
    go(`/?${new URLSearchParams(Object.entries(values).filter(([, value]) => value))}`);
  }

  // The control is there again, and is still the one that the keyboard is at.
  async function again(change, control) {
    await go(`/?${new URLSearchParams({ ...Object.fromEntries(query), ...change })}`);
    main.querySelector(`[data-testid=${control}]`)?.focus();
  }

  const view = () => html`
    ${heading(t("searchTitle"))}
    ${promotions(state.promotions)}
    <form class="search card" @submit=${submit} novalidate data-testid="search-form">
      ${field("date", html`<input type="date" name="date" id="date" data-testid="date" .value=${search.date}
        aria-invalid=${Boolean(state.invalid.date)} aria-describedby="date-error">`, state.invalid.date)}
      ${field("code", html`<input name="code" id="code" data-testid="code" maxlength="20" autocomplete="off" placeholder="ACE890"
        .value=${search.code} aria-invalid=${Boolean(state.invalid.code)} aria-describedby="code-error">`, state.invalid.code)}
      ${field("passengers", html`<input type="number" min="1" max=${MOST} step="1" inputmode="numeric" name="passengers" id="passengers"
        data-testid="passengers" .value=${search.passengers} aria-invalid=${Boolean(state.invalid.passengers)}
        aria-describedby="passengers-error">`, state.invalid.passengers)}
      <button class="main" data-testid="search">${t("search")}</button>
    </form>
    ${valid ? results() : nothing}
    ${asked ? nothing : html`<p class="hint" data-testid="initial">${t("initial")}</p>`}
  `;

  const results = () => html`
    <section aria-labelledby="results">
      <div class="tools">
        <h2 id="results">${t("results")}</h2>
        <label>${t("sort")}
          <select data-testid="sort" @change=${(event) => again({ sort: event.target.value }, "sort")}>
            ${Object.keys(SORTS).map((name) => html`<option value=${name} ?selected=${name === search.sort}>${t(`sort_${name}`)}</option>`)}
          </select>
        </label>
        <label><input type="checkbox" data-testid="available" .checked=${search.available}
          @change=${(event) => again({ available: event.target.checked ? "1" : "" }, "available")}>${t("onlyAvailable")}</label>
      </div>
      ${status(waking(state.waking) || found())}
      <ul class="flights" data-testid="flights">
        ${rows(state.flights, "flightId", (flight) => card(flight, Number(search.passengers)))}
        ${state.loading ? [1, 2, 3].map(() => html`<li class="card skeleton" aria-hidden="true" data-testid="skeleton"></li>`) : nothing}
      </ul>
      ${state.error ? failure(state.error, state.retry) : nothing}
      ${state.more !== null && !state.error
        ? html`<button data-testid="more" @click=${() => load(state.more)}>${t("more")}</button>` : nothing}
    </section>
  `;

  const found = () => {
    if (state.loading || state.error) return state.loading ? t("searching") : "";
    return state.flights.length ? t("found", state.total) : t("none");
  };

  state.invalid = wrong;
  draw();
  if (valid) {
    load(null);
    offers();
  }
  return leave;
}

function wanted(query) {
  const sort = query.get("sort") in SORTS ? query.get("sort") : "date";
  return {
    date: query.get("date") ?? "", code: query.get("code") ?? "", passengers: query.get("passengers") ?? "1", sort,
    available: query.get("available") === "1",
  };
}

function invalid({ date, code, passengers }) {
  const wrong = {};
  if (date && (!/^\d{4}-\d\d-\d\d$/.test(date) || Number.isNaN(Date.parse(date)))) wrong.date = ["badDate"];
  if (code.length > 20) wrong.code = ["badCode"];
  if (!/^[1-9]$/.test(passengers)) wrong.passengers = ["badPassengers", MOST];
  return wrong;
}

function parameters({ date, code, passengers, sort, available }, after) {
  const values = { size: SIZE, sort: SORTS[sort] };
  if (after) values.after = after;
  if (date) values.takeoffDate = date;
  if (code) values.flightCode = code;
  if (available) values.minSeats = passengers;
  return new URLSearchParams(values);
}

const promotions = (all) => (all.length
  ? html`<ul class="promotions" aria-label=${t("promotions")} data-testid="promotions">${all.map(({ text }) => html`<li>${text}</li>`)}</ul>`
  : nothing);

const field = (name, input, error) => html`<div class="field">
  <label for=${name}>${t(name)}</label>${input}
  <span class="error" id="${name}-error" data-testid="${name}-error">${error ? t(...error) : nothing}</span>
</div>`;

function card(flight, passengers) {
  const left = flight.remainingSeatsCount;
  const open = left >= passengers;
  return html`<li class="card flight ${open ? "" : "closed"}" data-testid="flight" data-flight=${flight.flightId}>
    <div><strong>${flight.flightCode}</strong><span class="soft">${day(flight.takeoffDate)}</span></div>
    <div class="price"><strong>${money(flight.cost * passengers)}</strong><span class="soft">${t("each", money(flight.cost))}</span></div>
    <span class="seats ${tone(left, passengers)}" data-testid="seats">${seats(left, passengers)}</span>
    ${open
      ? html`<a class="button main" data-testid="choose" href="/book?flight=${flight.flightId}&passengers=${passengers}"
          aria-label=${t("chooseFlight", flight.flightCode)}>${t("choose")}</a>`
      : html`<button disabled data-testid="choose">${t("choose")}</button>`}
  </li>`;
}

function seats(left, passengers) {
  if (left === 0) return t("soldOut");
  if (left < passengers) return t("notEnough", passengers);
  return left <= FEW ? t("onlyLeft", left) : t("seatsLeft", left);
}

function tone(left, passengers) {
  if (left < passengers) return "bad";
  return left <= FEW ? "warn" : "good";
}
