// What would a session of a panelboard do? A DOUBLE of one session for the page tests: it speaks the
// frames of the surface, and is a sketch that proves nothing about the real one. Whoever drives it
// says when an answer goes on, so that a test can cut anywhere.

const ENDS = ['succeeded', 'failed', 'cancelled', 'superseded', 'rolled_back', 'timed_out', 'lost',
  'consumed'];
const MAX_QUEUE = 4;
const chars = (text) => [...text].length;

export class SessionDouble {
  /** `emit` gets each frame as it happens; `now` gives the time in microseconds. */
  constructor({ id, epoch = 'e1', emit = () => {}, now, metadata = {} }) {
    Object.assign(this, { id, epoch, emit, now, metadata, seq: 0, era: 1, log: [], runs: [],
      queue: [], active: null, memory: [], seen: new Map(), created: this.stamp(now), ended: false });
  }

  stamp(now = this.now) { return new Date(now() / 1000).toISOString().replace(/Z$/, '')
    + `${String(now() % 1000).padStart(3, '0')}Z`; }

  event(event, run, data = {}) {
    this.seq += 1;
    const frame = { type: 'event', session: this.id, epoch: this.epoch, seq: this.seq,
      at: this.stamp(), event, ...(run ? { run: run.run } : {}), data };
    this.log.push(frame);
    this.emit(frame);
    return frame;
  }

  // ---- commands --------------------------------------------------------------------------------

  submit({ input, model = 'fast', on_conflict: policy = 'reject', key = null }) {
    if (key && this.seen.has(key)) return { ok: true, result: { ...this.seen.get(key), replayed: true } };
    const busy = this.active !== null;
    if (busy && policy === 'reject') return this.busy();
    if (busy && policy === 'enqueue' && this.queue.length >= MAX_QUEUE) {
      return { ok: false, problem: { code: 'queue-full', status: 429, title: 'the queue is full',
        detail: `${MAX_QUEUE} messages wait already`, retry_after_ms: 1000 } };
    }
    const run = { run: String(this.runs.length + 1), session: this.id, status: 'queued', input, model,
      era: this.era, created: this.stamp(), notices: [], steer: busy && policy === 'steer',
      parts: '', message: null };
    this.runs.push(run);
    const front = ['interrupt', 'rollback'].includes(policy);
    run.front = front;
    if (busy) this.enqueue(run);
    const place = run.steer ? {} : { position: this.queue.indexOf(run) };
    this.event('run.created', run, { input, on_conflict: policy,
      ...(busy ? { status: 'queued', ...place, length: this.queue.length } : { status: 'starting' }) });
    if (!busy) { run.status = 'starting'; this.active = run; }
    if (busy && front) this.stopping(policy === 'rollback' ? 'rolled_back' : 'superseded');
    const result = { run: run.run, session: this.id, status: run.status, replayed: false };
    if (busy) result.position = this.queue.indexOf(run) + 1;
    if (key) this.seen.set(key, result);
    return { ok: true, result };
  }

  busy() {
    return { ok: false, problem: { code: 'session-busy', status: 409, title: 'an answer is running',
      detail: `run ${this.active.run} is ${this.active.status}`, active_run: this.active.run,
      phase: this.active.status, since: this.active.started ?? this.active.created } };
  }

  /** What goes first is first; what the active run may yet read is last. */
  enqueue(run) {
    const steers = this.queue.findIndex((q) => q.steer);
    if (run.front) this.queue.unshift(run);
    else this.queue.splice(run.steer || steers < 0 ? this.queue.length : steers, 0, run);
  }

  queued() {
    return this.queue.map(({ run, steer, front }, position) => (
      { run, position, steer, ...(front ? { front } : {}) }));
  }

  stopping(why) {
    const run = this.active;
    if (!run || run.status === 'stopping') return;
    run.status = 'stopping';
    run.request = null;
    run.why = why;
    this.event('run.stopping', run, { reason: why });
  }

  cancel(id = this.active?.run) {
    const run = this.runs.find((r) => r.run === String(id));
    if (run && run === this.active) {
      this.stopping('cancelled');
      return { ok: true, result: { changed: true, run: run.run, status: 'stopping' } };
    }
    if (run && this.queue.includes(run)) {
      this.queue.splice(this.queue.indexOf(run), 1);
      this.finish(run, 'cancelled');
      return { ok: true, result: { changed: true, run: run.run, status: 'cancelled' } };
    }
    return { ok: true, result: { changed: false, run: id, status: run?.status ?? 'idle' } };
  }

  clear(mode = 'cancel_and_clear') {
    if (mode === 'if_idle' && this.active) return this.busy();
    const gone = [this.active, ...this.queue].filter(Boolean);
    this.active = null;
    this.queue = [];
    this.memory = [];
    this.era += 1;
    this.event('session.cleared', null, { era: this.era });
    for (const run of gone) this.finish(run, 'cancelled', { reason: 'cleared' });
    return { ok: true, result: { era: this.era, seq: this.seq } };
  }

  /** The log is gone, as after a restart without a store: everything begins anew. */
  lose() {
    Object.assign(this, { epoch: `${this.epoch}+`, seq: 0, era: 1, log: [], runs: [], queue: [],
      active: null, memory: [] });
    this.seen.clear();
  }

