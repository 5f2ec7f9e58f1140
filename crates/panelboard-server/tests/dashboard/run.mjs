// Do the pages do what they say, in a real browser? And their rules, without one?
//   node run.mjs                     against the mock
//   node run.mjs --bin PANELBOARD    starts the real program and drives the page against it
//   node run.mjs --url URL           against a running one, which gets faults and trips
// --shots DIR keeps pictures, --only TEXT runs the checks whose name has TEXT.
import { mkdirSync, readdirSync } from 'node:fs';
import { run as runUnits } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Behind, behindChecks } from './behind-checks.mjs';
import { launch } from './browser.mjs';
import { chatChecks } from './chat-checks.mjs';
import { chatMockChecks } from './chat-mock-checks.mjs';
import { jobChecks } from './job-checks.mjs';
import { mockChecks } from './mock-checks.mjs';
import { pageChecks } from './page-checks.mjs';
import { Mock } from './mock.mjs';
import { Real } from './real.mjs';
import { sessionChecks } from './session-checks.mjs';
import { sinkChecks } from './sink-checks.mjs';
import { toolChecks } from './tool-checks.mjs';
import { vaultChecks } from './vault-checks.mjs';

const { values: options } = parseArgs({ options: {
  bin: { type: 'string' }, url: { type: 'string' }, shots: { type: 'string' },
  only: { type: 'string', default: '' },
} });
if (options.shots) mkdirSync(options.shots, { recursive: true });

let passed = 0;
let failed = 0;
async function run(checks, about) {
  for (const [name, check] of checks) {
    if (!name.includes(options.only)) continue;
    const began = performance.now();
    const took = () => `${((performance.now() - began) / 1000).toFixed(1)} s`;
    try {
      await check();
      passed += 1;
      console.log(`ok    ${about}: ${name} (${took()})`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL  ${about}: ${name} (${took()})\n      ${error.stack ?? error}`);
    }
  }
}

/** What needs no browser: the tests of the pure modules. */
async function units() {
  const folder = fileURLToPath(new URL('unit/', import.meta.url));
  const files = readdirSync(folder).filter((f) => f.endsWith('.test.mjs')).map((f) => folder + f);
  for await (const { type, data } of runUnits({ files })) {
    // A file is told of like a test that holds the others.
    if (!['test:pass', 'test:fail'].includes(type) || files.includes(data.name)) continue;
    if (!data.name.includes(options.only)) continue;
    if (type === 'test:pass') passed += 1; else failed += 1;
    const took = `${(data.details.duration_ms / 1000).toFixed(1)} s`;
    console.log(`${type === 'test:pass' ? 'ok   ' : 'FAIL '} rules: ${data.name} (${took})`);
    if (type === 'test:fail') console.log(`      ${data.details.error.cause ?? data.details.error}`);
  }
}

function server() {
  if (options.bin) return [new Real(options.bin), 'real server'];
  if (options.url) {
    const given = { url: options.url, start: async () => {}, remove: async () => {} };
    return [given, 'given server'];
  }
  const mock = new Mock({ threshold: 3 });
  mock.remove = () => mock.stop();
  return [mock, 'mock server'];
}

let browser;
await units();
try {
  browser = await launch();
  const [target, about] = server();
  try {
    await target.start();
    await run(pageChecks(browser, target, options), about);
    await run(chatChecks(browser, target, options), about);
    await run(sessionChecks(browser, target, options), about);
    if (options.bin || options.url) {
      await run(toolChecks(browser, target, options), about);
      await run(jobChecks(browser, target, options), about);
    }
  } finally {
    await target.remove();
  }
  if (options.bin) {
    const behind = new Behind(options.bin);
    try {
      await behind.start();
      await run(behindChecks(browser, behind), 'real server');
    } finally {
      await behind.remove();
    }
  }
  await run(mockChecks(browser, options), 'mock server');
  // Each of these has a mock and a page of its own: they may wait side by side.
  await Promise.all([sinkChecks, vaultChecks]
    .map((checks) => run(checks(browser, options), 'mock server')));
  await run(chatMockChecks(browser, options), 'mock server');
} catch (error) {
  failed += 1;
  console.log(`FAIL  ${error.message}`);
} finally {
  await browser?.close();
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed || !passed ? 1 : 0;
