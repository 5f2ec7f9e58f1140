// How do the link's rules meet a browser? Does what link.mjs says: sockets, timers, readings.
import { kept, read, segment, token, whenToken } from './base.js';
import { Link, PROTOCOL } from './link.mjs';

const PAGE = 200;
const MAX_PAGES = 50;
const AGAIN_MS = 2000;
/** Frames that come close together are drawn once. */
const HIDDEN_MS = 500;

const hex = (n) => [...crypto.getRandomValues(new Uint8Array(n))]
  .map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** All pages of a list; a bound keeps a server that never ends it from filling the page. */
export async function readAll(path, pages = MAX_PAGES) {
  const items = [];
  let about = {};
  for (let after = null, n = 0; n < pages; n += 1) {
    const from = after === null ? '' : `&after=${segment(after)}`;
    const page = await read(`${path}?limit=${PAGE}${from}`);
    items.push(...page.items);
    about = page;
    after = page.next ?? null;
    if (after === null) break;
  }
  return { ...about, items };
}

export class Socket {
  /** `draw(ids)` when something changed, `settled(s)` per command, `trouble(t)` for the rest. */
  constructor({ draw, settled = () => {}, trouble = () => {}, keep = null }) {
    Object.assign(this, { draw, settled, trouble, keep, socket: null, timer: 0, dirty: new Set(),
      drawing: false });
    this.link = new Link({ ids: () => hex(16), random: Math.random });
    if (keep) this.link.restore(JSON.parse(kept.get(keep, sessionStorage) ?? '[]'));
    const doubt = () => { if (!document.hidden) this.act(this.link.doubt(performance.now())); };
    addEventListener('online', doubt);
    addEventListener('focus', doubt);
    document.addEventListener('visibilitychange', doubt);
    whenToken(doubt);
  }

  start() { this.act(this.link.connect(performance.now())); }

  subscribe(id) { this.act(this.link.subscribe(id)); }

  unsubscribe(id) { this.act(this.link.unsubscribe(id)); }

  session(id) { return this.link.session(id); }

  /** Returns the command's id, or null if too many wait already. */
  command(frame) {
    const effects = [];
    const id = this.link.command(frame, effects);
    this.act(effects);
    return id;
  }

  withdraw(id) {
    const done = this.link.withdraw(id);
    this.act([]);
    return done;
  }

  // ---- what the link says ----------------------------------------------------------------------

  act(effects) {
    for (const effect of effects) {
      if (effect.connect) this.open();
      else if (effect.send) this.socket?.send(JSON.stringify(effect.send));
      else if (effect.close) this.leave();
      else if (effect.read) this.read(effect);
      else if (effect.settled) this.settled(effect.settled);
      else if (effect.trouble) this.trouble(effect.trouble);
      else if (effect.again) {
        setTimeout(() => this.act(this.link.retry(effect.again)), AGAIN_MS);
      }
      else this.touch(effect.changed);
    }
    if (this.keep) {
      const waiting = [...this.link.outbox.values()].map((entry) => entry.frame);
      kept.set(this.keep, waiting.length ? JSON.stringify(waiting) : null, sessionStorage);
    }
    clearTimeout(this.timer);
    const due = this.link.due();
    if (due === null) return;
    const wait = Math.max(0, due - performance.now());
    this.timer = setTimeout(() => this.act(this.link.tick(performance.now())), wait);
  }

  open() {
    this.touch(null);
    const url = new URL('/v1/ws', location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = this.socket = new WebSocket(url, PROTOCOL);
    const mine = (call) => (event) => {
      if (this.socket === socket) this.act(call(event, performance.now()));
    };
    socket.onmessage = mine(({ data }, now) => this.link.frame(JSON.parse(data), now));
    socket.onclose = mine(({ code, reason }, now) => {
      this.socket = null;
      return this.link.closed(code, reason, now);
    });
  }

  leave() {
    const socket = this.socket;
    this.socket = null; // what it says from now on is not heard
    socket?.close(1000);
  }

  async read({ read: what, session: id, since }) {
    const session = this.session(id);
    try {
      const found = await readAll(`/v1/sessions/${segment(id)}/${what}`);
      if (what === 'runs') session.runsRead(found.items, since);
      else session.memoryRead(found, since);
      session.problem = null;
    } catch (error) {
      if (since !== session.since()) return;
      session.missing = error.status === 404;
      session.problem = error.problem ?? { title: error.message };
      const still = () => since === session.since() && this.link.wanted.has(id);
      // Without the past a session looks empty, which it is not.
      setTimeout(() => { if (still()) this.read({ read: what, session: id, since }); }, AGAIN_MS);
    }
    this.touch(id);
  }

  touch(id) {
    this.dirty.add(id);
    if (this.drawing) return;
    this.drawing = true;
    const now = () => {
      this.drawing = false;
      const dirty = this.dirty;
      this.dirty = new Set();
      this.draw(dirty);
    };
    // A page in the background gets no frames to draw in.
    if (document.hidden) setTimeout(now, HIDDEN_MS); else requestAnimationFrame(now);
  }

  /** For the page's head: live, lost or connecting, and when it is tried again. */
  about() {
    const { state, opened, attempts, retryAt } = this.link;
    const told = state === 'live' ? 'live' : opened || attempts > 0 ? 'lost' : 'connecting';
    return { state: told, attempts, never: opened === 0, waits: state === 'waiting',
      inMs: state === 'waiting' ? Math.max(0, retryAt - performance.now()) : 0, locked: !!token };
  }
}
