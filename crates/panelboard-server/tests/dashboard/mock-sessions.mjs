// What would the sessions of a panelboard answer? Part of the MOCK for the page tests: doubles of
// sessions behind the HTTP and WebSocket surface, with made-up answers at a made-up pace.
import { SessionDouble } from './session-double.mjs';
import { WebSocketDouble } from './websocket.mjs';

const ANSWER = 'This is a mock: it makes its answer up, word by word, so that there is time to watch '
  + 'it come. A session runs one answer at a time; what comes in between does what its sender chose.\n\n'
  + 'Code looks like `this`, or like this:\n\n```rust\nfn main() {\n    println!("one at a time");\n}\n```\n\n'
  + 'Letters such as 😀, é and 한 are one character each.';
const SUBSCRIPTIONS = 64;

export class Sessions {
  constructor({ pace = 12 } = {}) {
    Object.assign(this, { pace, all: new Map(), links: new Set(), counter: 0, micros: 0, answer: ANSWER,
      epoch: 'e1', lost: false, deaf: false, notices: [], failing: null, held: false,
      seen: new Map() });
  }

  now = () => { this.micros = Math.max(this.micros + 1, Date.now() * 1000); return this.micros; };

  stop() {
    for (const link of this.links) link.cut();
    for (const s of this.all.values()) clearTimeout(s.timer);
    this.all.clear();
  }

  create(id = `s-${(this.counter += 1)}-${Math.random().toString(36).slice(2, 8)}`, metadata = {}) {
    let session = this.all.get(id);
    if (session) return session;
    session = new SessionDouble({ id, epoch: this.epoch, metadata, now: this.now,
      emit: (frame) => {
        for (const link of this.links) if (link.subscribed.has(id)) link.send(frame);
        this.drive(session);
      } });
    this.all.set(id, session);
    return session;
  }

  // ---- the made-up answers ---------------------------------------------------------------------

  drive(session) {
    if (session.timer || this.held) return;
    session.timer = setTimeout(() => {
      session.timer = null;
      if (this.held) return;
      this.step(session);
      if (session.active || session.queue.length) this.drive(session);
    }, this.pace);
  }

  /** No answer goes on until `release`. */
  hold() { this.held = true; }

  release() {
    this.held = false;
    for (const session of this.all.values()) this.drive(session);
  }

  step(session) {
    const run = session.active;
    if (!run) { session.start(); return; }
    if (run.status === 'stopping') { session.end('cancelled'); return; }
    if (run.status === 'starting') { session.start(); return; }
    if (run.status !== 'running') return;
    if (!run.left) {
      run.left = this.answer.split(/(?<= )/);
      for (const text of this.notices) session.notice('cooling', text);
    }
    if (session.steer()) run.left.unshift('(steered) ');
    if (this.failing && run.left.length < 5) {
      session.end('failed', this.failing);
    } else if (run.left.length) session.say(run.left.shift());
    else session.end('succeeded');
  }

  // ---- HTTP ------------------------------------------------------------------------------------

  /** Answers `[status, body]`, or null for a path that is no session's. */
  async http(method, path, query, body, headers) {
    if (path === '/v1/sessions') {
      if (method === 'GET') return [200, this.page([...this.all.values()].map((s) => this.summary(s)), query)];
      const key = headers['idempotency-key'];
      const id = body.id ?? this.seen.get(key);
      const there = this.all.has(id);
      const session = this.create(id, body.metadata);
      if (key) this.seen.set(key, session.id);
      return [there ? 200 : 201, this.summary(session)];
    }
    const [, raw, what, run, verb] = /^\/v1\/sessions\/([^/]+)(?:\/(\w+))?(?:\/([^/]+))?(?:\/(\w+))?$/.exec(path) ?? [];
    if (!raw) return null;
    const id = decodeURIComponent(raw);
    const session = this.all.get(id);
    if (method === 'DELETE' && !what) {
      if (session) clearTimeout(session.timer);
      this.all.delete(id);
      return [204, null];
    }
    if (!session && !(method === 'POST' && what === 'runs')) return this.problem('no-such-session', 404, id);
    const act = (reply) => (reply.ok ? [202, reply.result] : [reply.problem.status, reply.problem]);
    if (method === 'GET') {
      if (!what) return [200, this.summary(session)];
      if (what === 'runs') return [200, this.page(session.records(), query)];
      if (what === 'memory') return [200, session.memoryPage()];
      if (what === 'queue') return [200, { items: session.queued() }];
    }
    if (method === 'POST' && what === 'runs' && !run) return act(this.create(id).submit({ ...body, key: headers['idempotency-key'] }));
    if (method === 'POST' && (what === 'cancel' || verb === 'cancel')) return act(session.cancel(run));
    if (method === 'POST' && what === 'clear') return act(session.clear(body.mode));
    if (method === 'POST' && what === 'memory') { session.note(body.text); return [201, { tag: session.memoryPage().tag }]; }
    return this.problem('no-such-path', 404, path);
  }

  page(items, query) {
    const from = Number(query.get('after') ?? 0);
    const limit = Number(query.get('limit') ?? 100);
    return { items: items.slice(from, from + limit), next: from + limit < items.length ? String(from + limit) : null };
  }

  problem(code, status, detail) {
    return [status, { type: `urn:panelboard:problem:${code}`, title: code.replaceAll('-', ' '), status, code, detail }];
  }

  summary(session) {
    return session.summary([...this.links].filter((l) => l.subscribed.has(session.id)).length);
  }

  // ---- WebSocket -------------------------------------------------------------------------------

  upgrade(request, socket) {
    const link = new WebSocketDouble(request, socket);
    link.subscribed = new Set();
    this.links.add(link);
    link.onclose = () => { this.links.delete(link); for (const id of link.subscribed) this.presence(id); };
    link.onmessage = (text) => { if (!this.deaf) this.heard(link, JSON.parse(text)); };
    if (!this.deaf) {
      link.send({ type: 'welcome', conn_id: `c${(this.counter += 1)}`,
        limits: { frame_bytes: 65_536, subscriptions: SUBSCRIPTIONS } });
    }
  }

  presence(id) {
    const connections = [...this.links].filter((l) => l.subscribed.has(id)).length;
    for (const l of this.links) if (l.subscribed.has(id)) l.send({ type: 'presence', session: id, connections });
  }

  heard(link, frame) {
    const { type, session: id, client_msg_id: re } = frame;
    const session = this.all.get(id);
    const ack = (reply) => link.send({ type: 'ack', re, ...reply });
    // What is sent again is answered as the first.
    const once = (act) => {
      if (!this.seen.has(re)) this.seen.set(re, act());
      ack(this.seen.get(re));
    };
    if (type === 'ping') link.send({ type: 'pong' });
    else if (type === 'unsubscribe') { link.subscribed.delete(id); this.presence(id); }
    else if (type === 'submit') ack(this.create(id).submit({ ...frame, key: re }));
    else if (!session) link.send({ type: 'error', code: 'no-such-session', detail: `no session ${id}`, session: id, re });
    else if (type === 'subscribe') {
      for (const answer of session.subscribe(frame, this.lost)) link.send(answer);
      link.subscribed.add(id);
      this.presence(id);
    } else if (type === 'cancel') ack(session.cancel(frame.run));
    else if (type === 'clear') once(() => session.clear(frame.mode));
    else if (type === 'answer') ack(session.answer(frame.run, frame.request_id));
    else link.send({ type: 'error', code: 'unknown-type', detail: `no frame is called ${type}` });
  }
}
