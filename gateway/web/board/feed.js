// The feed of the live board: server-sent events. A feed that is lost is asked for again, and begins with a snapshot.

const AGAIN = 2000; // ms until a feed that was refused is asked for again; the browser itself mends one that breaks off
const REFUSED = EventSource.CLOSED;

// `onTold` hears each document, `onLost` that there is no feed, and whether there is nobody who could feed it.
export function follow(path, onTold, onLost) {
  let source;
  let again;
  function open() {
    source = new EventSource(path);
    source.onmessage = ({ data }) => told(JSON.parse(data));
    source.onerror = lost;
  }
  // A cluster's board ends each stream after a while and says so: nothing is lost.
  function told(document) {
    if (document.kind !== "over") return onTold(document);
    source.close();
    open();
  }
  async function lost() {
    const mine = source;
    const refused = mine.readyState === REFUSED;
    onLost(refused && (await unfed(path)));
    if (refused && mine === source) again = setTimeout(open, AGAIN);
  }
  open();
  return () => {
    clearTimeout(again);
    source.close();
    source = null;
  };
}

// An EventSource does not say why it was refused.
async function unfed(path) {
  const leaving = new AbortController();
  const answer = await fetch(path, { signal: leaving.signal, cache: "no-store" }).catch(() => null);
  leaving.abort();
  return answer?.status === 404;
}
