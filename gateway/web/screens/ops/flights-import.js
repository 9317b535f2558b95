// A CSV file of flights, line by line: each is one command, so the same file again adds nothing twice.

import { html, nothing } from "/vendor/lit.js";
import { command, Problem } from "/api.js";
import { t } from "/words.js";
import { COLUMNS, decoded, keyOf, linesOf, NotReadable } from "/screens/ops/csv.js";

const ENCODINGS = ["utf-8", "euc-kr", "shift_jis", "windows-1252"];

export function importForm({ attempt, draw, options, imported }) {
  let [bad, added, unreadable] = [[], null, ""];

  function submit(event) {
    event.preventDefault();
    const form = new FormData(event.target);
    const file = form.get("file");
    [bad, added, unreadable] = [[], null, ""];
    if (!file?.size) {
      unreadable = t("csvNone");
      return draw();
    }
    return attempt(() => take(file, form.get("encoding")));
  }

  async function take(file, encoding) {
    let lines;
    try {
      lines = linesOf(decoded(new Uint8Array(await file.arrayBuffer()), encoding));
    } catch (error) {
      if (!(error instanceof NotReadable)) throw error;
      unreadable = t(...error.word);
      return t("notTaken");
    }
    [bad, added] = [[], 0]; // a second try goes through the whole file again
    for (const line of lines) {
      const reason = line.reason ? t(...line.reason) : await refused(file.name, line);
      if (reason) bad.push({ ...line, said: reason });
      else added += 1;
      draw();
    }
    await imported();
    return t("imported", added, bad.length);
  }

  async function refused(name, { fields }) {
    try {
      await command("POST", "/flights", { ...options, body: fields, key: keyOf(name, fields) });
      return "";
    } catch (error) {
      if (!(error instanceof Problem) || error.status >= 500) throw error;
      return [error.message, ...Object.entries(error.fields).map(([field, message]) => `${field}: ${message}`)].join(" ");
    }
  }

  const view = (busy) => html`<form class="card box" @submit=${submit} novalidate><h2>${t("importTitle")}</h2>
    <p class="soft">${t("importHint", COLUMNS.join(", "))}</p>
    <div class="fields"><div class="field"><label for="file">${t("file")}</label>
      <input id="file" name="file" type="file" accept=".csv,.tsv,.txt,text/csv" data-testid="file" aria-describedby="file-error" aria-invalid=${Boolean(unreadable)}>
      <span class="error" id="file-error" data-testid="file-error">${unreadable || nothing}</span></div>
    <div class="field"><label for="encoding">${t("encoding")}</label><select id="encoding" name="encoding" data-testid="encoding">
      ${ENCODINGS.map((name) => html`<option>${name}</option>`)}</select></div>
    <button class="main" data-testid="import" ?disabled=${busy}>${t("import")}</button></div>
    ${added === null ? nothing : html`<p data-testid="imported">${t("imported", added, bad.length)}</p>`}
    ${bad.length ? html`<div class="scroll" tabindex="0" role="region" aria-label=${t("badLines")}><table data-testid="bad-lines">
      <thead><tr><th scope="col">${t("line")}</th><th scope="col">${t("why")}</th><th scope="col">${t("written")}</th></tr></thead>
      <tbody>${bad.map(({ number, said, written }) => html`<tr data-testid="bad-line"><th scope="row">${number}</th><td>${said}</td><td class="mono">${written}</td></tr>`)}</tbody>
    </table></div>` : nothing}
  </form>`;

  return { view };
}
