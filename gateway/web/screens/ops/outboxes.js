// What was decided and the broker has not taken yet, and which commands were accepted and are not done.

import { html, nothing } from "/vendor/lit.js";
import { get } from "/api.js";
import { moment } from "/format.js";
import { t } from "/words.js";
import { OUTBOXES, panel } from "/screens/ops/panel.js";

export const wide = true;

export default function start({ main }) {
  const state = { boxes: null };
  const { draw, attempt, options, leave } = panel(main, "outboxes", state, () => view());

  async function load() {
    const boxes = await Promise.all(OUTBOXES.map((name) => get(`/outbox/${name}`, options)));
    state.boxes = boxes.map((box, index) => ({ name: OUTBOXES[index], ...box }));
  }

  const view = () => html`
    <div class="tools"><p class="soft grow">${t("outboxHint")}</p>
      <button data-testid="reload" ?disabled=${state.busy} @click=${() => attempt(load)}>${t("reload")}</button></div>
    ${(state.boxes ?? []).map(card)}
  `;

  draw();
  attempt(load);
  return leave;
}

const card = ({ name, unsent, oldest, commands, oldestCommand }) => html`<section class="card box" data-testid="outbox-${name}">
  <h2>${name}</h2>
  <p class="state ${unsent ? "warn" : "good"}" data-testid="unsent-${name}">${unsent ? t("unsent", unsent) : t("allSent")}</p>
  ${oldest ? html`<p>${t("oldestWaits", moment(oldest))}</p>` : nothing}
  ${commands === undefined ? nothing : html`<p data-testid="commands">${commands ? t("commandsWait", commands, moment(oldestCommand)) : t("noCommands")}</p>`}
</section>`;
