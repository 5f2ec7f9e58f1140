// What does one session look like after these frames? Frames and readings in, transcript out. Knows
// no socket, no page and no clock, so that it can be tested with every cut and repeat.
//
// Three sources tell of the same things and may overlap: durable events (by seq), transient text
// (by offset), and what HTTP or a resync tells of the past. Each run only ever moves forward, an
// event counts once, and a character has one place: so the order in which the sources arrive, and
// how often, changes nothing in the end.

const TERMINAL = new Set(['succeeded', 'failed', 'cancelled', 'superseded', 'rolled_back',
  'timed_out', 'lost', 'consumed']);
const RANK = { queued: 1, starting: 2, running: 3, awaiting_input: 3, stopping: 4 };
const rank = (status) => (TERMINAL.has(status) ? 5 : RANK[status] ?? 0);

export const isOver = (status) => TERMINAL.has(status);
export const isLive = (status) => rank(status) > 1 && rank(status) < 5;

/** Text that is ahead of what has come so far waits here, until the hole is filled. */
const MAX_AHEAD = 64;

/** Characters as the server counts them: Unicode scalar values, not UTF-16 units. */
export function length(text) {
  let n = 0;
  for (const _ of text) n += 1;
  return n;
}
const skip = (text, n) => (n <= 0 ? text : [...text].slice(n).join(''));

class Message {
  constructor(id) {
    Object.assign(this, { id, text: '', chars: 0, done: false, ahead: [] });
  }

  /** Takes a piece; returns false if there is a hole before it. */
  delta(offset, text) {
    if (this.done) return true;
    if (offset > this.chars) {
      if (this.ahead.length < MAX_AHEAD) this.ahead.push({ offset, text });
      return false;
    }
    const rest = skip(text, this.chars - offset);
    this.text += rest;
    this.chars += length(rest);
    return this.drain();
  }

  /** Takes all of the text up to a place; what is longer already stays. */
  upTo(upto, text) {
    if (this.done || upto < this.chars) return true;
    this.text = text;
    this.chars = length(text);
    return this.drain();
  }

  complete(text) {
    Object.assign(this, { text, chars: length(text), done: true, ahead: [] });
  }

  drain() {
    const waiting = this.ahead;
    this.ahead = [];
    waiting.sort((a, b) => a.offset - b.offset);
    for (const piece of waiting) this.delta(piece.offset, piece.text);
    return this.ahead.length === 0;
  }
}

class Run {
  constructor(run) {
    Object.assign(this, { run, n: Number(run), era: null, status: null, input: null, model: null,
      created: null, started: null, ended: null, reason: null, error: null,
      notices: [], messages: new Map(), output: null, question: null, at: null });
  }

  move(status) {
    if (rank(status) < rank(this.status)) return;
    this.status = status;
    if (rank(status) !== 3 || status === 'running') this.question = null;
  }

  /** What it asks for, by an event or as it stands; an older word does not bring it back. */
  asks({ request_id: request, prompt }) {
    if (request !== undefined && this.status === 'awaiting_input') this.question = { request, prompt };
  }

  /** The same words once a run: the record and the event of a notice are not two notices. */
  notice(notice) {
    const text = typeof notice === 'string' ? notice : notice?.text;
    if (!text || this.notices.some((n) => n.text === text)) return;
    this.notices.push({ code: notice.code ?? 'notice', text });
  }

  message(id) {
    if (!this.messages.has(id)) this.messages.set(id, new Message(id));
    return this.messages.get(id);
  }

  /** Only what is kept may stay once a run is over; what came by the way goes with it. */
  texts() {
    if (this.status === 'rolled_back') return [];
    const all = [...this.messages.values()];
    if (!isOver(this.status) && all.length) {
      // One that only called tools has no words.
      return all.filter((m) => !m.done || m.text)
        .map((m) => ({ text: m.text, live: !m.done }));
    }
    const kept = all.filter((m) => m.done && m.text).map((m) => ({ text: m.text, live: false }));
    if (kept.length || this.output === null) return kept;
    return [{ text: this.output, live: false }];
  }

  /** Where it stands in the transcript: when it began; if it never did, when it ended. */
  get place() { return this.started ?? this.ended ?? this.at; }
}

export class Session {
  constructor(id) {
    this.id = id;
    this.connections = null;
    this.missing = false;
    this.problem = null; // why it can not be read just now
    this.turn = 0;
    this.reset(null);
  }

  reset(epoch) {
    this.epoch = epoch;
    this.seq = 0;
    this.era = null;
    this.runs = new Map();
    this.queue = [];
    this.notes = [];
    this.noted = 0; // the era that the notes are of
    this.tag = null;
    this.needs = { runs: false, memory: false, again: false };
  }

  /** Where to resume, or null if nothing is known yet. */
  position() {
    return this.epoch === null ? null : { epoch: this.epoch, seq: this.seq };
  }

