// What the browser keeps for this page. Where it may keep nothing, or has no room left, it is kept until the page is left:
// nobody's booking fails for that.

export const browser = storage(() => localStorage);
export const tab = storage(() => sessionStorage);

// `place` throws where it is forbidden.
function storage(place) {
  const instead = new Map();
  const attempt = (use) => {
    try {
      return use(place());
    } catch {
      return undefined;
    }
  };
  const get = (name) => instead.get(name) ?? attempt((kept) => kept.getItem(name)) ?? null;
  return {
    get,
    set(name, text) {
      instead.set(name, text);
      attempt((kept) => { kept.setItem(name, text); instead.delete(name); });
    },
    remove(name) {
      instead.delete(name);
      attempt((kept) => kept.removeItem(name));
    },
    // A document; null where there is none, or where another program has left something else.
    read(name) {
      try {
        return JSON.parse(get(name));
      } catch {
        return null;
      }
    },
  };
}
