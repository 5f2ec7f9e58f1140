// What would a panelboard answer? A MOCK of its HTTP surface for the dashboard's browser test: its
// breakers are a sketch of the rules and prove nothing about the real ones.
//   node mock.mjs [--port N] [--breakers N] [--sessions N] [--pace MS]
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MockSinks, MockVault } from './mock-behind.mjs';
import { Sessions } from './mock-sessions.mjs';

const PAGE = new URL('../../dashboard/', import.meta.url);
const TYPES = { html: 'text/html', css: 'text/css', js: 'text/javascript', mjs: 'text/javascript' };
const PAGES = { '/': 'index.html', '/chat': 'chat.html' };
/** What is served at a path, and its type; null for what is no file of the pages. */
function fileAt(path) {
  const name = PAGES[path] ?? /^\/([a-z]+\.(?:css|js|mjs))$/.exec(path)?.[1];
  if (!name) return null;
  const file = (of) => readFileSync(new URL(of, PAGE), 'utf8');
  return [file(name).replace('<!-- head -->\n', () => file('head.html')),
    TYPES[name.split('.').at(-1)]];
}
// As strict as a server could be: also no string ever becomes markup.
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
  + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
  + "require-trusted-types-for 'script'; trusted-types 'none'";
const KEPT = 256;
const SLOW_MS = 60;
const FAULT_STATUS = { 429: 429, 500: 500, 503: 503, 529: 529, 401: 401 };
const ANSWER = 'This is a mock: it makes its answer up. A breaker opens when calls through it keep '
  + 'failing, so that the next calls go elsewhere at once instead of waiting for the same failure.';

const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });
const millis = (text) => {
  const [, n, unit] = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text ?? '') ?? [null, '8', 's'];
  return Number(n) * { ms: 1, s: 1000, m: 60_000 }[unit];
};

export class Mock {
  constructor({
    breakers = 0, threshold = 5, recoveryMs = 2000, port = 0, config = {}, token = null, pace = 12,
  } = {}) {
    Object.assign(this, { threshold, recoveryMs, port, config, token, pace, size: breakers });
    this.reset();
  }

  /** As a process that has just begun: it remembers nothing. */
  reset() {
    this.breakers = new Map();
    this.events = [];
    this.seq = 0;
    this.calls = new Map();
    this.sessions?.stop();
    this.sessions = new Sessions({ pace: this.pace });
    this.sinks = new MockSinks();
    this.vault = null;
    this.streams = new Set();
    this.requests = 0;
    this.started = new Date();
    this.totals = { calls: 0, succeeded: 0, failed: 0, failed_over: 0, client_aborts: 0,
      streams_cut: 0 };
    this.providers = [];
    if (this.size) this.many(this.size);
    else { this.provider('pretend-a', ['key-1', 'key-2']); this.provider('pretend-b', ['key-1']); }
  }

  provider(name, keys) {
    this.providers.push({ name, kind: 'pretend', base_url: 'http://127.0.0.1:0/mock', keys });
    this.add(name, name, 'provider');
    for (const key of keys) this.add(`${name}/${key}`, name, 'key');
  }

  many(n) {
    const states = ['open', 'half-open', 'forced-open', 'disabled', 'metrics-only'];
    for (let p = 0; this.breakers.size < n; p += 1) {
      const room = Math.min(99, n - this.breakers.size - 1);
      this.provider(`pretend-${p}`, Array.from({ length: room }, (_, i) => `key-${i}`));
    }
    [...this.breakers.values()].forEach((b, i) => {
      b.successes = i * 7;
      if (i % 13 === 5) this.move(b, states[(i - 5) / 13 % states.length], 'failures', 600_000);
    });
  }

  add(key, provider, kind) {
    this.breakers.set(key, { key, provider, kind, state: 'closed', generation: 1, reason: null,
      deadline: null, since: null, consecutive: 0, probes: 0, step: 0, inFlight: 0, ttfb: null,
      successes: 0, failures: 0, rejected: 0, transitions: 0, lastError: null, fault: null });
  }

