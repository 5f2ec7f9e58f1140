// Is the transcript the same whatever is cut, repeated or replaced on the way? Random sessions, each
// seen by clients with bad lines, beside what the double itself keeps; then the rules one by one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Session, length } from '../../../dashboard/session.mjs';
import { dice } from '../dice.mjs';
import { SessionDouble } from '../session-double.mjs';

const ROUNDS = Number(process.env.ROUNDS ?? 150);
const STEPS = 160;
const CLIENTS = 4;
const PIECES = ['a', 'Ein ', '😀', 'e\u0301', '𝔘', '\n', '```\n', '한국 ', '‮x', '👩‍👩‍👧 ', 'word '];

/** A client behind a line that delays, repeats and breaks; HTTP comes by another way. */
class Client {
  constructor(server, d) {
    Object.assign(this, { server, d, session: new Session('s'), line: [], http: [], up: false });
  }

  open(lost = false) {
    this.up = true;
    this.line = this.server.subscribe(this.session.position(), lost).map(copy);
  }

  cut() { this.up = false; this.line = []; }

  hear(frame) {
    if (!this.up) return;
    // A reader that lags gets no delta that it missed, but one partial later.
    if (frame.type === 'delta' && this.d.chance(0.15)) return;
    this.line.push(copy(frame));
    if (this.d.chance(0.1)) this.line.push(copy(frame));
  }

  /** One frame or one reading arrives. */
  step() {
    if (this.http.length && (this.d.chance(0.3) || !this.line.length)) this.http.shift()();
    else if (this.line.length) this.take(this.line.shift());
  }

  take(frame) {
    this.session.apply(frame);
    if (this.d.chance(0.05)) this.session.apply(frame);
    const needs = this.session.takeNeeds();
    const since = this.session.since();
    // What HTTP answers is read at one moment and heard at another.
    if (needs.runs) this.read(() => this.server.records(), (v) => this.session.runsRead(v, since));
    if (needs.memory) {
      this.read(() => this.server.memoryPage(), (v) => this.session.memoryRead(v, since));
    }
    if (needs.again && this.up) {
      this.line.push(...this.server.subscribe(this.session.position()).map(copy));
    }
  }

  read(ask, tell) {
    const early = this.d.chance(0.5) ? ask() : null;
    this.http.push(() => tell(early ?? ask()));
  }

  settle() {
    if (!this.up) this.open();
    while (this.line.length || this.http.length) this.step();
    // Deltas that the line swallowed show by the end of the message at the latest.
  }
}
const copy = (frame) => JSON.parse(JSON.stringify(frame));

/** One thing that a person, a model or an operator might do. */
function happen(server, d) {
  const run = server.active;
  const live = run && run.started && run.status === 'running';
  switch (d.below(17)) {
    case 0: case 1:
      server.submit({ input: `in ${server.runs.length} ${d.of(PIECES)}`,
        on_conflict: d.of(['reject', 'enqueue', 'interrupt', 'rollback', 'steer']) });
      break;
    case 2: if (d.chance(0.3)) server.cancel(); break;
    case 3: if (server.queue.length && d.chance(0.4)) server.cancel(d.of(server.queue).run); break;
    case 4: if (d.chance(0.12)) server.clear(); break;
    case 5: if (d.chance(0.3)) server.note(`note ${server.seq}`); break;
    case 6: if (live) server.notice('cooling', `k${d.below(3)} is cooling`); break;
    case 7: if (live) server.steer(); break;
    case 8: if (live && d.chance(0.3)) server.ask('which?'); break;
    case 9: if (run?.request) server.answer(run.run, run.request); break;
    case 10:
      if (run && (run.started || run.status === 'stopping') && d.chance(0.4)) {
        server.end(d.of(['succeeded', 'succeeded', 'failed', 'timed_out', 'lost']),
          { code: 'upstream_unavailable', message: 'no key' });
      }
      break;
    case 11: server.start(); break;
    default: if (live) server.say(Array.from({ length: 1 + d.below(4) }, () => d.of(PIECES)).join(''));
  }
}

