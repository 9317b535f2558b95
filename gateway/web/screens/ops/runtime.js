// How the runtime of a laptop sees its functions now: the first message of the board's feed. No function is asked for it.

import { signed } from "/api.js";

const PATIENCE = 3000;

// The snapshot, or null where nothing feeds a board.
export async function snapshot(signal) {
  const leaving = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
  try {
    const answer = await fetch("/board/feed", { signal: leaving, cache: "no-store", headers: await signed() });
    return answer.ok ? await firstMessage(answer.body.pipeThrough(new TextDecoderStream()).getReader()) : null;
  } catch (error) {
    if (signal.aborted) throw error;
    return null;
  }
}

async function firstMessage(reader) {
  for (let text = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return null;
    text += value;
    const message = /^data: (.*)\n/m.exec(text);
    if (message) {
      await reader.cancel();
      return JSON.parse(message[1]);
    }
  }
}
