// The AsyncAPI document, as a person reads it: each event with who says and hears it, its data and an example.

import { html, nothing } from "/vendor/lit.js";
import { t } from "/words.js";

export function eventDocument(document) {
  const { info, operations, components } = document;
  return html`<section data-testid="asyncapi">
    <p lang="en">${info.description}</p>
    <p>${t("docsRaw")} <a href="/contracts/asyncapi.yaml" data-testid="asyncapi-yaml">asyncapi.yaml</a>,
      <a href="/contracts/asyncapi.json" data-testid="asyncapi-json">asyncapi.json</a></p>
    <div class="events">${Object.entries(components.messages).map(([name, message]) => event(name, message, {
      said: voices(operations, name, "send"), heard: voices(operations, name, "receive"), schema: components.schemas[name],
    }))}</div>
  </section>`;
}

// A policy that answers says its events as replies; what goes through an outbox is an operation of its own.
function voices(operations, event, action) {
  return Object.entries(operations)
    .filter(([, operation]) => says(operation.action === action ? operation : nobody, event) || (action === "send" && says(operation.reply ?? nobody, event)))
    .map(([name]) => name.replace(/-says$/, ""));
}

const nobody = { messages: [] };
const says = ({ messages }, event) => messages.some(({ $ref }) => $ref.endsWith(`/${event}`));

const event = (name, message, { said, heard, schema }) => html`<details class="card" data-testid="event-${name}">
  <summary data-testid="fields"><strong>${name}</strong> <span class="soft" lang="en">${prose(message.summary)}</span></summary>
  <dl class="facts left">
    <div><dt>${t("saidBy")}</dt><dd>${said.join(", ") || t("outside")}</dd></div>
    <div><dt>${t("heardBy")}</dt><dd>${heard.join(", ") || "–"}</dd></div>
  </dl>
  <div class="scroll" tabindex="0" role="region" aria-label=${t("fieldsOf", name)}><table>
    <thead><tr><th scope="col">${t("field")}</th><th scope="col">${t("kind")}</th><th scope="col">${t("meaning")}</th></tr></thead>
    <tbody>${Object.entries(schema.properties).map(([field, one]) => html`<tr>
      <th scope="row"><code>${field}</code>${schema.required?.includes(field) ? nothing : html` <span class="soft">${t("optional")}</span>`}</th>
      <td><code>${kind(one)}</code></td><td lang="en">${prose(one.description ?? "")}</td></tr>`)}</tbody>
  </table></div>
  <pre tabindex="0" role="region" aria-label=${t("exampleOf", name)}>${JSON.stringify(message.examples[0].payload, null, 2)}</pre>
</details>`;

// `name` in a description is code.
const prose = (text) => text.split("`").map((part, index) => (index % 2 ? html`<code>${part}</code>` : part));

function kind(schema) {
  if (schema.enum) return schema.enum.join(" | ");
  const type = [schema.type ?? schema.anyOf?.map((one) => one.type) ?? "any"].flat().join(" | ");
  return schema.format ? `${type} (${schema.format})` : type;
}
