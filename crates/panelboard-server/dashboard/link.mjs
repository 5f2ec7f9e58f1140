// When is the server called, what is sent, and what is sent again? One connection's rules without
// the connection: what happened and what time it is go in, what to do comes out. socket.js does it.
//
// A command stays in the outbox until the server has answered it, and is sent again, under the same
// `client_msg_id`, on each connection until then: the server makes one run of it. A session that is
// subscribed resumes from its own position.
import { Session } from './session.mjs';

export const PROTOCOL = 'panelboard.v1';
const BASE_MS = 400;
const MAX_MS = 15_000;
const SPREAD = 0.5;
/** A connection that stood this long has shown that the server is well. */
const STOOD_MS = 8000;
const OPEN_MS = 10_000;
const PING_MS = 20_000;
/** After a ping, this long without a word: the line is dead, whatever the browser thinks. */
const SILENT_MS = 8000;
const MAX_OUTBOX = 64;
const KEPT_SESSIONS = 24;
/** Errors after which there is no session to follow. */
const GONE = new Set(['no-such-session', 'session-deleted', 'bad-session-id']);
/** The codes that the server closes with, and how long it is left alone at least. What it says itself
 * may be more. docs/sessions.md says why. */
export const LEAST_MS = { 1000: 0, 1001: 0, 1002: 10_000, 1009: 10_000, 1012: 0, 4400: 10_000,
  4408: 0, 4429: 5000 };

export class Link {
  /** `ids` gives a name that was never given before; `random` a number from 0 to 1. */
  constructor({ ids, random }) {
    Object.assign(this, { ids, random, state: 'idle', sessions: new Map(), wanted: new Map(),
      outbox: new Map(), attempts: 0, since: 0, heard: 0, pinged: null, retryAt: null,
      advice: null, limits: null, opened: 0, lastClose: null });
  }

  session(id) {
    let s = this.sessions.get(id);
    if (s) this.sessions.delete(id); else s = new Session(id);
    this.sessions.set(id, s); // the last asked for is the last forgotten
    for (const key of this.sessions.keys()) {
      if (this.sessions.size <= KEPT_SESSIONS) break;
      if (!this.wanted.has(key) && key !== id) this.sessions.delete(key);
    }
    return s;
  }

  get live() { return this.state === 'live'; }

  // ---- what the person and the page want -------------------------------------------------------

  connect(now) {
    if (this.state === 'connecting' || this.state === 'live') return [];
    Object.assign(this, { state: 'connecting', since: now, retryAt: null, advice: null });
    return [{ connect: true }];
  }

  subscribe(id) {
    this.wanted.set(id, { asked: false });
    return this.live ? this.ask(id) : [];
  }

  unsubscribe(id) {
    if (!this.wanted.delete(id)) return [];
    return this.live ? [{ send: { type: 'unsubscribe', session: id } }] : [];
  }

  /** Returns the id under which the answer comes back, or null if too much waits already. */
  command(frame, effects, id = this.ids()) {
    if (this.outbox.size >= MAX_OUTBOX) return null;
    const whole = { ...frame, client_msg_id: id };
    this.outbox.set(id, { frame: whole, sent: 0 });
    if (this.live) effects.push(...this.put(id));
    return id;
  }

  /** Sends what waits in the outbox, or says at once why it can not be sent. */
  put(id) {
    const entry = this.outbox.get(id);
    const refuse = (problem) => this.settle(id, { ok: false, problem });
    const size = new TextEncoder().encode(JSON.stringify(entry.frame)).length;
    const most = this.limits?.frame_bytes ?? Infinity;
    // A frame that is too long is refused unread: nobody could say which command it was.
    if (size > most) {
      return refuse({ code: 'too-large', title: 'it is too long',
        detail: `${size} bytes of at most ${most}` });
    }
    entry.sent += 1;
    return [{ send: entry.frame }];
  }

  /** Commands of a page that was left before the server answered: perhaps they were carried out. */
  restore(frames) {
    for (const frame of frames) this.outbox.set(frame.client_msg_id, { frame, sent: 1 });
  }

  /** Takes a command back that was never sent; one that was may have been carried out. */
  withdraw(id) {
    return this.outbox.get(id)?.sent === 0 && this.outbox.delete(id);
  }

  /** Something says that the line may have changed: ask at once instead of waiting. */
  doubt(now) {
    if (this.live) return this.ping(now);
    return this.state === 'waiting' && !this.advice ? this.connect(now) : [];
  }

  // ---- what the socket tells -------------------------------------------------------------------