  move(b, to, reason, openMs = null) {
    const from = b.state;
    b.state = to;
    b.generation += 1;
    b.transitions += 1;
    b.reason = reason;
    b.since = Date.now();
    b.deadline = openMs === null ? null : Date.now() + openMs;
    if (to === 'closed') { b.consecutive = 0; b.step = 0; }
    if (to !== 'half-open') b.probes = 0;
    this.seq += 1;
    const event = { seq: this.seq, key: b.key, generation: b.generation, from, to, reason,
      at: new Date().toISOString(), retry_after_ms: openMs };
    this.events.push(event);
    if (this.events.length > KEPT) this.events.shift();
    for (const stream of this.streams) stream.write(frame(event));
  }

  /** Tells listeners that they missed some, as a server does to one that is too slow. */
  skip(n) {
    this.seq += n;
    for (const s of this.streams) s.write(`event: missed\ndata: {"missed":${n}}\n\n`);
  }

  item(b) {
    const ready = b.state === 'open' && b.deadline !== null && Date.now() >= b.deadline;
    const left = b.deadline === null ? null : Math.max(0, b.deadline - Date.now());
    if (b.fault && b.fault.until <= Date.now()) b.fault = null;
    return {
      key: b.key, kind: b.kind, provider: b.provider, state: ready ? 'half-open' : b.state,
      ready_to_probe: ready, generation: b.generation, reason: b.reason,
      retry_after_ms: b.state === 'open' && !ready ? left : null,
      since_ms: b.since ? Date.now() - b.since : null, consecutive_failures: b.consecutive,
      failure_threshold: this.threshold, probes_in_flight: b.probes, half_open_max_calls: 1,
      backoff_step: b.step, window: null, in_flight: b.inFlight, ttfb_ms: b.ttfb,
      counts: { successes: b.successes, failures: b.failures, rejected: b.rejected, late: 0,
        ignored: 0, cancelled: 0, transitions: b.transitions },
      last_error: b.lastError,
      fault: b.fault ? { kind: b.fault.kind, remaining_ms: b.fault.until - Date.now() } : null,
    };
  }

  status() {
    return {
      version: '0.1.0-mock', uptime_ms: Date.now() - this.started, started_at: this.started,
      listen: `127.0.0.1:${this.port}`,
      config: { source: 'mock', reloads: 0, last_error: null, loaded_at: this.started,
        ...this.config },
      providers: this.providers,
      models: [{ name: 'fast', targets: this.providers.map((p) => `${p.name}/pretend-1`) }],
      totals: this.totals, retry_budget_remaining: 10, memory_bytes: 18_874_368,
      vault: this.vault?.status() ?? null, logs: this.sinks.logs(),
    };
  }

  // ---- calls -----------------------------------------------------------------------------------

  /** The next key that takes a call, in order of preference; half-open ones take one probe. */
  choose(tried) {
    const takes = (b) => b.kind === 'key' && !tried.has(b.key)
      && (['closed', 'disabled', 'metrics-only'].includes(b.state)
        || (this.item(b).state === 'half-open' && b.probes === 0));
    for (const { name } of this.providers) {
      const of = [...this.breakers.values()].filter((b) => b.provider === name);
      const free = of.filter(takes);
      for (const b of of) if (b.kind === 'key' && !takes(b) && !tried.has(b.key)) b.rejected += 1;
      const probe = free.find((b) => this.item(b).state === 'half-open');
      free.sort((a, b) => a.successes + a.failures - b.successes - b.failures);
      if (free.length) return probe ?? free[0];
    }
    return null;
  }

  failed(b, kind) {
    b.failures += 1;
    b.consecutive += 1;
    const status = FAULT_STATUS[kind] ?? null;
    const name = kind === '429' ? 'rate_limited' : status ? 'server_error' : 'cut';
    b.lastError = { class: name, status, message: `mock fault ${kind}`,
      at: new Date().toISOString() };
    if (b.state === 'half-open') {
      b.step += 1;
      this.move(b, 'open', 'probe-failed', this.recoveryMs * 2 ** b.step);
    } else if (kind === '429') this.move(b, 'open', 'rate limited', this.recoveryMs);
    else if (b.consecutive >= this.threshold) this.move(b, 'open', 'failures', this.recoveryMs);
  }

