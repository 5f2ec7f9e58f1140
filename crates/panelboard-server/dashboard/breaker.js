// How is a breaker shown and driven by hand? What keys, log sinks and the Vault have in common: words,
// the picture of a state, the countdown to the probe, the question before a trip, the keyboard.
import { $, announce, attr, make, question, send, set, span, toast } from './base.js';

// ---- words -------------------------------------------------------------------------------------

const REASONS = {
  'failures': 'failures in a row', 'failure-rate': 'too many failures',
  'slow-call-rate': 'too many slow calls', 'ramp-over': 'all calls again',
  'probe-failed': 'the probe failed', 'probe-succeeded': 'the probe succeeded',
  'deadline-passed': 'time for a probe', 'lease-expired': 'the probe never ended',
  'tripped': 'tripped by hand', 'reset': 'reset by hand', 'force-open': 'isolated by hand',
  'isolated': 'isolated by hand', 'released': 'released', 'disable': 'switched off',
  'metrics-only': 'only counts', 'automatic': 'automatic again',
};
export const reason = (r) => REASONS[r] ?? r ?? '';

// ---- a breaker's node --------------------------------------------------------------------------

/** The time to the next probe: in words, and as a fuse that burns down. */
class Countdown {
  constructor(node) {
    this.text = node.querySelector('.countdown');
    this.fuse = node.querySelector('.fuse');
    this.burn = this.fuse.firstElementChild;
    this.deadline = null;
  }

  get runs() { return this.deadline !== null; }

  set(ms, now) {
    if (ms === null || ms === undefined) { this.deadline = null; return; }
    const next = now + ms;
    // Readings jitter by some milliseconds; a countdown that jumps back looks broken.
    if (this.runs && Math.abs(next - this.deadline) <= 400) return;
    if (!this.runs || next > this.deadline) this.whole = Math.max(ms, 1);
    this.deadline = next;
  }

  tick(now) {
    const left = this.runs ? this.deadline - now : null;
    set(this.text, left === null ? '' : left > 0 ? `probe in ${span(left, true)}` : 'probe due');
    this.fuse.hidden = left === null;
    if (left === null) return;
    const share = Math.min(1, Math.max(0, left / this.whole));
    this.burn.style.transform = `scaleX(${share.toFixed(3)})`;
  }
}

/** A node that shows a breaker: a copy of `template`, called `title` where it is spoken of. */
export class Shown {
  constructor(template, title) {
    this.node = $(template).content.firstElementChild.cloneNode(true);
    this.title = title;
    this.picture = this.node.querySelector('use');
    this.word = this.node.querySelector('.m-state');
    this.countdown = new Countdown(this.node);
    for (const verb of ['trip', 'reset']) {
      const button = this.node.querySelector(`[data-do=${verb}]`);
      attr(button, 'aria-label', `${button.textContent} ${title}`);
    }
  }

  /** The state: a picture, whose shape tells it, a word, and a colour that only helps. */
  showState(state) {
    attr(this.node, 'data-state', state);
    attr(this.picture, 'href', `#i-${state}`);
    set(this.word, state);
    attr(this.node, 'aria-label', `${this.title}: ${state}`);
  }

  /** State and countdown as they were read. */
  showBreaker({ state, retry_after_ms: left }) {
    const now = performance.now();
    this.showState(state);
    this.countdown.set(state === 'open' ? left : null, now);
    this.countdown.tick(now);
  }
}

// ---- by hand -----------------------------------------------------------------------------------

/** A row of a question that asks for how long: `times` are pairs of a value and what it says. */
export function lasting(times) {
  const row = make('label', 'field', 'for ');
  const select = make('select');
  select.id = 'ask-for';
  select.append(...times.map(([value, label]) => new Option(label, value)));
  row.append(select);
  return { row, value: () => select.value };
}

const FOR_TRIP = [['', 'its own recovery time'], ['10s', '10 s'], ['30s', '30 s'], ['60s', '1 min'],
  ['600s', '10 min']];

/** Asks before a trip, and for how long. The body of the request, or null: leave it. */
export async function tripping(title, text) {
  const time = lasting(FOR_TRIP);
  const chosen = await question({ title: `Trip ${title}?`, yes: 'Trip', text, more: [time.row],
    value: () => ({ for: time.value() }) });
  return chosen && (chosen.for ? chosen : {});
}