/** What is to be seen, from the double's own records and not through the code under test. */
function expected(server) {
  const turns = server.runs.filter((r) => r.era === server.era && r.status !== 'queued')
    .map((r) => ({ place: r.started ?? r.ended ?? '~', input: r.input, status: r.status,
      notices: [...new Set(r.notices.map((n) => n.text))],
      texts: r.status === 'rolled_back' || !r.message ? [] : [r.parts],
      error: r.status === 'failed' ? r.error?.message ?? null : null }));
  const notes = server.memory.filter((m) => !m.run).map((m) => ({ place: m.at, text: m.text }));
  return { shown: [...turns, ...notes].sort((a, b) => (a.place < b.place ? -1 : 1))
    .map((entry) => { delete entry.place; return entry; }),
  waiting: server.queue.map((r) => [r.run, r.input, r.steer]),
  active: server.active?.run ?? null };
}

function shown(session) {
  return { shown: session.transcript().map((e) => (e.kind === 'note' ? { text: e.text } : {
    input: e.input, status: e.status, notices: e.notices.map((n) => n.text),
    texts: e.texts.map((t) => t.text), error: e.error?.message ?? null })),
  waiting: session.waiting().map((q) => [q.run, q.input, q.steer]),
  active: session.active()?.run ?? null };
}

function story(seed) {
  const d = dice(seed);
  let time = 1_764_000_000_000_000;
  const clients = [];
  const server = new SessionDouble({ id: 's', now: () => (time += 7),
    emit: (frame) => clients.forEach((c) => c.hear(frame)) });
  for (let i = 0; i < CLIENTS; i += 1) clients.push(new Client(server, dice(seed * 31 + i)));
  let whole; // the one that hears everything, once and in order
  const begin = () => {
    whole = new Session('s');
    server.subscribe(null).forEach((f) => whole.apply(f));
    whole.takeNeeds();
    whole.memoryRead(server.memoryPage(), whole.since());
  };
  begin();
  const emit = server.emit;
  server.emit = (frame) => {
    whole.apply(copy(frame));
    if (whole.takeNeeds().memory) server.stale = true;
    emit(frame);
  };
  for (let i = 0; i < STEPS; i += 1) {
    happen(server, d);
    if (d.chance(0.004)) {
      for (const c of clients) c.cut();
      server.lose();
      begin();
    }
    if (server.stale) { whole.memoryRead(server.memoryPage(), whole.since()); server.stale = false; }
    for (const c of clients) {
      for (let n = d.below(4); n > 0; n -= 1) c.step();
      if (c.up && d.chance(0.06)) c.cut();
      else if (!c.up && d.chance(0.2)) c.open(d.chance(0.3));
    }
  }
  for (const c of clients) c.settle();
  // The last word of a message that a lagging reader missed comes with its end or with a partial.
  for (const c of clients) { c.cut(); c.open(); c.settle(); }
  return { server, whole, clients };
}

test(`${ROUNDS} random sessions: four bad lines see what the one good line sees`, () => {
  let ends = 0;
  for (let seed = 1; seed <= ROUNDS; seed += 1) {
    const { server, whole, clients } = story(seed);
    const want = expected(server);
    assert.deepEqual(shown(whole), want, `seed ${seed}: every frame in order`);
    clients.forEach((c, i) => assert.deepEqual(shown(c.session), want, `seed ${seed}: client ${i}`));
    ends += want.shown.length;
  }
  assert.ok(ends > ROUNDS, 'the stories are not empty');
});

// ---- the rules, one by one -----------------------------------------------------------------------

const at = (second) => `2026-11-28T08:00:0${second}.000000Z`;
const IDLE = { slot: { state: 'idle' }, queue: [] };
const event = (seq, name, run, data = {}, epoch = 'e') => ({ type: 'event', session: 's', epoch, seq,
  at: at(seq % 10), event: name, ...(run ? { run } : {}), data });
const delta = (offset, text) => ({ type: 'delta', session: 's', run: '1', message_id: 'm', offset, text });

function begun() {
  const s = new Session('s');
  s.apply({ type: 'subscribed', session: 's', epoch: 'e', head: 0, mode: 'fresh', slot: { state: 'idle' },
    queue: [] });
  s.takeNeeds();
  s.apply(event(1, 'run.created', '1', { input: 'hi', status: 'starting' }));
  s.apply(event(2, 'run.started', '1', { model: 'fast' }));
  s.apply(event(3, 'message.started', '1', { message_id: 'm', role: 'assistant' }));
  return s;
}
const text = (s) => s.transcript()[0].texts.map((t) => t.text).join('|');