  async chat(request, response) {
    const body = JSON.parse(await text(request));
    const id = `req-${this.requests += 1}`;
    const call = { id, model: body.model, provider: null, key: null, stream: !!body.stream,
      stage: 'waiting', attempt: 0, born: Date.now() };
    this.calls.set(id, call);
    this.totals.calls += 1;
    const tried = new Set();
    let left = false;
    response.on('close', () => { left = !response.writableFinished; });
    try {
      for (let b; (b = this.choose(tried)) !== null;) {
        tried.add(b.key);
        call.attempt += 1;
        const done = await this.attempt(call, b, response, () => left);
        if (!done) continue;
        if (tried.size > 1) this.totals.failed_over += 1;
        return;
      }
      this.totals.failed += 1;
      reply(response, 503, { error: { message: 'no key can take this call now',
        code: 'upstream_unavailable' } });
    } finally {
      this.calls.delete(id);
    }
  }

  async attempt(call, b, response, left) {
    [call.provider, call.key] = b.key.split('/');
    call.stage = 'connecting';
    b.inFlight += 1;
    if (this.item(b).state === 'half-open') {
      if (b.state === 'open') this.move(b, 'half-open', 'deadline-passed');
      b.probes += 1;
    }
    const generation = b.generation;
    const began = Date.now();
    try {
      await pause(30);
      const fault = this.item(b).fault?.kind;
      if (fault && fault !== 'slow') {
        if (b.generation === generation) this.failed(b, fault);
        return false;
      }
      call.stage = 'streaming';
      b.ttfb = (b.ttfb ?? 0) * 0.7 + (Date.now() - began) * (b.ttfb ? 0.3 : 1);
      response.writeHead(200, { 'content-type': 'text/event-stream',
        'x-panelboard-provider': call.provider, 'x-panelboard-key': call.key,
        'x-panelboard-attempts': String(call.attempt) });
      for (const word of ANSWER.split(/(?<= )/)) {
        if (left()) { this.totals.client_aborts += 1; return true; }
        response.write(`data: ${JSON.stringify({ choices: [{ delta: { content: word } }] })}\n\n`);
        await pause(fault === 'slow' ? 60 : 12);
      }
      response.end('data: [DONE]\n\n');
      this.totals.succeeded += 1;
      b.successes += 1;
      if (b.generation === generation) {
        b.consecutive = 0;
        if (b.state === 'half-open') this.move(b, 'closed', 'probe-succeeded');
      }
      return true;
    } finally {
      b.inFlight -= 1;
      b.probes = Math.max(0, b.probes - 1);
    }
  }

  // ---- HTTP ------------------------------------------------------------------------------------

  async start() {
    this.server = createServer((q, r) => {
      this.route(q, r).catch((e) => {
        if (r.headersSent) r.destroy(); else reply(r, 500, { title: 'mock', detail: e.message });
      });
    });
    this.server.on('upgrade', (request, socket) => {
      if (request.url === '/v1/ws') this.sessions.upgrade(request, socket); else socket.destroy();
    });
    await new Promise((done) => { this.server.listen(this.port, '127.0.0.1', done); });
    this.port = this.server.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
    return this;
  }

  async stop() {
    this.server.closeAllConnections();
    this.sessions.stop(); // closeAllConnections knows nothing of upgraded ones
    await new Promise((done) => { this.server.close(done); });
    this.reset();
  }

  async route(request, response) {
    const { pathname, searchParams } = new URL(request.url, 'http://mock');
    response.setHeader('x-mock', 'a mock of panelboard, for the browser test');
    const asset = fileAt(pathname);
    if (asset) {
      const [body, type] = asset;
      response.writeHead(200, { 'content-type': `${type}; charset=utf-8`,
        'content-security-policy': POLICY, 'x-content-type-options': 'nosniff' });
      response.end(body);
    } else if (this.token && request.headers.authorization !== `Bearer ${this.token}`) {
      reply(response, 401, { title: 'unauthorized', status: 401, detail: 'no such token' });
    } else if (pathname.startsWith('/v1/sessions')) {
      await this.session(pathname, searchParams, request, response);
    } else if (pathname === '/v1/models') {
      reply(response, 200, { object: 'list', data: ['fast', 'careful'].map((id) => (
        { id, object: 'model' })) });
    } else if (pathname === '/v1/breakers') {
      reply(response, 200, { items: [...this.breakers.values()].map((b) => this.item(b)),
        next: null });
    } else if (pathname === '/v1/calls') {
      const items = [...this.calls.values()].map(({ born, ...c }) => (
        { ...c, age_ms: Date.now() - born }));
      reply(response, 200, { items, next: null });
    } else if (pathname === '/status') reply(response, 200, this.status());
    else if (pathname === '/v1/events') this.tell(request, response, searchParams);
    else if (request.method === 'POST') await this.change(pathname, request, response);
    else reply(response, 404, { title: 'not found', status: 404, detail: pathname });
  }

