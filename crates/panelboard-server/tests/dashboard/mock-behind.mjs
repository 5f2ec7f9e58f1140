// What would a panelboard say of its log sinks and of its Vault? A MOCK: their breakers open and close
// by hand alone, and all else is said as a check has set it.

const RECOVERY_MS = 30_000;

class Breaker {
  constructor(name) {
    Object.assign(this, { name, state: 'closed', reason: null, generation: 1, since: null,
      deadline: null, failures: 0, orders: [] });
  }

  move(state, reason, openMs = null) {
    Object.assign(this, { state, reason, generation: this.generation + 1, since: Date.now(),
      deadline: openMs === null ? null : Date.now() + openMs });
  }

  order(verb, ms) {
    this.orders.push([verb, ms]);
    if (verb === 'trip') this.move('open', 'tripped', ms ?? RECOVERY_MS);
    else this.move('closed', 'reset');
  }

  read() {
    const { name, state, reason, generation, since, deadline, failures } = this;
    return { name, state, reason, generation, since_ms: since && Date.now() - since,
      retry_after_ms: deadline && Math.max(0, deadline - Date.now()),
      consecutive_failures: failures, failure_threshold: 5 };
  }
}

const nearest = (kind, name) => [404, { title: `no such ${kind}`, status: 404,
  detail: `there is no ${kind} ${name}` }];

export class MockSinks {
  constructor() {
    this.all = new Map();
    this.line = { taken: 1200, queued: 0, queue_capacity: 8192, queue_full: 0, late: 0,
      redacted: 0, own: 0 };
  }

  /** A sink, with what is another than for one that has only just begun. */
  add(name, more = {}) {
    const breaker = new Breaker(name);
    this.all.set(name, { breaker, more });
    return breaker;
  }

  item({ breaker, more }) {
    return { ...breaker.read(), kind: 'file', ready_to_probe: breaker.state === 'half-open',
      level: 'info', up_to: 'error', standby: false, fallback: null, routed: 0, taken_over: 0,
      recovered: 0, delivered: 0, handed_over: 0, covered: 0, waiting: 0,
      dropped: { newest: 0, oldest: 0, 'by-level': 0, 'spill-full': 0, rejected: 0, 'gave-up': 0,
        shutdown: 0, ...more.lost },
      buffer: { records: 0, bytes: 0, max_records: 8192, max_bytes: 16_777_216 }, spill: null,
      writing_ms: null, stuck: false, late_answers: 0, failures: 0, attempts: 0, last_error: null,
      ...more.item };
  }

  logs() {
    if (!this.all.size) return null;
    const sinks = [...this.all.values()].map((sink) => this.item(sink));
    const open = sinks.filter((sink) => sink.state !== 'closed').length;
    return { ...this.line, sinks, pressure: { level: open / sinks.length, open,
      sinks: sinks.length, queue: this.line.queued / this.line.queue_capacity, fullest: 0 } };
  }

  order(name, verb, ms) {
    const sink = this.all.get(name);
    if (!sink) return nearest('sink', name);
    sink.breaker.order(verb, ms);
    return [200, this.item(sink)];
  }
}

export class MockVault {
  constructor() {
    this.breakers = ['server', 'mount team/a'].map((name) => new Breaker(name));
    this.said = {
      address: 'http://127.0.0.1:8200', stage: 'serving',
      token: { auth: 'app_role', valid: true, ttl_left_ms: 754_000, renewable: true, log_ins: 1,
        renewals: 3, failures: 0, last_failure: null },
      queue: { running: 2, waiting: 0, max_concurrent: 10, max_queued: 30, refused: 0 },
      secrets: [{ reference: 'secret/llm#api_key', keys: ['pretend-a/key-1'], in_use: true,
        version: 3, changes: 3, looks: 40, last_error: null }],
    };
  }

  status() {
    return { ...this.said, breakers: this.breakers.map((breaker) => {
      const { since_ms: _, ...item } = breaker.read();
      return item;
    }) };
  }

  order(name, verb, ms) {
    const breaker = this.breakers.find((b) => b.name === name);
    if (!breaker) return nearest('breaker', name);
    breaker.order(verb, ms);
    return [200, this.status().breakers.find((b) => b.name === name)];
  }
}