  note(text) {
    const seq = this.event('memory.changed', null, { tag: `${this.era}.${this.seq + 1}` }).seq;
    this.memory.push({ seq, role: 'note', text, at: this.stamp() });
  }

  // ---- the answer, as whoever drives it likes --------------------------------------------------

  start() {
    if (!this.active && this.queue.length) {
      this.active = this.queue.shift();
      this.event('queue.changed', this.active, { length: this.queue.length });
    }
    const run = this.active;
    if (!run || run.started || run.status === 'stopping') return;
    run.status = 'running';
    run.base = this.memory.length;
    run.started = this.event('run.started', run, { model: run.model }).at;
    this.memory.push({ seq: this.seq, role: 'user', text: run.input, run: run.run, at: run.started });
  }

  notice(code, text) {
    const notice = { code, text };
    this.active.notices.push(notice);
    this.event('run.notice', this.active, notice);
  }

  say(text) {
    const run = this.active;
    if (!run.message) {
      run.message = `m${run.run}`;
      this.event('message.started', run, { message_id: run.message, role: 'assistant' });
    }
    this.emit({ type: 'delta', session: this.id, run: run.run, message_id: run.message,
      offset: chars(run.parts), text });
    run.parts += text;
  }

  ask(prompt) {
    this.active.status = 'awaiting_input';
    this.active.request = `q${this.seq}`;
    this.event('run.awaiting_input', this.active, { request_id: this.active.request, prompt });
  }

  answer(runId, request) {
    const run = this.active;
    if (!run || run.run !== runId || run.request !== request) {
      return { ok: false, problem: { code: 'not-awaiting', status: 409, title: 'nothing is asked' } };
    }
    run.request = null;
    run.status = 'running';
    this.event('run.answered', run, { request_id: request });
    return { ok: true, result: { run: run.run, status: 'running' } };
  }

  /** The steered message, if one waits, is read by the running answer. */
  steer() {
    const run = this.queue.find((r) => r.steer);
    if (!run || this.active?.status !== 'running') return null;
    this.queue.splice(this.queue.indexOf(run), 1);
    this.finish(run, 'consumed');
    return run.input;
  }

  /** Ends the active run; a stop that was asked for says how, whatever the body says. */
  end(status, error = null) {
    const run = this.active;
    const last = run.status === 'stopping' ? run.why : status;
    if (last === 'rolled_back') {
      if (run.started) this.memory.length = run.base;
    } else if (run.message) {
      run.output = run.parts;
      this.event('message.completed', run, { message_id: run.message, text: run.parts,
        ...(last === 'succeeded' ? {} : { partial: true }) });
      this.memory.push({ seq: this.seq, role: 'assistant', text: run.parts, run: run.run,
        at: this.stamp() });
    }
    this.active = null;
    // What it did not read waits among the others.
    if (this.queue.some((q) => q.steer)) {
      const front = this.queue.filter((q) => q.front);
      const rest = this.queue.filter((q) => !q.front).sort((a, b) => Number(a.run) - Number(b.run));
      this.queue = [...front, ...rest];
      for (const q of this.queue) q.steer = false;
    }
    this.finish(run, last, last === 'failed' ? { error } : {});
  }

  finish(run, status, more = {}) {
    if (!ENDS.includes(status)) throw new Error(`no such end: ${status}`);
    Object.assign(run, { status, ...more });
    run.ended = this.event('run.finished', run, { status, ...more }).at;
  }

  // ---- readings --------------------------------------------------------------------------------

  slot() {
    const run = this.active;
    return run ? { state: 'active', run: run.run, since: run.started ?? run.created,
      phase: run.status } : { state: 'idle' };
  }

  summary(connections = 0) {
    return { id: this.id, created: this.created, metadata: this.metadata, epoch: this.epoch,
      era: this.era, head: this.seq, slot: this.slot(), queue: this.queued(), connections };
  }

  records() {
    return this.runs.map(({ run, session, status, reason, created, started, ended, input, output,
      error, model, notices, era }) => structuredClone({ run, session, status, reason, created,
      started, ended, input, output, error, model, notices, era }));
  }

  memoryPage() {
    return structuredClone({ era: this.era, tag: `${this.era}.${this.seq}`, items: this.memory,
      next: null });
  }

  /** The frames that answer a `subscribe`; with `lost` the past is gone. */
  subscribe(position, lost = false) {
    const about = { type: 'subscribed', session: this.id, epoch: this.epoch, head: this.seq,
      slot: this.slot(), queue: this.queued() };
    if (!position?.epoch) return [{ ...about, mode: 'fresh' }, ...this.partial()];
    if (lost || position.epoch !== this.epoch || position.seq > this.seq) {
      const { era, items } = this.memoryPage();
      return [{ ...about, mode: 'resync' }, { type: 'resync', session: this.id, epoch: this.epoch,
        seq: this.seq, snapshot: { era, items, slot: this.slot(), queue: this.queued() } },
      ...this.partial()];
    }
    const missed = this.log.filter((e) => e.seq > position.seq);
    return [{ ...about, mode: 'resumed' }, ...missed, ...this.partial()];
  }

  partial() {
    const run = this.active;
    if (!run?.message) return [];
    return [{ type: 'partial', session: this.id, run: run.run, message_id: run.message,
      upto: chars(run.parts), text: run.parts }];
  }
}