  async session(path, query, request, response) {
    const body = ['POST', 'PUT'].includes(request.method)
      ? JSON.parse(await text(request) || '{}') : {};
    const [status, answer] = await this.sessions.http(request.method, path, query, body,
      request.headers) ?? [404, { title: 'not found', status: 404 }];
    if (status === 204) { response.writeHead(204); response.end(); } else reply(response, status, answer);
  }

  tell(request, response, query) {
    const after = Number(request.headers['last-event-id'] ?? query.get('after') ?? this.seq);
    const items = this.events.filter((e) => e.seq > after);
    const missed = Math.max(0, (items[0]?.seq ?? this.seq + 1) - after - 1);
    if (query.get('format') === 'json') {
      reply(response, 200, { items, missed, next: this.seq });
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(`retry: 300\n: a mock\n\n${items.map(frame).join('')}`);
    this.streams.add(response);
    response.on('close', () => this.streams.delete(response));
  }

  async change(path, request, response) {
    if (path === '/v1/chat/completions') { await this.chat(request, response); return; }
    const body = JSON.parse(await text(request) || '{}');
    if (path === '/v1/faults') {
      const b = this.breakers.get(body.key);
      const ms = body.for ? millis(body.for) : 1e9;
      b.fault = body.fault === 'none' ? null : { kind: body.fault, until: Date.now() + ms };
      const slow = [...this.breakers.values()].some((x) => x.fault?.kind === 'slow');
      this.sessions.pace = slow ? SLOW_MS : this.pace;
      reply(response, 200, { key: body.key, fault: body.fault, for_ms: ms });
      return;
    }
    const ms = body.for ? millis(body.for) : null;
    const [, of, name, how] = /^\/v1\/(sinks|vault\/breakers)\/([^/]+)\/(trip|reset)$/.exec(path) ?? [];
    if (of) {
      const board = of === 'sinks' ? this.sinks : this.vault;
      reply(response, ...board.order(decodeURIComponent(name), how, ms));
      return;
    }
    const [, key, verb] = /^\/v1\/breakers\/(.+)\/(\w+)$/.exec(decodeURIComponent(path)) ?? [];
    const b = this.breakers.get(key);
    if (!b) {
      reply(response, 404, { title: 'unknown breaker', status: 404,
        detail: `no breaker ${key}; the nearest is pretend-a/key-1` });
      return;
    }
    if (verb === 'trip') this.move(b, 'open', 'tripped', ms ?? this.recoveryMs);
    if (verb === 'reset') this.move(b, 'closed', 'reset');
    if (verb === 'isolate') this.move(b, 'forced-open', 'isolated');
    if (verb === 'release') this.move(b, 'closed', 'released');
    reply(response, 200, this.item(b));
  }
}

const frame = (e) => `id: ${e.seq}\nevent: transition\ndata: ${JSON.stringify(e)}\n\n`;

function reply(response, status, body) {
  const problem = status >= 400 && !body.error;
  const type = problem ? 'application/problem+json' : 'application/json';
  response.writeHead(status, { 'content-type': type });
  response.end(JSON.stringify(body));
}

async function text(request) {
  let all = '';
  for await (const piece of request) all += piece;
  return all;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const option = (name) => {
    const at = process.argv.indexOf(`--${name}`);
    return at < 0 ? 0 : Number(process.argv[at + 1]);
  };
  const mock = await new Mock({ port: option('port'), breakers: option('breakers'),
    recoveryMs: 8000, pace: option('pace') || 60 }).start();
  for (let i = 0; i < option('sessions'); i += 1) mock.sessions.create(`session-${i}`);
  console.log(`a mock of panelboard, made-up answers only: ${mock.url}`);
}