  frame(frame, now) {
    this.heard = now;
    this.pinged = null;
    switch (frame.type) {
      case 'welcome': return this.welcome(frame, now);
      case 'ack': return this.settle(frame.re, frame);
      case 'error': return this.error(frame);
      case 'goaway':
        this.advice = Math.max(0, frame.reconnect_after_ms ?? 0);
        return [{ close: true }, ...this.closed(frame.code, '', now)];
      case 'pong': return [];
      default: return this.ofSession(frame);
    }
  }

  welcome(frame, now) {
    if (this.state !== 'connecting') return [];
    Object.assign(this, { state: 'live', since: now, limits: frame.limits ?? null });
    this.opened += 1;
    const effects = [];
    for (const [id, want] of this.wanted) { want.asked = false; effects.push(...this.ask(id)); }
    for (const id of [...this.outbox.keys()]) effects.push(...this.put(id));
    return effects;
  }

  ask(id) {
    this.wanted.get(id).asked = true;
    return [{ send: { type: 'subscribe', session: id, ...this.session(id).position() } }];
  }

  ofSession(frame) {
    if (!this.wanted.has(frame.session)) return [];
    const s = this.session(frame.session);
    s.apply(frame);
    if (frame.type === 'subscribed' || frame.type === 'partial') {
      this.wanted.get(frame.session).asked = false;
    }
    const needs = s.takeNeeds();
    const effects = [{ changed: frame.session }];
    if (needs.runs) effects.push({ read: 'runs', session: s.id, since: s.since() });
    if (needs.memory) effects.push({ read: 'memory', session: s.id, since: s.since() });
    // One question at a time: what is still on its way shows the hole as well.
    if (needs.again && !this.wanted.get(s.id).asked) effects.push(...this.ask(s.id));
    return effects;
  }

  settle(id, { ok, result, problem }) {
    const entry = this.outbox.get(id);
    if (!entry) return []; // the answer to what was sent twice
    this.outbox.delete(id);
    return [{ settled: { id, frame: entry.frame, ok, result, problem } }];
  }

  error({ code, detail, re, session: id }) {
    if (re && this.outbox.has(re)) return this.settle(re, { ok: false, problem: { code, detail } });
    if (!id || !this.wanted.has(id)) return [{ trouble: { code, detail } }];
    // From now on the server tells nothing of that session.
    const s = this.session(id);
    this.wanted.get(id).asked = false;
    if (GONE.has(code)) {
      s.reset(null);
      s.missing = true;
      return [{ changed: id }];
    }
    s.problem = { code, detail };
    return [{ changed: id }, { again: id }];
  }

  /** What `again` asks for, after a while: the session is asked for once more. */
  retry(id) {
    return this.live && this.wanted.has(id) ? this.ask(id) : [];
  }

  closed(code, reason, now) {
    if (this.state === 'idle' || this.state === 'waiting') return [];
    const stood = this.live && now - this.since >= STOOD_MS;
    this.attempts = stood ? 0 : this.attempts + 1;
    const wait = this.wait(code, reason);
    Object.assign(this, { state: 'waiting', retryAt: now + wait, pinged: null, limits: null,
      lastClose: { code, reason } });
    return [{ changed: null }];
  }

  /** Never two clients at the same moment, never faster than the server asks for. */
  wait(code, reason) {
    const advised = this.advice ?? adviceIn(reason);
    const step = Math.min(MAX_MS, BASE_MS * 2 ** Math.min(this.attempts, 10));
    const least = Math.max(advised ?? 0, LEAST_MS[code] ?? 0);
    const spread = least ? least * SPREAD : step;
    return Math.round(least + (least ? 0 : step * SPREAD) + this.random() * spread);
  }

  // ---- time ------------------------------------------------------------------------------------

  /** When `tick` has something to do next, or null. */
  due() {
    switch (this.state) {
      case 'waiting': return this.retryAt;
      case 'connecting': return this.since + OPEN_MS;
      case 'live': return this.pinged === null ? this.heard + PING_MS : this.pinged + SILENT_MS;
      default: return null;
    }
  }

  tick(now) {
    const due = this.due();
    if (due === null || now < due) return [];
    if (this.state === 'waiting') return this.connect(now);
    if (this.live && this.pinged === null) return this.ping(now);
    return [{ close: true }, ...this.closed(1006, 'silent', now)];
  }

  ping(now) {
    this.pinged ??= now;
    return [{ send: { type: 'ping' } }];
  }
}

function adviceIn(reason) {
  try {
    const ms = JSON.parse(reason).reconnect_after_ms;
    return typeof ms === 'number' && ms >= 0 ? ms : null;
  } catch { return null; }
}