  /** What must be read over HTTP, or asked for again; each is told once. */
  takeNeeds() {
    const needs = this.needs;
    this.needs = { runs: false, memory: false, again: false };
    return needs;
  }

  run(id) {
    const key = String(id);
    if (!this.runs.has(key)) this.runs.set(key, new Run(key));
    return this.runs.get(key);
  }

  // ---- frames ----------------------------------------------------------------------------------

  apply(frame) {
    switch (frame.type) {
      case 'subscribed': this.subscribed(frame); break;
      case 'resync': this.resync(frame); break;
      case 'event': this.event(frame); break;
      case 'delta': this.text(frame, (m) => m.delta(frame.offset, frame.text)); break;
      case 'partial': this.text(frame, (m) => m.upTo(frame.upto, frame.text)); break;
      case 'presence': this.connections = frame.connections; break;
      default: // a frame of a later version: nothing to see here
    }
  }

  subscribed(frame) {
    this.missing = false;
    this.problem = null;
    if (frame.mode !== 'fresh') return; // the events, or the resync, tell the rest
    this.reset(frame.epoch);
    this.seq = frame.head;
    this.now(frame);
    this.needs.runs = true;
    this.needs.memory = true;
  }

  resync({ epoch, seq, snapshot }) {
    if (epoch === this.epoch && seq < this.seq) return;
    if (epoch !== this.epoch || snapshot.era !== this.era) this.reset(epoch);
    this.seq = seq;
    this.tag = null; // a reading that was under way is from before
    this.turn += 1;
    this.remember({ era: snapshot.era, tag: snapshot.tag ?? null, items: snapshot.items });
    this.now(snapshot);
    this.needs.runs = true;
  }

  /** The slot and the queue as they are at this position. */
  now({ slot, queue }) {
    if (slot?.run && slot.state === 'active') {
      const r = this.run(slot.run);
      r.move(slot.phase ?? 'running');
      r.asks(slot);
    }
    this.queue = queue ?? [];
    for (const { run } of this.queue) this.run(run).move('queued');
  }

  event({ epoch, seq, at, event, run, data = {} }) {
    if (epoch !== this.epoch) { this.needs.again = true; return; }
    if (seq <= this.seq) return;
    this.seq = seq;
    if (event === 'session.cleared') { this.cleared(data.era); return; }
    if (event === 'queue.changed') {
      if (data.queue) this.placed(data.queue); else this.dequeued(String(run));
      return;
    }
    if (event === 'memory.changed') { this.needs.memory = true; return; }
    if (run !== undefined) this.runEvent(this.run(run), event, at, data);
  }

  runEvent(r, event, at, data) {
    switch (event) {
      case 'run.created':
        Object.assign(r, { input: textOf(data.input), created: at });
        r.move(data.status);
        if (data.status === 'queued') this.enqueued(r.run, data);
        break;
      case 'run.started':
        r.started ??= at;
        r.model = data.model ?? r.model;
        r.move('running');
        this.dequeued(r.run);
        break;
      case 'run.notice': r.notice(data); break;
      case 'message.started': r.message(data.message_id); break;
      case 'message.completed': r.message(data.message_id).complete(data.text); break;
      case 'run.awaiting_input':
        r.move('awaiting_input');
        r.asks(data);
        break;
      case 'run.answered': r.move('running'); break;
      case 'run.stopping': r.reason ??= data.reason ?? null; r.move('stopping'); break;
      case 'run.finished':
        // The end of one that waited, or was read by the one that runs, is no end of that one.
        if (!this.dequeued(r.run)) this.unsteer();
        // What was noted meanwhile may have gone with it.
        if (data.status === 'rolled_back') this.needs.memory = true;
        if (isOver(r.status)) break;
        r.move(data.status);
        Object.assign(r, { ended: at, reason: data.reason ?? null, error: data.error ?? null });
        break;
      default: // run.abandoned and what later versions add: the run's end says what matters
    }
  }

  /** Those who wait among others have a place there; one that the running answer may yet read has
   * none, and stands at the end. */
  enqueued(run, { position, on_conflict: policy }) {
    if (this.queue.some((q) => q.run === run)) return;
    const steer = position === undefined;
    const others = this.queue.findIndex((q) => q.steer);
    const last = others < 0 ? this.queue.length : others;
    const front = ['interrupt', 'rollback'].includes(policy);
    const at = steer ? this.queue.length : Math.min(position, last);
    this.placed(this.queue.toSpliced(at, 0, { run, steer, front }));
  }

  /** Whether it waited. */
  dequeued(run) {
    if (!this.queue.some((q) => q.run === run)) return false;
    this.placed(this.queue.filter((q) => q.run !== run));
    return true;
  }

