// The figures of the scale-to-zero demo, the same that `make demo-scale-to-zero` has. Pure; times are seconds.
// scale-to-zero.json says what they are, for both.

import { median } from "/board/state.js";

const OF = { least: (values) => Math.min(...values), median, greatest: (values) => Math.max(...values) };

export function figures(definition, course) {
  const rounded = (value, decimals) => Math.round(value * 10 ** decimals) / 10 ** decimals;
  const spread = (values) => Object.fromEntries(
    values.length ? definition.spread.map((name) => [name, rounded(OF[name](values), definition.decimals)]) : [],
  );
  const kinds = {
    postToAnswer: ({ placed }) => spread(placed.map(({ answeredIn }) => answeredIn)),
    postToEnd: ({ ended }) => spread(ended.map(({ endedIn }) => endedIn)),
    steps: ({ steps }) => spreads(steps.filter(({ after }) => after !== null).map(({ event, after }) => [event, after]), spread),
  };
  const times = (sagas) => Object.fromEntries(definition.times.map((name) => [name, kinds[name](sagas)]));
  const all = {
    customers: course.customers,
    seats: course.seats,
    alone: alone(definition, course.alone, rounded),
    ended: counted(course.cold.ended.map(({ status }) => status)),
    asleepAfter: rounded(course.asleepAfter, 1),
    burst: times(course.cold),
    oneByOne: times(course.warm),
    starts: spreads(course.starts.map(({ function: name, seconds }) => [name, seconds]), spread),
  };
  return Object.fromEntries(definition.figures.map((name) => [name, all[name]]));
}

// Moments are seconds after the first start.
function alone({ alone: names, decimals }, { answeredIn, endedIn, woken }, rounded) {
  const first = Math.min(...woken.map(({ at }) => at));
  const all = {
    postToAnswer: rounded(answeredIn, decimals),
    postToEnd: rounded(endedIn, decimals),
    woken: woken.map(({ function: name, at, seconds }) => (
      { function: name, began: rounded(at - first, decimals), ready: rounded(at - first + seconds, decimals) }
    )).sort((a, b) => a.began - b.began),
  };
  return Object.fromEntries(names.map((name) => [name, all[name]]));
}

function spreads(pairs, spread) {
  const groups = new Map();
  for (const [name, value] of pairs) groups.set(name, [...(groups.get(name) ?? []), value]);
  return Object.fromEntries([...groups].map(([name, values]) => [name, spread(values)]));
}

function counted(names) {
  const counts = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