test('a delta that comes twice is written once, by characters and not by UTF-16 units', () => {
  const s = begun();
  s.apply(delta(0, 'a😀'));
  s.apply(delta(0, 'a😀'));
  s.apply(delta(1, '😀b'));
  assert.equal(text(s), 'a😀b');
  assert.equal(length('a😀b'), 3);
});

test('a hole is not closed up: the text waits, and the session asks again', () => {
  const s = begun();
  s.apply(delta(0, 'ab'));
  s.apply(delta(4, 'ef'));
  assert.equal(text(s), 'ab');
  assert.equal(s.takeNeeds().again, true);
  s.apply({ type: 'partial', session: 's', run: '1', message_id: 'm', upto: 4, text: 'abcd' });
  assert.equal(text(s), 'abcdef');
});

test('a partial that is behind takes nothing away', () => {
  const s = begun();
  s.apply(delta(0, 'abcd'));
  s.apply({ type: 'partial', session: 's', run: '1', message_id: 'm', upto: 2, text: 'ab' });
  assert.equal(text(s), 'abcd');
});

test('a session that saw no event has a position', () => {
  const s = new Session('s');
  assert.equal(s.position(), null);
  s.apply({ type: 'subscribed', session: 's', epoch: 'e', head: 0, mode: 'fresh', slot: {}, queue: [] });
  assert.deepEqual(s.position(), { epoch: 'e', seq: 0 });
});

test('an event of another log is not counted, it is asked again', () => {
  const s = begun();
  s.apply(event(9, 'run.finished', '1', { status: 'failed' }, 'other'));
  assert.equal(s.transcript()[0].status, 'running');
  assert.equal(s.takeNeeds().again, true);
  assert.deepEqual(s.position(), { epoch: 'e', seq: 3 });
});

test('a snapshot of another log replaces everything, also runs of the same number', () => {
  const s = begun();
  s.memoryRead({ era: 1, tag: '1.3', items: [] }, s.since());
  const before = s.since();
  s.apply({ type: 'resync', session: 's', epoch: 'new', seq: 2, snapshot: { ...IDLE, era: 1,
    items: [{ seq: 1, role: 'user', text: 'other', run: '1', at: at(9) }] } });
  s.runsRead([{ run: '7', status: 'failed', input: 'late', era: 1 }], before);
  assert.deepEqual(s.transcript().map((t) => t.input), ['other']);
  assert.equal(s.takeNeeds().runs, true);
});

test('a snapshot of a later era leaves nothing of the earlier one, also before the runs are read', () => {
  const s = begun();
  s.apply({ type: 'resync', session: 's', epoch: 'e', seq: 9, snapshot: { ...IDLE, era: 2, items: [] } });
  assert.deepEqual(s.transcript(), []);
});

test('a snapshot that is behind is not taken', () => {
  const s = begun();
  s.apply({ type: 'resync', session: 's', epoch: 'e', seq: 2, snapshot: { ...IDLE, era: 1, items: [] } });
  assert.deepEqual(s.position(), { epoch: 'e', seq: 3 });
});

test('an event that comes again later changes nothing', () => {
  const s = begun();
  const waits = event(4, 'run.created', '2', { input: 'b', status: 'queued', position: 0, length: 1 });
  s.apply(waits);
  s.apply(event(5, 'queue.changed', '2', { length: 0 }));
  s.apply(waits);
  assert.deepEqual(s.waiting(), []);
  assert.deepEqual(s.position(), { epoch: 'e', seq: 5 });
});

test('each who waits has its place, and a steer that was not read comes among the others', () => {
  const s = begun();
  const created = (seq, run, on_conflict, position) => s.apply(event(seq, 'run.created', run,
    { input: `in ${run}`, status: 'queued', on_conflict, ...(position === undefined ? {} : { position }) }));
  const waiting = () => s.waiting().map((q) => [q.run, q.steer]);
  created(4, '2', 'enqueue', 0);
  created(5, '3', 'steer');
  created(6, '4', 'enqueue', 1);
  created(7, '5', 'interrupt', 0);
  assert.deepEqual(waiting(), [['5', false], ['2', false], ['4', false], ['3', true]]);
  s.apply(event(8, 'run.finished', '1', { status: 'superseded' }));
  assert.deepEqual(waiting(), [['5', false], ['2', false], ['3', false], ['4', false]]);
  s.apply(event(9, 'queue.changed', '5', { length: 3 }));
  s.apply(event(10, 'run.finished', '2', { status: 'cancelled', length: 2 }));
  assert.deepEqual(waiting(), [['3', false], ['4', false]]);
});

