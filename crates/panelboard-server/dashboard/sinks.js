// What becomes of the program's own log? The dashboard's section: a box for each log sink, and how much
// trouble they are in. Nothing where the config names no sink.
import { $, attr, count, gauge, segment, set, size, span } from './base.js';
import { Board, Shown, reason } from './breaker.js';

const REASONS = {
  'newest': 'buffer full, the newest', 'oldest': 'buffer full, the oldest',
  'by-level': 'buffer full, the least level', 'too-large': 'larger than its room',
  'spill-full': 'spill full', 'damaged': 'damaged on disk',
  'rejected': 'rejected by the sink', 'gave-up': 'tried too often', 'shutdown': 'at the end',
};
const sum = (dropped) => Object.values(dropped).reduce((all, n) => all + n, 0);
const share = (part, whole) => (whole ? Math.min(1, part / whole) : 0);

function why(item) {
  if (item.stuck) return `a write has hung for ${span(item.writing_ms ?? 0)}`;
  switch (item.state) {
    case 'closed': return item.consecutive_failures
      ? `failures ${item.consecutive_failures} / ${item.failure_threshold}` : 'writes';
    case 'half-open': return item.writing_ms === null
      ? 'ready: the next batch is the probe' : 'probing';
    default: return reason(item.reason);
  }
}
/** How long it has been so; nothing if it has never been otherwise. */
const since = (item) => (item.stuck || item.since_ms === null ? '' : ` · for ${span(item.since_ms)}`);

/** What became of records before any sink had them. */
function before(logs) {
  return [[logs.queue_full, 'dropped at the queue'], [logs.late, 'came after the end'],
    [logs.redacted, 'redacted']].filter(([n]) => n).map(([n, what]) => `${count(n)} ${what}`);
}

class Sink extends Shown {
  constructor(item) {
    super('t-sink', `log sink ${item.name}`);
    const at = (selector) => this.node.querySelector(selector);
    this.at = { kind: at('.k-kind'), why: at('.why'), delivered: at('.k-delivered'),
      handed: at('.k-handed'), waiting: at('.k-waiting'), dropped: at('.k-dropped'),
      covered: at('.k-covered'), reasons: at('.k-reasons'), buffer: at('.k-buffer'),
      spill: at('.k-spill'), error: at('.m-error') };
    set(at('.m-name'), item.name);
    at('.m-name').title = item.name;
  }

  update(item) {
    const { at } = this;
    this.showBreaker(item);
    attr(this.word, 'title', `generation ${item.generation}`);
    set(at.kind, [item.kind, item.level && `from ${item.level}`, item.standby && 'on standby',
      item.fallback && `falls back to ${item.fallback}`].filter(Boolean).join(', '));
    set(at.why, why(item) + since(item));
    set(at.delivered, count(item.delivered));
    // Both are with the fallback; what its own routing had brought it was not given to it again.
    set(at.handed, count(item.handed_over + item.covered));
    set(at.covered, item.covered
      ? `of those handed over the fallback had ${count(item.covered)} already` : '');
    set(at.waiting, count(item.waiting));
    const dropped = sum(item.dropped);
    set(at.dropped, count(dropped));
    at.dropped.classList.toggle('hot', dropped > 0);
    set(at.reasons, Object.entries(item.dropped).filter(([, n]) => n)
      .map(([r, n]) => `${count(n)} ${REASONS[r] ?? r}`).join(' · '));
    const { buffer, spill, last_error: error } = item;
    gauge(at.buffer, Math.max(share(buffer.records, buffer.max_records),
      share(buffer.bytes, buffer.max_bytes)),
    `${count(buffer.records)} of ${count(buffer.max_records)}, ${size(buffer.bytes)}`);
    at.spill.hidden = !spill;
    if (spill) {
      gauge(at.spill, share(spill.bytes, spill.max_bytes), `${count(spill.records)}, `
        + `${size(spill.bytes)} of ${size(spill.max_bytes)}`
        + (spill.damaged_bytes ? `, ${size(spill.damaged_bytes)} damaged` : '')
        + (spill.errors ? `, ${count(spill.errors)} errors: ${spill.last_error}` : ''));
    }
    set(at.error, error ? `last: ${error.class}, ${span(error.ago_ms)} ago`
      + (error.message ? ` · ${error.message}` : '') : '');
    at.error.title = error?.message ?? '';
  }
}

const board = new Board($('sinks-list'), {
  make: (item) => new Sink(item),
  path: (name) => `/v1/sinks/${segment(name)}`,
  warning: 'Nothing is written to it until the time is over and a probe succeeds. Its records go to '
    + 'its fallback, or wait in its spill or buffer, and are dropped where that is full.',
});

export function showSinks(logs) {
  const sinks = logs?.sinks ?? [];
  $('sinks').hidden = !sinks.length;
  board.show(sinks);
  if (!sinks.length) return;
  const { level, open } = logs.pressure;
  set($('sinks-count'), count(sinks.length));
  const off = open ? `${count(open)} of ${count(sinks.length)} not closed` : 'all closed';
  set($('sinks-tally'), [off, ...before(logs)].join(' · '));
  gauge($('sinks-pressure'), level, `${Math.round(level * 100)} %`);
  gauge($('sinks-queue'), share(logs.queued, logs.queue_capacity),
    `${count(logs.queued)} of ${count(logs.queue_capacity)}`);
}

export const tickSinks = (now) => board.tick(now);
