// Rebuild: the projection against its own history. Reconcile: the laws over the books of all services.

import { html, nothing } from "/vendor/lit.js";
import { command, newKey } from "/api.js";
import { t } from "/words.js";
import { reconcile } from "/screens/ops/books.js";
import { LAWS } from "/screens/ops/laws.js";
import { panel, saga } from "/screens/ops/panel.js";

const FIGURES = ["events", "reservations", "differing", "repaired", "customers", "withoutHistory"];

export const wide = true;

export default function start({ main }) {
  const state = { rebuilt: null, verdict: null, read: 0 };
  const { draw, attempt, options, leave } = panel(main, "checks", state, () => view());

  const rebuild = (dryRun) => attempt(async () => {
    let path = `/customerInfos/rebuild?dryRun=${dryRun}`;
    const whole = { examples: [], ...Object.fromEntries(FIGURES.map((name) => [name, 0])) };
    while (path) { // one call goes on for 20 seconds at most
      const found = await command("POST", path, { ...options, key: newKey() });
      for (const name of FIGURES) whole[name] += found[name];
      whole.examples = [...whole.examples, ...found.examples].slice(0, 20);
      state.rebuilt = { ...whole };
      draw();
      const next = found._links?.next && new URL(found._links.next.href);
      path = next && next.pathname + next.search;
    }
    if (whole.differing > whole.repaired) return t("differs", whole.differing - whole.repaired);
    return dryRun && whole.customers ? t("countsDiffer", whole.customers) : t("asHistory");
  });

  const check = () => attempt(async () => {
    state.verdict = null;
    state.verdict = await reconcile(options, (read) => { state.read = read; state.said = t("readSoFar", read); draw(); });
    return state.verdict.broken.length ? t("lawsBroken", state.verdict.broken.length) : t("lawsHold");
  });

  const view = () => html`
    <section class="card box"><h2>${t("rebuildTitle")}</h2><p class="soft">${t("rebuildHint")}</p>
      <div class="buttons"><button class="main" data-testid="compare" ?disabled=${state.busy} @click=${() => rebuild(true)}>${t("compare")}</button>
        <button data-testid="repair" ?disabled=${state.busy} @click=${() => rebuild(false)}>${t("repair")}</button></div>
      ${state.rebuilt ? html`<dl class="facts" data-testid="rebuilt">${FIGURES.map((name) => html`<div><dt>${t(`rebuilt_${name}`)}</dt>
        <dd data-testid="rebuilt-${name}">${state.rebuilt[name]}</dd></div>`)}</dl>
        ${state.rebuilt.examples.map((identity) => html`<p>${saga(identity)}</p>`)}` : nothing}
    </section>
    <section class="card box"><h2>${t("reconcileTitle")}</h2><p class="soft">${t("reconcileHint")}</p>
      <div class="buttons"><button class="main" data-testid="reconcile" ?disabled=${state.busy} @click=${check}>${t("reconcile")}</button></div>
      ${state.verdict ? laws(state.verdict) : nothing}
      <p class="soft" data-testid="unchecked">${t("unchecked")}</p>
    </section>
  `;

  draw();
  return leave;
}

const laws = ({ broken, busy, suspected, books }) => html`
  <p data-testid="totals">${t("totals", books.flights.length, books.reservations.length, books.customers.length, suspected)}</p>
  <ul class="rows" data-testid="laws">${Object.keys(LAWS).map((law) => {
    const found = broken.filter((one) => one.law === law);
    const moving = busy.filter((one) => one.law === law);
    return html`<li data-testid="law-${law}" data-holds=${!found.length}><div class="law"><span>${t(`law_${law}`)}</span>
      <span class="state ${found.length ? "bad" : moving.length ? "warn" : "good"}">${found.length ? t("broken", found.length) : moving.length ? t("moving", moving.length) : t("holds")}</span></div>
      ${[...found, ...moving].map(({ subject, detail: [word, ...values] }) => html`<p class="reason"><span class="mono">${subject}</span> ${t(word, ...values)}</p>`)}</li>`;
  })}</ul>`;
