// Is each command carried out once and answered once, whatever the line does, and is the server
// never hurried? A random line first, then the rules one by one.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { LEAST_MS, Link } from '../../../dashboard/link.mjs';
import { dice } from '../dice.mjs';

const ROUNDS = Number(process.env.ROUNDS ?? 150);
const WELCOME = { type: 'welcome', conn_id: 'c', limits: { frame_bytes: 65_536, subscriptions: 64 } };

function link(random = () => 0.5) {
  let n = 0;
  return new Link({ ids: () => `id-${n += 1}`, random });
}
const IDLE = { slot: { state: 'idle' }, queue: [] };
const sent = (effects) => effects.filter((e) => e.send).map((e) => e.send);

/** A connection that stands. */
function live(l = link(), now = 0) {
  l.connect(now);
  const effects = l.frame(WELCOME, now);
  return [l, effects];
}

test(`${ROUNDS} random lines: each command is done once, in order, and settled once`, () => {
  let again = 0;
  for (let seed = 1; seed <= ROUNDS; seed += 1) {
    const d = dice(seed);
    const l = link(d.next);
    const done = new Map(); // the server's memory of client_msg_ids
    const settled = [];
    const given = [];
    let now = 0;
    let wire = []; // what the page sent on this connection and the server did not read yet
    let back = []; // what the server sent and the page did not read yet
    let up = false;
    const act = (effects) => {
      for (const e of effects) {
        if (e.connect) { up = true; wire = []; back = [WELCOME]; }
        if (e.send) wire.push(e.send);
        if (e.settled) settled.push(e.settled.id);
        if (e.close) { up = false; wire = []; back = []; }
      }
    };
    const server = () => {
      const frame = wire.shift();
      if (!frame?.client_msg_id) return;
      if (done.has(frame.client_msg_id)) again += 1;
      else done.set(frame.client_msg_id, frame.type);
      back.push({ type: 'ack', re: frame.client_msg_id, ok: true, result: {} });
    };
    const cut = () => { up = false; wire = []; back = []; act(l.closed(1006, '', now)); };
    act(l.connect(now));
    for (let i = 0; i < 150; i += 1) {
      now += d.below(2000);
      act(l.tick(now));
      const roll = d.next();
      if (roll < 0.12) {
        const effects = [];
        const type = d.below(3) ? 'submit' : 'clear';
        const id = l.command({ type, session: 's', input: i }, effects);
        if (id) given.push(id);
        act(effects);
      } else if (roll < 0.5 && up) server();
      else if (roll < 0.8 && up && back.length) act(l.frame(back.shift(), now));
      else if (roll < 0.9 && up) cut();
    }
    for (let i = 0; i < 500 && (l.outbox.size || back.length || wire.length); i += 1) {
      now += 1000;
      act(l.tick(now));
      if (up && wire.length) server();
      if (up && back.length) act(l.frame(back.shift(), now));
    }
    assert.deepEqual(settled.toSorted(), given.toSorted(), `seed ${seed}: settled once each`);
    assert.deepEqual([...done.keys()], given, `seed ${seed}: done once each, in order`);
  }
  assert.ok(again > ROUNDS / 4, `commands were sent again ${again} times`);
});

test('nothing is sent before the welcome, then subscriptions, then what waits', () => {
  const l = link();
  const effects = [...l.connect(0), ...l.subscribe('s')];
  l.command({ type: 'submit', session: 's', input: 'x' }, effects);
  assert.deepEqual(effects, [{ connect: true }]);
  assert.deepEqual(sent(l.frame(WELCOME, 1)), [{ type: 'subscribe', session: 's' },
    { type: 'submit', session: 's', input: 'x', client_msg_id: 'id-1' }]);
});

test('a session resumes from its own position', () => {
  const [l] = live();
  l.subscribe('s');
  l.frame({ type: 'subscribed', session: 's', epoch: 'e', head: 7, mode: 'fresh', slot: {}, queue: [] }, 1);
  l.closed(1006, '', 2);
  l.connect(3);
  assert.deepEqual(sent(l.frame(WELCOME, 4)), [{ type: 'subscribe', session: 's', epoch: 'e', seq: 7 }]);
});

