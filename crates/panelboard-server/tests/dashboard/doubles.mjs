// What do the servers behind the real program say? Scripted ones: a Vault that is none, and a
// receiver of logs that can be away.
import { createServer } from 'node:http';

/** Answers what `answer(path, body)` gives, `[status, object]`; on a port of its own. */
class Double {
  constructor(answer) { this.answer = answer; }

  async start(port = 0) {
    this.server = createServer(async (request, response) => {
      let body = '';
      for await (const piece of request) body += piece;
      const [status, object] = this.answer(request.url, body);
      response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
      response.end(JSON.stringify(object));
    });
    await new Promise((done) => { this.server.listen(port, '127.0.0.1', done); });
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  async stop() {
    this.server?.closeAllConnections();
    await new Promise((done) => { this.server ? this.server.close(done) : done(); });
  }
}

/** One secret, `secret/llm#api_key`, and an AppRole whose token lasts an hour. */
export class VaultDouble extends Double {
  constructor() {
    super((path) => {
      if (this.sealed) return [503, { errors: ['Vault is sealed'] }];
      return ANSWERS[path.split('?')[0]] ?? [404, { errors: [] }];
    });
    this.sealed = false;
  }
}
const ANSWERS = {
  '/v1/auth/approle/login': [200,
    { auth: { client_token: 'hvs.scripted', lease_duration: 3600, renewable: true } }],
  '/v1/sys/internal/ui/mounts/secret': [200, { data: { options: { version: '2' } } }],
  '/v1/secret/data/llm': [200,
    { data: { data: { api_key: 'sk-scripted' }, metadata: { version: 1 } } }],
};

/** Takes lines of JSON. */
export class LogReceiver extends Double {
  constructor() {
    super((_, body) => {
      if (this.away) return [503, {}];
      this.lines += body.split('\n').filter(Boolean).length;
      return [200, {}];
    });
    this.lines = 0;
    this.away = false;
  }
}
