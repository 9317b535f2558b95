// The flights that this browser has booked. A reservation has only the number of its flight, and to ask for its code would
// wake a function.

import { day } from "/format.js";
import { browser } from "/storage.js";

const KEPT = "booked-flights";
const MOST = 50;

const kept = () => [browser.read(KEPT) ?? []].flat();

export function keepFlight({ flightId, flightCode, takeoffDate }) {
  const others = kept().filter((one) => one.flightId !== flightId);
  browser.set(KEPT, JSON.stringify([{ flightId, flightCode, takeoffDate }, ...others].slice(0, MOST)));
}

// Its code and day, or else its number.
export function flightName(flightId) {
  const known = kept().find((one) => one.flightId === flightId);
  return known ? `${known.flightCode}, ${day(known.takeoffDate)}` : String(flightId);
}