test('a fresh session is read over HTTP', () => {
  const [l] = live();
  l.subscribe('s');
  const effects = l.frame({ type: 'subscribed', session: 's', epoch: 'e', head: 7, mode: 'fresh',
    slot: {}, queue: [] }, 1);
  assert.deepEqual(effects.map((e) => e.read).filter(Boolean), ['runs', 'memory']);
});

test('a hole is asked about once, not once a frame', () => {
  const [l] = live();
  l.subscribe('s');
  l.frame({ type: 'subscribed', session: 's', epoch: 'e', head: 0, mode: 'fresh', slot: {}, queue: [] }, 1);
  const piece = (offset) => l.frame({ type: 'delta', session: 's', run: '1', message_id: 'm', offset, text: 'x' }, 2);
  const asked = [5, 6, 7].flatMap(piece).filter((e) => e.send?.type === 'subscribe');
  assert.equal(asked.length, 1);
});

test('waits grow, have jitter and a ceiling, and start anew once a connection has stood', () => {
  for (const [random, factor] of [[0, 0.5], [1, 1.5]]) {
    const l = link(() => random);
    let now = 0;
    const waits = [];
    for (let i = 0; i < 9; i += 1) {
      l.connect(now);
      l.closed(1006, '', now);
      waits.push(l.due() - now);
      now = l.due();
    }
    assert.deepEqual(waits.slice(0, 3), [800, 1600, 3200].map((ms) => ms * factor));
    assert.equal(waits.at(-1), 15_000 * factor);
  }
  const [l] = live();
  l.attempts = 5;
  l.closed(1006, '', 60_000);
  assert.equal(l.due(), 60_000 + 400);
});

test('a server that goes away says when to come back, and is not hurried', () => {
  const [l] = live(link(() => 0));
  assert.ok(l.frame({ type: 'goaway', code: 1012, reason: 'restart', reconnect_after_ms: 3000 }, 10).some((e) => e.close));
  assert.equal(l.due(), 3010);
  assert.deepEqual(l.doubt(20), [], 'not even when the page comes back to the front');
  assert.deepEqual(l.tick(3009), []);
  assert.deepEqual(l.tick(3010), [{ connect: true }]);
  const [m] = live(link(() => 0));
  m.closed(1012, '{"reconnect_after_ms":2000}', 10);
  assert.equal(m.due(), 2010);
});

/** The table of the documentation: code, and what its last column says of coming back. */
function codes() {
  const docs = readFileSync(new URL('../../../../../docs/sessions.md', import.meta.url), 'utf8');
  const rows = [...docs.matchAll(/^\| (\d{4}) \| .* \| (.*) \|$/gm)];
  return rows.map(([, code, back]) => ({ code: Number(code), told: back.includes('`goaway`'),
    least: 1000 * Number(/(\d+) s/.exec(back)?.[1] ?? 0) }));
}

test('each code that the server closes with is obeyed as its documentation says', () => {
  assert.deepEqual(Object.fromEntries(codes().map(({ code, least }) => [code, least])), LEAST_MS);
  for (const { code, told, least } of codes()) {
    for (const random of [0, 1]) {
      const after = (close) => {
        const [l] = live(link(() => random), 0);
        close(l);
        assert.equal(l.state, 'waiting');
        return l.due() - 10_000;
      };
      const spread = 1 + random / 2;
      const plain = after((l) => l.closed(code, '', 10_000));
      assert.equal(plain, least ? least * spread : 400 * (0.5 + random), `${code}`);
      if (!told) continue;
      const advice = 7000;
      const reason = JSON.stringify({ reconnect_after_ms: advice });
      assert.equal(after((l) => l.closed(code, reason, 10_000)), advice * spread, `${code}`);
      const goaway = { type: 'goaway', code, reason: 'why', reconnect_after_ms: advice, resume: [] };
      assert.equal(after((l) => l.frame(goaway, 10_000)), advice * spread, `${code}`);
    }
  }
});

test('a silent line is found by a ping and left', () => {
  const [l] = live();
  assert.deepEqual(l.tick(19_999), []);
  assert.deepEqual(sent(l.tick(20_000)), [{ type: 'ping' }]);
  assert.deepEqual(l.tick(27_999), []);
  assert.ok(l.tick(28_000).some((e) => e.close));
  assert.equal(l.state, 'waiting');
  const [m] = live();
  m.tick(20_000);
  m.frame({ type: 'pong' }, 21_000);
  assert.deepEqual(m.tick(28_000), [], 'an answer is enough');
});

