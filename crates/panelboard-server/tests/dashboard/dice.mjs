// Chance that can be had again: the same seed, the same story.

/** Mulberry32. */
export function dice(seed) {
  let s = seed >>> 0;
  const next = () => {
    s = (s + 0x6d2b79f5) >>> 0;
    let t = Math.imul(s ^ (s >>> 15), 1 | s);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, chance: (p) => next() < p, below: (n) => Math.floor(next() * n),
    of: (list) => list[Math.floor(next() * list.length)] };
}
