// What the board shows in words: nodes, figures, the chart, running sagas, what went wrong. All of it is a function of the
// board's state and of `now` (ms since 1970).

import { html, nothing, repeat } from "/vendor/lit.js";
import { figuresOf, isOver, median, rate, reports } from "/board/state.js";
import { formatOf } from "/format.js";
import { language, t } from "/words.js";

const CHART = 300; // seconds
const HEIGHT = 60;
const LISTED = 12;
const TROUBLES = 6;

const number = (value, digits = 0) => formatOf(digits, () =>
  new Intl.NumberFormat(language, { maximumFractionDigits: digits, minimumFractionDigits: digits })).format(value);
const clock = (at) => formatOf("clock", () =>
  new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit" })).format(new Date(at));
export const edgeRate = (value) => `${number(value, 1)}/s`;
const rateOf = (value) => (value >= 0.05 ? number(value, 1) : "0");

export function facts(board, now) {
  const all = Object.values(board.functions);
  const cold = median(all.flatMap(({ wakings }) => wakings.map(({ seconds }) => seconds)));
  const figures = Object.keys(board.functions).map((name) => figuresOf(board, name)).filter((one) => one !== null);
  const known = figures.every(Boolean);
  const sum = (name) => (known ? number(figures.reduce((total, one) => total + one[name], 0)) : t("notKnown"));
  const heard = Object.keys(board.functions).reduce((total, name) => total + rate(board, name, now), 0);
  const entries = [
    ["awake", t("fact_awake"), t("of", all.filter(({ instances }) => instances > 0).length, all.length)],
    ["rate", t("fact_rate"), board.broker ? t("perSecond", rateOf(heard)) : t("notKnown")],
    ["cold", t("fact_cold"), cold === null ? "–" : t("seconds", number(cold, 1))],
    ["retries", t("fact_retries"), sum("retries")],
    ["letters", t("fact_letters"), sum("deadLettered")],
    ["kept", t("fact_kept"), sum("kept")],
  ];
  return html`<dl class="numbers" data-testid="facts">
    ${entries.map(([name, word, value]) => html`<div class="card"><dt>${word}</dt><dd data-testid="fact-${name}">${value}</dd></div>`)}
  </dl>`;
}

export function node(board, name, now, touched) {
  const { state, since, instances } = board.functions[name];
  const lasted = Math.max(0, (now - board.skew - Date.parse(since)) / 1000);
  const figures = figuresOf(board, name);
  return html`<li class="node ${touched ? "touched" : ""}" data-function=${name} data-state=${state} data-testid="function">
    <span class="light" aria-hidden="true"></span>
    <span class="who">${name}${touched ? html` <span class="mark">${t("inSaga")}</span>` : nothing}</span>
    <span class="what">${stateWords(state, lasted)}${instances > 0 ? html` · ${t("instances", instances)}` : nothing}</span>
    <span class="extra">${extras(figures, board.functions[name], rate(board, name, now), reports(board)).map((text) => html`<span>${text}</span>`)}${warnings(figures)}</span>
  </li>`;
}

function stateWords(state, lasted) {
  if (state === "waking") return t("state_waking", number(lasted, 1));
  if (state === "awake") return t("state_awake", lasted < 90 ? t("seconds", number(lasted)) : t("minutes", number(lasted / 60)));
  return t(`state_${state}`);
}

function extras(figures, { wakings, leastInstances = 0 }, heard, reported) {
  const words = [];
  if (wakings.length) words.push(t("wokeIn", number(wakings.at(-1).seconds, 1)));
  if (leastInstances) words.push(t("neverSleeps", leastInstances));
  if (figures !== null && heard) words.push(t("perSecond", rateOf(heard)));
  if (figures?.backlog) words.push(t("waiting", number(figures.backlog)));
  if (figures === undefined && reported) words.push(t("figuresNotKnown"));
  return words;
}

const warnings = (figures) => (figures
  ? [["retries", "retries"], ["deadLettered", "letters"], ["kept", "kept"]].filter(([name]) => figures[name]).map(([name, word]) =>
    html`<span class="badge ${word}" data-testid="badge-${word}">${t(`badge_${word}`, figures[name])}</span>`)
  : nothing);

// How many functions were awake, a step for each change. Drawn as one path of as many points.
export function chart(board, now) {
  const end = now - board.skew;
  const all = Object.keys(board.functions).length;
  const x = (at) => Math.max(0, CHART - (end - at) / 1000);
  const y = (value) => HEIGHT - 2 - ((HEIGHT - 6) * value) / Math.max(1, all);
  const path = board.awake.map(([at, value], place) => `${place ? `H${x(at).toFixed(1)}V` : `M${x(at).toFixed(1)} `}${y(value).toFixed(1)}`).join("");
  const most = Math.max(0, ...board.awake.map(([, value]) => value));
  const line = board.awake.length ? `${path}H${CHART}` : "";
  return html`<figure class="card chart" data-testid="chart">
    <figcaption><h2>${t("chartTitle")}</h2><p class="soft">${t("chartWords", most, all)}</p></figcaption>
    <svg viewBox="0 0 ${CHART} ${HEIGHT}" preserveAspectRatio="none" aria-hidden="true">
      <path class="area" d=${line ? `${line}V${HEIGHT}H${x(board.awake[0][0]).toFixed(1)}Z` : ""}></path><path class="line" d=${line}></path>
    </svg>
    <p class="soft axis" aria-hidden="true"><span>${t("minutesAgo", 5)}</span><span>${t("now")}</span></p>
  </figure>`;
}

export const sagaList = (found, chosen, choose) => html`<section class="card" aria-labelledby="sagas">
  <h2 id="sagas">${t("sagasTitle")}</h2>
  ${found.length
    ? html`<ul class="sagas">${repeat(found, ({ id }) => id, (one) => saga(one, one.id === chosen, choose))}</ul>`
    : html`<p class="soft">${t("noSagas")}</p>`}
</section>`;

const saga = (one, chosen, choose) => html`<li data-testid="saga" data-saga=${one.id} data-chosen=${chosen}>
  <div><a href="/trips/${encodeURIComponent(one.id)}" data-testid="open-trip">${one.id}</a>
    <span class="state ${isOver(one) ? "succeed" : "pending"}">${t(isOver(one) ? "sagaOver" : "sagaRunning")}</span></div>
  <button class="plain" data-testid="highlight" aria-pressed=${chosen} aria-label=${t("highlightThis", one.id)}
    @click=${() => choose(one.id)}>${t(chosen ? "highlighted" : "highlight")}</button>
  <p class="soft">${one.types.join(" → ")}</p>
</li>`;

export const troubles = (board) => html`<section class="card" aria-labelledby="troubles">
  <h2 id="troubles">${t("troublesTitle")}</h2>
  ${board.retries.length
    ? html`<ul class="log">${board.retries.slice(0, TROUBLES).map((one) => html`<li data-testid="trouble" data-state=${one.state}>
        <strong>${t(`delivery_${one.state}`)}</strong> <span>${one.type} → ${one.to ?? one.trigger}</span>
        <span class="soft">${one.failure ?? ""}</span></li>`)}</ul>`
    : html`<p class="soft">${t(reports(board) ? "noTroubles" : "unreported")}</p>`}
</section>`;

export const eventList = (board) => html`<section class="card" aria-labelledby="events">
  <h2 id="events">${t("eventsTitle")}</h2>
  ${board.events.length
    ? html`<ol class="log">${board.events.slice(0, LISTED).map((one) => html`<li data-testid="event" data-type=${one.type}>
        <time datetime=${one.at}>${clock(one.at)}</time> <strong>${one.type}</strong>
        <span class="soft">${t("fromTo", one.by ?? t("outside"), one.to.join(", ") || t("nobody"))}</span></li>`)}</ol>`
    : html`<p class="soft">${t("noEvents")}</p>`}
</section>`;

const COLUMNS = ["backlog", "inFlight", "delivered", "retries", "deadLettered", "kept"];

export const triggerTable = (board) => !reports(board) ? nothing : html`<details>
  <summary data-testid="triggers">${t("triggersTitle", Object.keys(board.triggers).length)}</summary>
  <div class="scroll" role="region" tabindex="0" aria-label=${t("triggersTitle", Object.keys(board.triggers).length)}>
    <table><thead><tr><th scope="col">${t("trigger")}</th>${COLUMNS.map((name) => html`<th scope="col">${t(`figure_${name}`)}</th>`)}</tr></thead>
      <tbody>${Object.entries(board.triggers).map(([key, figures]) => html`<tr><th scope="row">${key}</th>
        ${COLUMNS.map((name) => html`<td>${number(figures[name])}</td>`)}</tr>`)}</tbody></table>
  </div>
</details>`;