test('an ack that comes twice settles once', () => {
  const [l] = live();
  const effects = [];
  const id = l.command({ type: 'submit', session: 's', input: 'x' }, effects);
  const ack = { type: 'ack', re: id, ok: true, result: { run: '1' } };
  assert.equal(l.frame(ack, 1).length, 1);
  assert.equal(l.frame(ack, 2).length, 0);
});

test('only what was never sent can be taken back', () => {
  const l = link();
  const id = l.command({ type: 'submit', session: 's', input: 'x' }, []);
  assert.equal(l.withdraw(id), true);
  const [m] = live();
  assert.equal(m.withdraw(m.command({ type: 'submit', session: 's', input: 'x' }, [])), false);
});

test('what was left in the outbox by a page that was left is sent again under its name', () => {
  const l = link();
  l.restore([{ type: 'submit', session: 's', input: 'x', client_msg_id: 'old' }]);
  const [, effects] = live(l);
  assert.deepEqual(sent(effects), [{ type: 'submit', session: 's', input: 'x', client_msg_id: 'old' }]);
});

test('an error frame that names a command settles it, another is told', () => {
  const [l] = live();
  const id = l.command({ type: 'submit', session: 's', input: 'x' }, []);
  const [{ settled }] = l.frame({ type: 'error', code: 'too-large', detail: 'd', re: id }, 1);
  assert.deepEqual([settled.ok, settled.problem.code], [false, 'too-large']);
  assert.deepEqual(l.frame({ type: 'error', code: 'bad-frame', detail: 'd' }, 1),
    [{ trouble: { code: 'bad-frame', detail: 'd' } }]);
});

test('a session that is not there, or not any more, is missing and not in trouble', () => {
  const [l] = live();
  for (const code of ['no-such-session', 'session-deleted']) {
    l.subscribe(code);
    assert.deepEqual(l.frame({ type: 'error', code, detail: 'd', session: code }, 1),
      [{ changed: code }]);
    assert.equal(l.session(code).missing, true);
  }
});

test('a session that can not be followed now is asked for again, from where it was', () => {
  const [l] = live();
  l.subscribe('s');
  l.frame({ type: 'subscribed', session: 's', epoch: 'e', head: 7, mode: 'fresh', ...IDLE }, 1);
  const effects = l.frame({ type: 'error', code: 'store-failed', detail: 'd', session: 's' }, 2);
  assert.deepEqual(effects, [{ changed: 's' }, { again: 's' }]);
  assert.equal(l.session('s').problem.code, 'store-failed');
  assert.deepEqual(sent(l.retry('s')), [{ type: 'subscribe', session: 's', epoch: 'e', seq: 7 }]);
  l.unsubscribe('s');
  assert.deepEqual(l.retry('s'), []);
});

test('what the server did not answer is sent again under its name, a clear too, in its order', () => {
  const [l] = live();
  const frames = ['clear', 'submit', 'cancel', 'answer'].map((type, n) => (
    { type, session: 's', client_msg_id: `id-${n + 1}` }));
  for (const { type, session } of frames) l.command({ type, session }, []);
  l.closed(1006, '', 1);
  l.connect(2);
  assert.deepEqual(sent(l.frame(WELCOME, 3)), frames);
  assert.equal(l.frame({ type: 'ack', re: 'id-1', ok: true, result: { era: 1 } }, 4)[0].settled.ok, true);
});

test('what is too long for a frame is told at once, sent now or later', () => {
  const [l] = live();
  const long = { type: 'submit', session: 's', input: 'é'.repeat(33_000) };
  const effects = [];
  l.command(long, effects);
  assert.deepEqual(sent(effects), []);
  assert.equal(effects[0].settled.problem.code, 'too-large');
  const m = link();
  m.command(long, []);
  const [, late] = live(m);
  assert.equal(late[0].settled.problem.code, 'too-large');
  assert.equal(m.outbox.size, 0);
});

test('sessions that nobody looks at are forgotten in the end', () => {
  const l = link();
  l.subscribe('kept');
  l.session('kept');
  for (let i = 0; i < 100; i += 1) l.session(`s${i}`);
  assert.ok(l.sessions.size <= 25);
  assert.ok(l.sessions.has('kept'));
});
