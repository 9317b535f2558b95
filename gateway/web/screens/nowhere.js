// An address that no screen has.

import { html, render } from "/vendor/lit.js";
import { heading } from "/parts.js";
import { t } from "/words.js";

export default function start({ main }) {
  render(html`${heading(t("nowhere"))}<p><a href="/" data-testid="home">${t("navSearch")}</a></p>`, main);
}
