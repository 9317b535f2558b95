// Flights from a CSV file, by the rules of `airline flights import`: which lines it has, and why others are not.
// Pure: no network.

export const COLUMNS = ["flightCode", "takeoffDate", "cost", "remainingSeatsCount"];
const SEPARATORS = [",", ";", "\t"]; // spreadsheets write semicolons where a comma separates decimals

// What stops a whole file: the word that says so, and its values.
export class NotReadable extends Error {
  constructor(...word) {
    super(word.join(" "));
    this.word = word;
  }
}

export function decoded(bytes, encoding) {
  const marked = bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : encoding;
  try {
    const text = new TextDecoder(marked, { fatal: true }).decode(bytes);
    if (!text.includes("\0")) return text;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
  throw new NotReadable("csvEncoding", marked);
}

// The lines below the header, numbered as an editor does: their fields, or the word for why they are none.
export function linesOf(text) {
  const lines = text.split(/\r\n|\n|\r/).map((written, index) => ({ number: index + 1, written }));
  if (/^"?\s*sep=."?\s*$/i.test(lines[0].written)) lines.shift(); // Excel's own line before the header
  const [first, ...rest] = lines;
  const separator = SEPARATORS.reduce((best, one) => (first.written.split(one).length > first.written.split(best).length ? one : best));
  const header = headerOf(first, separator);
  const earlier = new Map();
  return rest.filter(({ written }) => written.replaceAll(separator, "").trim())
    .map((line) => withoutRepeat({ ...line, ...read(line.written, header, separator) }, earlier));
}

function headerOf({ number, written }, separator) {
  const names = cellsOf(written, separator);
  if (!names) throw new NotReadable("csvQuote", number);
  for (const name of COLUMNS) {
    if (!names.includes(name)) throw new NotReadable("csvMissing", number, name, COLUMNS.join(", "));
    if (names.indexOf(name) !== names.lastIndexOf(name)) throw new NotReadable("csvTwice", number, name);
  }
  return names;
}

function read(written, header, separator) {
  const cells = cellsOf(written, separator);
  if (!cells) return { reason: ["lineQuote"] };
  if (String(cells) === String(header)) return { reason: ["lineHeader"] };
  if (cells.length !== header.length) return { reason: ["lineFields", cells.length, header.length] };
  return { fields: Object.fromEntries(COLUMNS.map((name) => [name, cells[header.indexOf(name)]])) };
}

function withoutRepeat(line, earlier) {
  if (!line.fields) return line;
  const same = JSON.stringify(line.fields);
  const known = earlier.get(same);
  if (known) return { ...line, reason: ["lineSame", known] };
  earlier.set(same, line.number);
  return line;
}

// No field of a flight has a line break, so a quote that is not closed ends with its line. Null where quotes are wrong.
function cellsOf(written, separator) {
  const cells = [];
  for (let rest = written; ;) {
    const quoted = /^\s*"((?:[^"]|"")*)"[ ]*/.exec(rest);
    const cell = quoted ? quoted[0] : rest.slice(0, rest.includes(separator) ? rest.indexOf(separator) : undefined);
    if (!quoted && cell.trim().startsWith('"')) return null;
    cells.push((quoted ? quoted[1].replaceAll('""', '"') : cell).trim());
    rest = rest.slice(cell.length);
    if (!rest) return cells;
    if (!rest.startsWith(separator)) return null;
    rest = rest.slice(separator.length);
  }
}

// The same line of a file of that name is the same command, wherever it is in the file.
export function keyOf(name, fields) {
  return `page-${[1, 2, 3, 4].map((seed) => hash(JSON.stringify([name, fields]), seed)).join("")}`;
}

// 53 bits (cyrb53, public domain); four of them distinguish lines, also where crypto.subtle is not there (plain http).
function hash(text, seed) {
  let [high, low] = [0xdeadbeef ^ seed, 0x41c6ce57 ^ seed];
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    high = Math.imul(high ^ code, 2654435761);
    low = Math.imul(low ^ code, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return (4294967296 * (2097151 & low) + (high >>> 0)).toString(36);
}
