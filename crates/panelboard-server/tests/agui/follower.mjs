// How does a client of AG-UI use a session? With its own library: it posts runs, it follows.
import { HttpAgent, runHttpRequest, transformHttpEventStream } from '@ag-ui/client';

const PATIENCE_MS = 15_000;

/** A client of one session: `runAgent` posts the last user message, `connectAgent` follows. */
export class Follower extends HttpAgent {
  constructor(base, session) {
    super({ url: `${base}/v1/sessions/${session}/runs?format=agui`, threadId: session });
    Object.assign(this, { base, session, seen: [], waits: [], asked: {}, from: null });
    this.subscribe({
      onEvent: ({ event }) => {
        this.seen.push(event);
        this.waits = this.waits.filter((wait) => !wait());
      },
    });
  }

  /** The one thing that a client must do itself: a session has a memory, so it sends what is new. */
  requestInit(input) {
    const init = super.requestInit(input);
    const { content } = input.messages.findLast((message) => message.role === 'user');
    return { ...init, body: JSON.stringify({ input: content, ...this.asked }) };
  }

  connect() {
    const after = this.from ? `&after=${this.from}` : '';
    const url = `${this.base}/v1/sessions/${this.session}/events?format=agui${after}`;
    const request = () => fetch(url, { signal: this.abortController.signal });
    return transformHttpEventStream(runHttpRequest(request));
  }

  /** Posts a run and waits for the end of its stream. */
  async says(content, asked = {}) {
    this.asked = asked;
    this.addMessage({ id: crypto.randomUUID(), role: 'user', content });
    return this.runAgent();
  }

  /** Follows until it is told to leave; rejects if the library finds anything wrong. */
  follow() {
    this.following = this.connectAgent();
    this.following.catch(() => {});
  }

  async leave() {
    await this.detachActiveRun();
    this.abortController.abort();
    await this.following;
  }

  /** The first event from `from` on that fits, which may have to come. */
  until(what, fits, from = 0) {
    return new Promise((done, fail) => {
      const late = setTimeout(() => fail(new Error(`${what} did not come: ${this.types()}`)),
        PATIENCE_MS);
      const look = () => {
        const found = this.seen.slice(from).find(fits);
        if (found) { clearTimeout(late); done(found); }
        return found;
      };
      this.following?.catch((error) => { clearTimeout(late); fail(error); });
      if (!look()) this.waits.push(look);
    });
  }

  types() { return this.seen.map((event) => event.type); }

  /** What the library has made of it, without what only it knows. */
  said() {
    return this.messages.map(({ role, content, toolCalls }) => [role, content ?? '',
      ...(toolCalls ?? []).map((call) => call.function.name)]);
  }
}

/** A session over plain HTTP, to act and to compare. */
export class Session {
  constructor(base, name) { Object.assign(this, { base, name }); }

  async ask(method, path, body, headers = {}) {
    const response = await fetch(`${this.base}/v1/sessions/${this.name}${path}`, { method,
      body: body && JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } });
    const text = await response.text();
    return [response.status, text ? JSON.parse(text) : null];
  }

  make() {
    return fetch(`${this.base}/v1/sessions`, { method: 'POST',
      headers: { 'content-type': 'application/json' }, body: JSON.stringify({ id: this.name }) });
  }

  async start(input, more = {}) {
    const [status, told] = await this.ask('POST', '/runs', { input, ...more });
    if (status !== 202) throw new Error(`not accepted: ${JSON.stringify(told)}`);
    return told.run;
  }

  async memory() {
    const [, { items }] = await this.ask('GET', '/memory?limit=200');
    const role = { note: 'system' };
    return items.map((item) => [role[item.role] ?? item.role, item.text,
      ...(item.tool_calls ?? []).map((call) => call.name)]);
  }

  async run(run) { return (await this.ask('GET', `/runs/${run}`))[1]; }

  async faults(fault) {
    const { items } = await (await fetch(`${this.base}/v1/breakers`)).json();
    for (const { key } of items.filter((item) => item.kind === 'key')) {
      await fetch(`${this.base}/v1/faults`, { method: 'POST',
        headers: { 'content-type': 'application/json' }, body: JSON.stringify({ key, fault }) });
      await fetch(`${this.base}/v1/breakers/${key}/reset`, { method: 'POST' });
    }
  }
}
