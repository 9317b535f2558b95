// An address that no screen has.

import { html } from "/vendor/lit.js";
import { heading, onScreen } from "/parts.js";
import { t } from "/words.js";

export default function start({ main }) {
  const view = () => html`${heading(t("nowhere"))}<p><a href="/" data-testid="home">${t("navSearch")}</a></p>`;
  const { draw, leave } = onScreen(main, {}, view);
  draw();
  return leave;
}
