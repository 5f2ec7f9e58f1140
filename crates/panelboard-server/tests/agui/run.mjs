// Is a session that is told in the words of AG-UI what its own client library takes for valid?
//   node run.mjs --bin PANELBOARD    starts the real program, with its pretend providers
// --only TEXT runs the checks whose name has TEXT.
import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { PROTOCOL_VERSION } from '@ag-ui/core';
import { Real } from '../dashboard/real.mjs';
import { Follower, Session } from './follower.mjs';

const { values: options } = parseArgs({ options: {
  bin: { type: 'string' }, only: { type: 'string', default: '' },
} });

const TOOLS = [{ type: 'function', function: { name: 'clock',
  parameters: { type: 'object', properties: {} } } }];

/** The pretend providers repeat what they are told, a word every 20 ms. */
const LONG = 'word '.repeat(50).trim();

const checks = [
  ['a run that is posted is a run of the library', async (client, session) => {
    await client.says('hello there');
    assert.deepEqual(client.types().slice(0, 3),
      ['RUN_STARTED', 'STATE_SNAPSHOT', 'MESSAGES_SNAPSHOT']);
    assert.equal(client.seen[0].protocolVersion, PROTOCOL_VERSION);
    assert.equal(client.seen[0].threadId, session.name);
    const end = client.seen.at(-1);
    assert.deepEqual([end.type, end.outcome.type], ['RUN_FINISHED', 'success']);
    assert.equal(end.usage[0].inputTokens, 2);
    assert.ok(client.types().filter((type) => type === 'TEXT_MESSAGE_CONTENT').length > 2);
    assert.deepEqual(client.said(), await session.memory());
    assert.equal(client.state.slot.run, end.runId);
    await client.says('and again');
    assert.deepEqual(client.said(), await session.memory());
    assert.equal(client.messages.length, 4);
  }],

  ['a call of a tool interrupts, and its result goes on', async (client, session) => {
    await client.says('clock please', { tools: TOOLS });
    const { runId, outcome } = client.seen.at(-1);
    assert.equal(outcome.type, 'interrupt');
    const [{ id, toolCallId, reason }] = outcome.interrupts;
    const call = client.messages.at(-1).toolCalls[0];
    assert.deepEqual([reason, toolCallId, call.function.name], ['tool_call', call.id, 'clock']);
    const other = new Follower(client.base, client.session);
    other.follow();
    await other.until('the question', (event) => event.outcome?.type === 'interrupt');
    const [status] = await session.ask('POST', `/runs/${runId}/input`,
      { request_id: id, input: 'noon' });
    assert.equal(status, 202);
    const result = await other.until('the result', (event) => event.type === 'TOOL_CALL_RESULT');
    assert.deepEqual([result.toolCallId, result.content], [toolCallId, 'noon']);
    await other.until('the end', (event) => event.outcome?.type === 'success');
    assert.deepEqual(other.said(), await session.memory());
    assert.equal(other.types().filter((type) => type === 'RUN_STARTED').length, 2);
    await other.leave();
  }],

  ['who comes late has the whole answer', async (client, session) => {
    const run = await session.start(LONG);
    const first = new Follower(client.base, client.session);
    first.follow();
    const words = (event) => event.type === 'TEXT_MESSAGE_CONTENT'
      && event.delta !== LONG;
    await first.until('a word', words);
    client.follow();
    await client.until('the words so far', words);
    for (const one of [first, client]) {
      await one.until('the end', (event) => event.type === 'RUN_FINISHED');
      assert.equal(one.seen.find((event) => event.type === 'RUN_STARTED').runId, run);
      assert.deepEqual(one.said(), await session.memory());
      await one.leave();
    }
  }],

  ['who comes back with a position goes on from there', async (client, session) => {
    await session.start('one');
    client.follow();
    await client.until('the end', (event) => event.type === 'RUN_FINISHED');
    await client.leave();
    const [, { head, epoch }] = await session.ask('GET', '');
    await session.ask('POST', '/memory', { text: 'be brief' });
    await session.ask('POST', '/runs', { input: 'two' }, { prefer: 'wait=20' });
    client.from = `${epoch}-${head}`;
    client.abortController = new AbortController();
    const before = client.seen.length;
    client.follow();
    await client.until('the end', (event) => event.type === 'RUN_FINISHED', before);
    assert.deepEqual(client.said(), await session.memory());
    assert.equal(client.messages.length, 5);
    await client.leave();
  }],

  ['a run that is cancelled is no failure', async (client, session) => {
    await session.faults('slow');
    const posted = client.says('take your time');
    const { runId } = await client.until('a start', (event) => event.type === 'RUN_STARTED');
    const [status] = await session.ask('POST', `/runs/${runId}/cancel`);
    assert.equal(status, 202);
    await posted;
    const end = client.seen.at(-1);
    assert.deepEqual([end.outcome.type, end.metadata],
      ['cancelled', { status: 'cancelled', reason: 'cancelled' }]);
    assert.deepEqual(client.said(), await session.memory());
    await session.faults('none');
  }],

  ['a run that fails is one, and the next is told all the same', async (client, session) => {
    await session.make();
    client.follow();
    await session.faults('500');
    await session.start('hello');
    const error = await client.until('a failure', (event) => event.type === 'RUN_ERROR');
    assert.ok(error.message && error.code, JSON.stringify(error));
    await session.faults('none');
    await session.start('again');
    await client.until('an end', (event) => event.type === 'RUN_FINISHED');
    assert.deepEqual(client.said(), await session.memory());
    await client.leave();
  }],

  ['whatever happens in a session is valid', async (client, session) => {
    await session.start(LONG);
    client.follow();
    await client.until('words', (event) => event.type === 'TEXT_MESSAGE_CONTENT');
    await session.start('wait for your turn', { on_conflict: 'enqueue' });
    await session.start('shorter', { on_conflict: 'steer' });
    await session.ask('POST', '/memory', { text: 'be brief' });
    await session.start('me first', { on_conflict: 'interrupt' });
    const last = await session.start('forget that', { on_conflict: 'rollback' });
    await client.until('the last', (event) => event.type === 'RUN_STARTED' && event.runId === last);
    await session.ask('POST', '/clear');
    const run = await session.start('the end', { on_conflict: 'enqueue' });
    await client.until('the end', (event) => event.runId === run && event.outcome);
    assert.deepEqual(client.said(), await session.memory());
    assert.equal(client.messages.length, 2);
    const names = client.seen.filter((event) => event.type === 'CUSTOM').map((event) => event.name);
    assert.ok(names.includes('run.started') && names.includes('run.stopping'), names);
    await client.leave();
  }],

  ['a format that is not known is refused, and nothing is done', async (client, session) => {
    for (const [method, path, body] of [['GET', '/events?format=x', undefined],
      ['POST', '/runs?format=', { input: 'hello' }]]) {
      const [status, problem] = await session.ask(method, path, body);
      assert.equal(status, 400);
      assert.match(problem.detail, /`native` or `agui`/);
    }
    assert.equal((await session.ask('GET', '/runs'))[0], 404, 'no session was made');
  }],
];

const took = (began) => `${((performance.now() - began) / 1000).toFixed(1)} s`;
let passed = 0;
let failed = 0;
const server = await new Real(options.bin).start();
// The library warns of what it strips and of what it finds no message for.
const warned = [];
console.warn = (...what) => warned.push(what.join(' '));
try {
  for (const [number, [name, check]] of checks.entries()) {
    if (!name.includes(options.only)) continue;
    warned.length = 0;
    const began = performance.now();
    const session = `agui-${number}`;
    try {
      await check(new Follower(server.url, session), new Session(server.url, session));
      assert.deepEqual(warned, []);
      passed += 1;
      console.log(`ok    ${name} (${took(began)})`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL  ${name}\n      ${error.stack ?? error}\n      ${warned.join('\n      ')}`);
    }
  }
} finally {
  await server.remove();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed || !passed ? 1 : 0);