/** What the server answers to `verb`; null if it refused, and then a remark says why. */
export async function order(title, path, verb, body) {
  try {
    return await (await send(`${path}/${verb}`, body)).json();
  } catch (error) {
    toast(`${verb} ${title}: ${error.message}`);
    return null;
  }
}

// ---- by keyboard -------------------------------------------------------------------------------

const visible = (box) => [...box.querySelectorAll('.breaker:not([hidden])')];

/** One of a box's breakers is in the tab order; from there the arrows reach the others. */
export function enter(box) {
  const all = visible(box);
  if (all.length && !all.some((node) => node.tabIndex === 0)) all[0].tabIndex = 0;
}

/** Arrows go from one breaker to another, letters press its buttons. */
export function keys(box) {
  box.addEventListener('keydown', (e) => {
    const node = e.target.closest('.breaker');
    if (!node || e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key.startsWith('Arrow')) {
      e.preventDefault();
      move(box, node, e.key);
      return;
    }
    const button = [...node.querySelectorAll('button')]
      .find((b) => b.dataset.letter === e.key && !b.disabled && !b.hidden);
    if (!button) return;
    e.preventDefault();
    button.click();
  });
}

function move(box, node, key) {
  const all = visible(box);
  const here = all.indexOf(node);
  let to = here + (key === 'ArrowRight' ? 1 : key === 'ArrowLeft' ? -1 : 0);
  if (key === 'ArrowUp' || key === 'ArrowDown') {
    const step = key === 'ArrowDown' ? 1 : -1;
    const at = node.getBoundingClientRect();
    // The first of another row that stands in this column, or is its row's last.
    for (to = here + step; to >= 0 && to < all.length; to += step) {
      const other = all[to].getBoundingClientRect();
      const nextRow = all[to + 1]?.getBoundingClientRect().top !== other.top;
      if (other.top !== at.top && (Math.abs(other.left - at.left) < 4
        || (other.left < at.left && nextRow))) break;
    }
  }
  if (!all[to]) return;
  node.tabIndex = -1;
  all[to].tabIndex = 0;
  all[to].focus();
  all[to].scrollIntoView({ block: 'nearest' });
}

// ---- a list of them ----------------------------------------------------------------------------

/** Breakers by their names. `make(item)` gives a Shown that has `update(item)`, `path(name)` is where
 *  it is driven, and `warning` is what people are told before they trip one. */
export class Board {
  constructor(list, { make: create, path, warning }) {
    Object.assign(this, { list, create, path, warning });
    this.shown = new Map(); // name -> Shown
    keys(list);
    list.addEventListener('click', (e) => {
      const verb = e.target.closest('button')?.dataset.do;
      if (verb) this.act(e.target.closest('.breaker').dataset.name, verb);
    });
  }

  /** A node for each item, in their order; one that stays keeps its focus. */
  show(items) {
    const names = new Set(items.map((item) => item.name));
    for (const [name, { node }] of this.shown) {
      if (names.has(name)) continue;
      node.remove();
      this.shown.delete(name);
    }
    let next = this.list.firstElementChild;
    for (const item of items) {
      const { node } = this.shown.get(item.name) ?? this.add(item);
      if (node === next) next = next.nextElementSibling; else this.list.insertBefore(node, next);
      this.update(item);
    }
    enter(this.list);
  }

  add(item) {
    const shown = this.create(item);
    shown.node.dataset.name = item.name;
    this.shown.set(item.name, shown);
    return shown;
  }

  /** A change is also said to who hears the page. */
  update(item) {
    const shown = this.shown.get(item.name);
    if (!shown) return;
    const before = shown.node.dataset.state;
    shown.update(item);
    if (before && before !== item.state) {
      announce(`${shown.title} ${item.state}${item.reason ? `: ${reason(item.reason)}` : ''}`);
    }
  }

  async act(name, verb) {
    const { title } = this.shown.get(name);
    const body = verb === 'trip' ? await tripping(title, this.warning) : {};
    const item = body && await order(title, this.path(name), verb, body);
    if (item) this.update(item);
  }

  tick(now) {
    for (const { countdown } of this.shown.values()) if (countdown.runs) countdown.tick(now);
  }
}