test('who waits, waits where somebody has put it, and an unread steer behind those', () => {
  const s = begun();
  const place = (run, more = {}) => ({ run, steer: false, ...more });
  s.apply(event(4, 'run.created', '2', { input: 'b', status: 'queued', position: 0 }));
  s.apply(event(5, 'run.created', '3', { input: 'c', status: 'queued', on_conflict: 'steer' }));
  s.apply(event(6, 'run.created', '4', { input: 'd', status: 'queued', position: 1 }));
  s.apply(event(7, 'queue.changed', undefined, { moved: '4', queue: [
    place('4', { arranged: true }), place('2', { arranged: true }), place('3', { steer: true })] }));
  assert.deepEqual(s.waiting().map((q) => q.run), ['4', '2', '3']);
  s.apply(event(8, 'run.created', '5', { input: 'e', status: 'queued', position: 2 }));
  s.apply(event(9, 'run.finished', '1', { status: 'succeeded' }));
  assert.deepEqual(s.waiting().map((q) => [q.run, q.input]),
    [['4', 'd'], ['2', 'b'], ['3', 'c'], ['5', 'e']]);
});

test('what left the queue is not in it, also before the queue is told anew', () => {
  const s = begun();
  s.apply(event(4, 'run.created', '2', { input: 'b', status: 'queued', position: 1 }));
  s.apply(event(5, 'run.created', '3', { input: 'c', status: 'queued', position: 2 }));
  assert.deepEqual(s.waiting().map((q) => q.input), ['b', 'c']);
  s.apply(event(6, 'run.finished', '2', { status: 'cancelled' }));
  assert.deepEqual(s.waiting().map((q) => [q.input, q.position]), [['c', 1]]);
});

test('a record that is older than the events does not answer the question', () => {
  const s = begun();
  s.apply(event(4, 'run.awaiting_input', '1', { request_id: 'q', prompt: '?' }));
  s.runsRead([{ run: '1', status: 'running', input: 'hi', era: 1 }], s.since());
  assert.deepEqual(s.transcript()[0].question, { request: 'q', prompt: '?' });
});

test('a question is known to who comes late, however they come', () => {
  const asks = { request_id: 'q', prompt: { name: 'clock' } };
  const known = { request: 'q', prompt: { name: 'clock' } };
  const slot = { state: 'active', run: '1', phase: 'awaiting_input', ...asks };
  const late = begun();
  late.resync({ epoch: late.epoch, seq: 9, snapshot: { era: 1, items: [], slot, queue: [] } });
  late.runsRead([{ run: '1', status: 'awaiting_input', input: 'hi', era: 1 }], late.since());
  assert.deepEqual(late.transcript()[0].question, known);
  const read = begun();
  read.runsRead([{ run: '2', status: 'awaiting_input', input: 'hi', era: 1, ...asks }],
    read.since());
  assert.deepEqual(read.transcript().at(-1).question, known);
  read.apply(event(4, 'run.answered', '2', { request_id: 'q' }));
  assert.equal(read.transcript().at(-1).question, null);
});

test('an answer that only called a tool has no words of its own', () => {
  const s = begun();
  s.apply(event(4, 'message.completed', '1', { message_id: 'm', text: '', tool_calls: [{}] }));
  s.apply(event(5, 'run.awaiting_input', '1', { request_id: 'q', prompt: {} }));
  assert.deepEqual(s.transcript()[0].texts, []);
  s.apply(event(6, 'run.answered', '1', { request_id: 'q' }));
  s.apply(event(7, 'message.completed', '1', { message_id: '1.2', text: 'noon' }));
  assert.deepEqual(s.transcript()[0].texts.map((t) => t.text), ['noon']);
});

test('notices stand in the order in which they came, each once', () => {
  const s = begun();
  const notice = (text) => ({ code: 'cooling', text });
  s.apply(event(4, 'run.notice', '1', notice('second')));
  s.apply(event(5, 'run.notice', '1', notice('third')));
  s.runsRead([{ run: '1', status: 'running', input: 'hi', era: 1,
    notices: [notice('first'), notice('second')] }], s.since());
  assert.deepEqual(s.transcript()[0].notices.map((n) => n.text), ['first', 'second', 'third']);
});

