// Are the words right, and does formatting lose nothing?
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asked, blocks, ended, failure, inline, lastLine, problem, titleOf } from '../../../dashboard/text.mjs';

test('a fence is code from its first line on, closed or not', () => {
  assert.deepEqual(blocks('One.\n\nTwo\nlines.\n```rust\nfn main() {}\n\n```\nEnd.'), [
    { code: false, text: 'One.' }, { code: false, text: 'Two\nlines.' },
    { code: true, language: 'rust', text: 'fn main() {}\n' }, { code: false, text: 'End.' }]);
  assert.deepEqual(blocks('```\nhalf'), [{ code: true, language: '', text: 'half' }]);
  assert.deepEqual(blocks('````\n```\n````'), [{ code: true, language: '', text: '```' }]);
  assert.deepEqual(blocks(''), []);
});

test('markup is text like any other', () => {
  assert.deepEqual(blocks('<b>x</b>'), [{ code: false, text: '<b>x</b>' }]);
  assert.deepEqual(inline('a `<i>` b'), [[false, 'a '], [true, '<i>'], [false, ' b']]);
});

test('a question is shown in its own words, a call of a tool as what it is', () => {
  assert.equal(asked('Which day?'), 'Which day?');
  assert.equal(asked(null), 'The answer waits for you.');
  assert.equal(asked({ sure: '?' }), '{"sure":"?"}');
  assert.equal(asked({ tool_call_id: 'c', name: 'clock', arguments: '{"x":1}' }),
    'The answer calls clock({"x":1}). What does that give?');
});

test('ticks that have no partner stay', () => {
  assert.deepEqual(inline('a ` b'), [[false, 'a ` b']]);
  assert.deepEqual(inline('``a`b``'), [[true, 'a`b']]);
  assert.deepEqual(inline(''), []);
});

test('a problem says what happened and what to do', () => {
  const busy = problem({ code: 'session-busy', status: 409, title: 'an answer is running', detail: 'run 3' });
  assert.equal(busy.said, 'An answer is running: run 3');
  assert.match(busy.advice, /stop it/);
  assert.match(problem({ status: 503, title: 'full', retry_after_ms: 1500 }).said, /again in 2 s/);
  assert.ok(problem(null).said);
  assert.match(problem({ status: 413, title: 'x' }).advice, /shorter/);
});

test('each end has its own words, and success none', () => {
  const ends = ['failed', 'cancelled', 'superseded', 'rolled_back', 'timed_out', 'lost', 'consumed'];
  assert.equal(new Set(ends.map((e) => ended(e))).size, ends.length);
  assert.equal(ended('succeeded'), null);
  assert.equal(ended('cancelled', null, false), 'cancelled before it began');
  assert.equal(failure({ code: 'x', message: 'no key', attempts: [1, 2] }), 'no key (2 attempts)');
});

test('titles and last lines are short', () => {
  assert.equal(titleOf('  a\n b  '), 'a b');
  assert.equal([...titleOf('😀'.repeat(90))].length, 60);
  assert.equal(lastLine('a\nb \n\n'), 'b');
  assert.equal(lastLine(''), '');
});