  /** What the answer that has ended did not read waits among the others: in the order in which it
   * was said, after what goes first and what somebody has put in another order. */
  unsteer() {
    if (!this.queue.some((q) => q.steer)) return;
    const all = this.queue.map((q) => ({ ...q, steer: false }));
    const byNumber = (a, b) => Number(a.run) - Number(b.run);
    const rest = all.filter((q) => !q.front && !q.arranged).sort(byNumber);
    this.placed([...all.filter((q) => q.front), ...all.filter((q) => q.arranged), ...rest]);
  }

  placed(queue) {
    this.queue = queue.map((q, position) => ({ ...q, position }));
  }

  cleared(era) {
    // One that HTTP told of ahead of its events goes as well: they bring it back.
    this.runs.clear();
    this.era = Math.max(era, this.era ?? era);
    this.queue = [];
    if (this.noted < era) this.notes = [];
  }

  text({ run, message_id: id }, take) {
    const r = this.run(run);
    if (isOver(r.status)) return;
    if (!take(r.message(id))) this.needs.again = true;
  }

  // ---- readings --------------------------------------------------------------------------------

  /** `GET .../runs`, asked for at that `since()`. Only ever adds and moves forward. */
  runsRead(items, since) {
    if (since !== this.since()) return;
    for (const item of items) {
      const r = this.run(item.run);
      r.era = item.era ?? null;
      r.input ??= textOf(item.input);
      r.model ??= item.model ?? null;
      r.created ??= item.created ?? null;
      r.started ??= item.started ?? null;
      // What the record does not hold yet came after what it holds.
      const later = r.notices.splice(0);
      for (const notice of [...item.notices ?? [], ...later]) r.notice(notice);
      if (isOver(item.status) && !isOver(r.status)) {
        Object.assign(r, { ended: item.ended ?? null, reason: item.reason ?? null,
          error: item.error ?? null });
      }
      if (isOver(item.status)) r.output = item.output ?? r.output;
      // Between running and asking back and forth, only the events know what is newer.
      if (rank(item.status) > rank(r.status)) {
        r.move(item.status);
        r.asks(item);
      }
    }
  }

  /** `GET .../memory`, asked for at that `since()`. */
  memoryRead(memory, since) {
    if (since === this.since()) this.remember(memory);
  }

  /** What an answer over HTTP must be from, to count: the log and the last snapshot. */
  since() { return `${this.turn} ${this.epoch}`; }

  remember({ era, tag, items }) {
    if (tag && this.tag && older(tag, this.tag)) return;
    if (this.era !== null && era < this.era) return;
    this.era = era;
    this.noted = era;
    this.tag = tag;
    this.notes = items.filter((i) => !i.run).map(({ role, text, at, seq }) => (
      { role, text, at, seq }));
    for (const { run, role, text, at } of items) {
      if (!run) continue;
      const r = this.run(run);
      r.at ??= at;
      if (role === 'user') r.input ??= text;
      else if (role === 'assistant') r.output = text;
    }
  }

  // ---- what there is to see --------------------------------------------------------------------

  /** The run that holds the slot, if one does. */
  active() {
    let found = null;
    for (const r of this.runs.values()) {
      if (isLive(r.status) && (!found || r.n > found.n)) found = r;
    }
    return found;
  }

  /** What an earlier era left behind, late frames among it, has no words or is of that era. */
  seen(r) {
    return r.input !== null && (r.era === null || this.era === null || r.era >= this.era);
  }

  /** Turns and notes in the order in which they happened; what waits is in `waiting()`. */
  transcript() {
    const turns = [...this.runs.values()]
      .filter((r) => this.seen(r) && r.status !== 'queued')
      .map((r) => ({ kind: 'turn', run: r.run, input: r.input, status: r.status, model: r.model,
        reason: r.reason, error: r.error, notices: r.notices, texts: r.texts(),
        question: r.question, begun: r.started !== null, place: r.place, n: r.n }));
    const notes = this.notes.map((note) => ({ kind: 'note', ...note, place: note.at, n: 0 }));
    return [...turns, ...notes].sort((a, b) => (
      compare(a.place, b.place) || a.n - b.n || (a.seq ?? 0) - (b.seq ?? 0)));
  }

  /** The queue, with the words that wait in it. */
  waiting() {
    return [...this.queue].sort((a, b) => a.position - b.position).map((q, i) => ({
      run: q.run, position: i + 1, steer: !!q.steer, input: this.runs.get(q.run)?.input ?? null,
    }));
  }
}

const textOf = (input) => (typeof input === 'string' ? input : input?.text ?? null);

/** Tags are `era.seq`. */
function older(a, b) {
  const [[e, s], [f, t]] = [a, b].map((tag) => tag.split('.').map(Number));
  return e < f || (e === f && s < t);
}

/** Times of one server in one format compare as text; what has none yet comes last. */
function compare(a, b) {
  if (a === b) return 0;
  if (a === null || a === undefined) return 1;
  if (b === null || b === undefined) return -1;
  return a < b ? -1 : 1;
}
