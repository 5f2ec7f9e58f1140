// How is the real program run for the test? On a free loopback port, in a folder of its own, with
// its own printed config but for a short recovery.
import { spawn, execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const START_MS = 20_000;
const STOP_MS = 15_000;
const SHORT = { recovery_timeout: '"2s"', failure_threshold: '3' };

async function freePort() {
  const server = createServer();
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  const { port } = server.address();
  await new Promise((done) => { server.close(done); });
  return port;
}

/** No key of this machine may turn the test into one against a real provider. */
function bareEnvironment() {
  return Object.fromEntries(Object.entries(process.env)
    .filter(([name]) => ['PATH', 'HOME', 'LANG', 'TMPDIR'].includes(name)));
}

function shortRecovery(config) {
  const lines = config.split('\n');
  if (!lines.some((l) => l.trim() === '[breaker]')) lines.push('[breaker]');
  const kept = lines.filter((l) => !Object.keys(SHORT).some((k) => l.trim().startsWith(`${k} `)));
  const at = kept.findIndex((l) => l.trim() === '[breaker]');
  kept.splice(at + 1, 0, ...Object.entries(SHORT).map(([k, v]) => `${k} = ${v}`));
  return kept.join('\n');
}

export class Real {
  /** `more` is what its config has beside the printed one, `env` what its environment has. */
  constructor(program, { more = '', env = {} } = {}) {
    this.program = resolve(program);
    Object.assign(this, { more, env });
    this.keeps = true; // sessions outlive the process
    this.folder = mkdtempSync(join(tmpdir(), 'panelboard-dashboard-'));
  }

  async start() {
    const options = { cwd: this.folder, env: { ...bareEnvironment(), ...this.env } };
    if (!this.port) {
      this.port = await freePort();
      this.url = `http://127.0.0.1:${this.port}`;
      const printed = execFileSync(this.program, ['serve', '--print-config'],
        { ...options, encoding: 'utf8' });
      writeFileSync(join(this.folder, 'panelboard.toml'), `${shortRecovery(printed)}\n${this.more}`);
    }
    this.said = '';
    this.child = spawn(this.program, ['serve', '--config', 'panelboard.toml',
      '--listen', `127.0.0.1:${this.port}`], options);
    this.ended = new Promise((done) => {
      this.child.on('exit', (code, signal) => done(signal ?? code));
      this.child.on('error', (error) => { this.said += error.message; done(error.code); });
    });
    for (const out of [this.child.stdout, this.child.stderr]) {
      out.on('data', (piece) => { this.said = (this.said + piece).slice(-4000); });
    }
    await this.untilReady();
    return this;
  }

  /** Another process: there is no event to wait for, so ask until it answers. */
  async untilReady() {
    let ended = null;
    this.ended.then((how) => { ended = how; });
    for (const end = Date.now() + START_MS; Date.now() < end;) {
      if (ended !== null) throw new Error(`the server ended with ${ended}:\n${this.said}`);
      const ok = await fetch(`${this.url}/health`).then((r) => r.ok, () => false);
      if (ok) return;
      await new Promise((go) => { setTimeout(go, 50); });
    }
    throw new Error(`the server is not up after ${START_MS} ms:\n${this.said}`);
  }

  async stop() {
    if (!this.child || this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGTERM');
    const hard = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    await this.ended;
    clearTimeout(hard);
  }

  async remove() {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
