// Is what the dashboard says of log sinks and of the Vault true of the real program? Before it stand a
// scripted Vault and a scripted receiver of logs, which die and come back.
import assert from 'node:assert/strict';
import { until, visit } from './browser.mjs';
import { LogReceiver, VaultDouble } from './doubles.mjs';
import { Real } from './real.mjs';
import { sink, sinkIs } from './sink-checks.mjs';
import { ofVault, vaultIs } from './vault-checks.mjs';

const READINGS = 20;

const config = (vault, logs) => `
[vault]
address = "${vault.url}"
role_id = "env:ROLE"
secret_id = "env:SECRET"
refresh = "100ms"
backoff = "1ms"
failure_threshold = 2
recovery_timeout = "1s"

[[sink]]
name = "file"
kind = "file"
path = "log/panelboard.log"

[[sink]]
name = "http"
kind = "http"
url = "${logs.url}"
fallback = "file"
batch_delay = "20ms"
backoff = "20ms"
breaker = { failure_threshold = 2, recovery_timeout = "300ms" }

[[provider]]
name = "from-vault"
kind = "openai-compatible"
base_url = "http://127.0.0.1:9/v1"
keys = [{ name = "one", secret = "vault:secret/llm#api_key" }]
`;

/** The program, with what stands behind it. */
export class Behind {
  constructor(program) {
    this.vault = new VaultDouble();
    this.logs = new LogReceiver();
    this.program = program;
  }

  async start() {
    await this.vault.start();
    await this.logs.start();
    this.real = new Real(this.program, { more: config(this.vault, this.logs),
      env: { ROLE: 'role', SECRET: 'secret' } });
    await this.real.start();
    this.url = this.real.url;
  }

  async remove() {
    await this.real?.remove();
    await this.vault.stop();
    await this.logs.stop();
  }
}

export function behindChecks(browser, target) {
  const { vault, logs } = target;
  let page;
  /** What people do by hand is a line in the log. */
  const log = async () => {
    const answer = await fetch(`${target.url}/v1/breakers/pretend-b/reset`, { method: 'POST' });
    assert.equal(answer.status, 200);
  };
  const nextReading = async () => until(page, (was) => (
    document.querySelector('#fact-uptime').textContent !== was),
  await page.locator('#fact-uptime').textContent(), 'the next reading');
  const logUntilSink = async (state) => {
    for (let i = 0; i < READINGS; i += 1) {
      if (await sink(page, 'http').getAttribute('data-state') === state) return;
      await log();
      await nextReading();
    }
    await sinkIs(page, 'http', state);
  };
  const tokenSays = (words) => until(page, (text) => (
    document.querySelector('#vault-token').textContent.includes(text)), words, words);
  const secretSays = (words) => until(page, (text) => (
    document.querySelector('#vault-secrets').textContent.includes(text)), words, words);

  return [
    ['behind: a program with sinks and a Vault shows both', async () => {
      page = await visit(browser, target.url);
      assert.deepEqual(await page.locator('.sink').evaluateAll((all) => all.map((n) => (
        [n.dataset.name, n.dataset.state]))), [['file', 'closed'], ['http', 'closed']]);
      assert.match(await sink(page, 'http').locator('.k-kind').textContent(), /falls back to file/);
      await tokenSays('app_role, good for');
      await secretSays('secret/llm#api_key: in use, version 1');
      assert.equal(await page.locator('#vault').getAttribute('data-wrong'), 'no');
    }],

    ['behind: what is logged is delivered, to the number', async () => {
      const before = logs.lines;
      const shown = () => sink(page, 'http').locator('.k-delivered').textContent();
      await log();
      for (let i = 0; i < READINGS; i += 1) {
        if (logs.lines > before && await shown() === String(logs.lines)) break;
        await nextReading();
      }
      assert.ok(logs.lines > before, 'what was logged came');
      assert.equal(await shown(), String(logs.lines));
    }],

    ['behind: a receiver that is away opens its sink, and the sink heals', async () => {
      logs.away = true;
      await logUntilSink('open');
      assert.match(await sink(page, 'http').locator('.m-error').textContent(), /^last: .*503/);
      await until(page, () => document.querySelector('.sink[data-name=http] .k-handed')
        .textContent !== '0', null, 'the fallback has them');
      logs.away = false;
      await logUntilSink('closed');
    }],

    ['behind: a sink is tripped and reset on the page', async () => {
      await sink(page, 'http').getByRole('button', { name: /^Trip/ }).click();
      await page.locator('#ask-for').selectOption('60s');
      await page.locator('#ask-yes').click();
      await sinkIs(page, 'http', 'open');
      assert.match(await sink(page, 'http').locator('.m-why').textContent(), /^tripped by hand/);
      await sink(page, 'http').getByRole('button', { name: /^Reset/ }).click();
      await sinkIs(page, 'http', 'closed');
    }],

    ['behind: a Vault that is sealed opens its breaker, and keys in hand stay in use', async () => {
      vault.sealed = true;
      await vaultIs(page, 'server', 'open');
      await secretSays('in use, version 1 · ');
      await page.locator('#vault-note').waitFor();
      vault.sealed = false;
      await vaultIs(page, 'server', 'closed');
      await page.locator('#vault-note').waitFor({ state: 'hidden' });
    }],

    ["behind: the Vault's breaker is tripped and reset on the page", async () => {
      await ofVault(page, 'server').getByRole('button', { name: /^Trip/ }).click();
      await page.locator('#ask-for').selectOption('60s');
      await page.locator('#ask-yes').click();
      await vaultIs(page, 'server', 'open');
      assert.match(await ofVault(page, 'server').locator('.m-why').textContent(),
        /^tripped by hand probe in/);
      await ofVault(page, 'server').getByRole('button', { name: /^Reset/ }).click();
      await vaultIs(page, 'server', 'closed');
    }],

    ['behind: nothing went wrong in the console', async () => {
      assert.deepEqual(page.wrong, []);
      await page.context().close();
    }],
  ];
}