test('of a run that was taken back no word is left', () => {
  const s = begun();
  s.apply(event(4, 'message.completed', '1', { message_id: 'm', text: 'said' }));
  s.apply(event(5, 'run.finished', '1', { status: 'rolled_back' }));
  assert.deepEqual(s.transcript()[0].texts, []);
});

test('notes: the newest reading counts, and none from before a clear', () => {
  const s = begun();
  const note = (text) => ({ seq: 4, role: 'note', text, at: at(4) });
  const notes = () => s.transcript().filter((e) => e.kind === 'note').map((e) => e.text);
  s.memoryRead({ era: 1, tag: '1.5', items: [note('new')] }, s.since());
  s.memoryRead({ era: 1, tag: '1.4', items: [note('old')] }, s.since());
  assert.deepEqual(notes(), ['new']);
  s.apply(event(6, 'session.cleared', null, { era: 2 }));
  assert.deepEqual(notes(), []);
  s.memoryRead({ era: 1, tag: '1.5', items: [note('new')] }, s.since());
  assert.deepEqual(notes(), []);
  s.memoryRead({ era: 3, tag: '3.9', items: [note('ahead')] }, s.since());
  s.apply(event(8, 'session.cleared', null, { era: 3 }));
  assert.deepEqual(notes(), ['ahead'], 'it was read ahead of the clear before it');
});

test('what ended stays ended, also when older news comes later', () => {
  const s = begun();
  s.runsRead([{ run: '1', status: 'cancelled', input: 'hi', era: 1, output: 'ab' }], s.since());
  s.apply(event(4, 'run.awaiting_input', '1', { request_id: 'q', prompt: '?' }));
  const [turn] = s.transcript();
  assert.deepEqual([turn.status, turn.question, text(s)], ['cancelled', null, 'ab']);
});

test('text that is not kept goes when the run ends, on every screen alike', () => {
  const s = begun();
  s.apply(delta(0, 'half a sent'));
  s.apply(event(4, 'run.finished', '1', { status: 'failed', error: { code: 'x', message: 'y' } }));
  assert.equal(text(s), '');
  assert.deepEqual(s.transcript()[0].error, { code: 'x', message: 'y' });
});

test('after a clear nothing of before comes back', () => {
  const s = begun();
  s.apply(event(4, 'run.created', '9', { input: 'waits', status: 'queued', position: 1 }));
  s.apply(event(5, 'session.cleared', null, { era: 2 }));
  assert.deepEqual(s.waiting(), []);
  s.apply(delta(0, 'late'));
  s.apply(event(6, 'run.finished', '1', { status: 'cancelled', reason: 'cleared' }));
  s.runsRead([{ run: '1', status: 'cancelled', input: 'hi', era: 1, output: 'late' }], s.since());
  assert.deepEqual(s.transcript(), []);
  s.apply(event(7, 'run.created', '10', { input: 'new', status: 'starting' }));
  assert.deepEqual(s.transcript().map((t) => t.input), ['new']);
});

test('a run that HTTP told of ahead of the clear before it is not cleared by it', () => {
  const s = begun();
  s.memoryRead({ era: 2, tag: '2.9', items: [{ seq: 6, role: 'user', text: 'new', run: '2',
    at: '2026-11-28T08:00:06.000000Z' }] }, s.since());
  s.apply(event(4, 'session.cleared', null, { era: 2 }));
  s.apply(event(5, 'run.created', '2', { input: 'new', status: 'starting' }));
  assert.deepEqual(s.transcript().map((t) => [t.input, t.status]), [['new', 'starting']]);
});

test('an answer over HTTP from before a snapshot is not believed', () => {
  const s = begun();
  const before = s.since();
  s.apply({ type: 'resync', session: 's', epoch: 'e', seq: 9, snapshot: { era: 1, items: [], queue: [],
    slot: { state: 'idle' } } });
  s.memoryRead({ era: 1, tag: '1.3', items: [{ seq: 3, role: 'note', text: 'old', at: 'x' }] }, before);
  assert.deepEqual(s.transcript().filter((e) => e.kind === 'note'), []);
});
