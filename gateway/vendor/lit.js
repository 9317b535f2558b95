// What the page uses of Lit.
export { html, noChange, nothing, render } from "lit/html.js";
export { live } from "lit/directives/live.js";
export { repeat } from "lit/directives/repeat.js";
