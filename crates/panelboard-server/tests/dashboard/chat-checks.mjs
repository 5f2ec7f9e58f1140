// What must the chat page do against any server, real or mock? Two tabs and one session, in order.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { chatLive, faint, idle, nameless, overflowing, say, sessionOf, speaks, turnIs, turns, until,
  visitChat } from './browser.mjs';

const KEYS = ['pretend-a/key-1', 'pretend-a/key-2', 'pretend-b/key-1'];
const FIRST = 'What does a session hold?';
const SCREENS = [['light', {}], ['dark', {}],
  ['phone', { width: 375, height: 812, isMobile: true }]];

export function chatChecks(browser, target, options) {
  let page;
  let other;
  let id;
  const shot = (name, p = page) => (options.shots
    ? p.screenshot({ path: join(options.shots, `chat-${name}.png`) }) : undefined);
  /** Answers that take their time, so that something can happen meanwhile. */
  const drip = async (kind = 'slow') => {
    for (const key of KEYS) {
      const answer = await fetch(`${target.url}/v1/faults`, { method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ key, fault: kind, ...(kind === 'none' ? {} : { for: '600s' }) }) });
      assert.equal(answer.status, 200, await answer.text());
    }
  };
  const both = (check) => Promise.all([check(page), check(other)]);
  /** Both tabs say the same; of an answer that still comes, one of them may have heard more. */
  const inStep = async () => {
    const [mine, its] = [await turns(page), await turns(other)];
    for (const [i, { status, words }] of mine.entries()) {
      if (status !== 'running' || its[i]?.status !== 'running') continue;
      const heard = its[i].words;
      if (words.startsWith(heard) || heard.startsWith(words)) its[i].words = words;
    }
    assert.deepEqual(mine, its);
  };
  const newest = async (p = page) => (await turns(p)).at(-1);

  return [
    ['chat: begins a session with its first message', async () => {
      page = await visitChat(browser, target.url);
      assert.ok(await page.locator('#hello').isVisible());
      assert.ok(await page.locator('#send').isDisabled(), 'nothing to send yet');
      await say(page, FIRST);
      await turnIs(page, FIRST, 'succeeded');
      const [turn] = await turns(page);
      assert.ok(turn.words.length > 20, turn.words);
      assert.equal(turn.end, null, 'success needs no word');
      id = sessionOf(page);
      assert.ok(id.length > 0, 'the address names the session');
      assert.equal(await page.locator('#title').textContent(), FIRST);
      await page.locator('.entry', { hasText: FIRST }).waitFor();
      assert.equal(await page.locator('#input').inputValue(), '');
    }],

    ['chat: a link opens a session as it was', async () => {
      other = await visitChat(browser, target.url, id);
      await turnIs(other, FIRST, 'succeeded');
      await inStep();
      await page.getByText('open in 1 other place').waitFor();
    }],

    ['chat: two tabs stay in step to the letter', async () => {
      await drip();
      await say(page, 'one, from the first tab');
      await speaks(page, 'one, from the first tab', 10);
      await speaks(other, 'one, from the first tab', 10);
      await say(other, 'two, from the second tab', 'enqueue');
      await both((p) => p.locator('#queue li', { hasText: 'two, from' }).waitFor());
      const [a, b] = await both(async (p) => (await turns(p)).at(-1).words);
      assert.ok(a.startsWith(b) || b.startsWith(a), `"${a}" and "${b}"`);
      await drip('none');
      await both((p) => turnIs(p, 'two, from the second tab', 'succeeded'));
      await inStep();
      assert.ok(await page.locator('#queue').isHidden());
    }],

    ['chat: a reload in mid-answer loses nothing', async () => {
      await drip();
      await say(page, 'reload me');
      const before = await speaks(page, 'reload me', 25);
      await page.locator('#input').fill('a draft');
      await page.reload();
      await chatLive(page);
      const after = await speaks(page, 'reload me', before.length);
      assert.ok(after.startsWith(before), `"${before}" then "${after}"`);
      assert.equal(await page.locator('#input').inputValue(), 'a draft');
      await page.locator('#input').fill('');
      await drip('none');
      await both((p) => turnIs(p, 'reload me', 'succeeded'));
      await inStep();
    }],

    ['chat: the stop button stops', async () => {
      await drip();
      assert.ok(await page.locator('#stop').isDisabled(), 'nothing to stop');
      await say(page, 'stop me');
      await speaks(page, 'stop me', 15);
      await other.locator('#stop').click();
      await both((p) => turnIs(p, 'stop me', 'cancelled'));
      await inStep();
      const turn = await newest();
      assert.equal(turn.end, 'stopped');
      assert.ok(turn.words.length >= 10, `what was said is kept: "${turn.words}"`);
      await idle(page);
      assert.deepEqual(await newest(), turn, 'nothing is added');
    }],

    ['chat: a message that is refused comes back with what to do', async () => {
      await say(page, 'the long one');
      await speaks(page, 'the long one');
      await say(page, 'too soon', 'reject');
      await page.locator('#problem').waitFor();
      assert.match(await page.locator('#problem').textContent(), /stop it, or choose/);
      assert.equal(await page.locator('#input').inputValue(), 'too soon');
      await page.locator('#problem-ok').click();
      assert.ok(await page.locator('#problem').isHidden());
    }],

    ['chat: a message that waits can be taken out of the queue', async () => {
      await say(page, 'never mind', 'enqueue');
      await both((p) => p.locator('#queue li', { hasText: 'never mind' }).waitFor());
      await page.getByRole('button', { name: 'Take out of the queue: never mind' }).click();
      await both((p) => turnIs(p, 'never mind', 'cancelled'));
      assert.equal((await newest()).end, 'cancelled before it began');
      await both((p) => p.locator('#queue').waitFor({ state: 'hidden' }));
      await inStep();
    }],

    ['chat: a message that stops the answer', async () => {
      await say(page, 'more urgent', 'interrupt');
      await both((p) => turnIs(p, 'the long one', 'superseded'));
      await both((p) => speaks(p, 'more urgent', 10));
      const said = (await turns(page)).map((t) => t.said);
      assert.ok(said.indexOf('the long one') < said.indexOf('more urgent'), said.join(', '));
    }],

    ['chat: a message that takes the question back', async () => {
      await say(page, 'a better question', 'rollback');
      await both((p) => turnIs(p, 'more urgent', 'rolled_back'));
      await both((p) => speaks(p, 'a better question', 10));
      const back = (await turns(page)).find((t) => t.said === 'more urgent');
      assert.equal(back.words, '', 'its answer is gone');
      assert.match(back.end, /neither the question nor the answer is remembered/);
    }],

    ['chat: a message that steers is read or comes next', async () => {
      await say(page, 'shorter please', 'steer');
      await until(page, () => [...document.querySelectorAll('#queue li')].some((n) => (
        n.textContent.includes('shorter please') && n.textContent.includes('steers')))
        || [...document.querySelectorAll('.turn')].some((t) => (
          t.querySelector('.said-text').textContent === 'shorter please')), null, 'the steer');
      await drip('none');
      await until(page, () => [...document.querySelectorAll('.turn')].some((t) => (
        ['consumed', 'succeeded'].includes(t.dataset.status)
        && t.querySelector('.said-text').textContent === 'shorter please')), null, 'its end');
      await both(idle);
      await inStep();
    }],

    ['chat: each way to end looks like what it is', async () => {
      const looks = await page.evaluate(() => {
        const of = (status) => {
          const turn = document.querySelector(`.turn[data-status=${status}]`);
          const end = turn.querySelector('.end');
          return [turn.querySelector('use').getAttribute('href'), end.textContent.trim()];
        };
        return ['cancelled', 'superseded', 'rolled_back'].map(of);
      });
      assert.equal(new Set(looks.map(([icon]) => icon)).size, 3);
      assert.equal(new Set(looks.map(([, text]) => text)).size, 3);
    }],

    ['chat: a clear while it answers clears both tabs', async () => {
      await drip();
      await say(page, 'forget me');
      await speaks(page, 'forget me', 10);
      await page.locator('#clear').click();
      await page.locator('#ask-no').click();
      assert.ok((await turns(page)).length > 3, 'a no changes nothing');
      await page.locator('#clear').click();
      await page.locator('#ask-yes').click();
      await both((p) => until(p, () => !document.querySelector('.turn'), null, 'no turn'));
      await both((p) => p.locator('#hello').waitFor());
      await both(idle);
      await drip('none');
      await say(other, 'a fresh start');
      await both((p) => turnIs(p, 'a fresh start', 'succeeded'));
      await inStep();
      assert.equal((await turns(page)).length, 1);
    }],

    ['chat: works by keyboard alone', async () => {
      await drip();
      await page.locator('#input').focus();
      await page.keyboard.type('first line');
      await page.keyboard.press('Shift+Enter');
      await page.keyboard.type('second line');
      await page.keyboard.press('Enter');
      await speaks(page, 'first line\nsecond line', 5);
      const focused = () => page.evaluate(() => document.activeElement.id);
      assert.equal(await focused(), 'input', 'the field keeps the focus');
      for (let i = 0; i < 6 && await focused() !== 'stop'; i += 1) await page.keyboard.press('Tab');
      assert.equal(await focused(), 'stop');
      const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      assert.notEqual(ring, 'none', 'the focus is visible');
      await page.keyboard.press('Enter');
      await turnIs(page, 'first line\nsecond line', 'cancelled');
      assert.equal(await focused(), 'input');
      await drip('none');
      await until(page, () => /The answer stopped/.test(document.querySelector('#said').textContent),
        null, 'told to a screen reader');
    }],

    ['chat: forbids inline script and style, and names every control', async () => {
      assert.match(page.policy, /default-src 'none'/);
      assert.doesNotMatch(page.policy, /unsafe-inline|unsafe-eval/);
      assert.equal(await page.locator('[style]:not(#input), style, script:not([src])').count(), 0);
      assert.deepEqual(await nameless(page), []);
    }],

    ['chat: reads well in both colour schemes and on a phone', async () => {
      for (const [name, { width, height, isMobile }] of SCREENS) {
        const scheme = name === 'light' ? 'light' : 'dark';
        const p = await visitChat(browser, target.url, id, { colorScheme: scheme,
          ...(width ? { viewport: { width, height }, isMobile, hasTouch: true, deviceScaleFactor: 2 }
            : {}) });
        await turnIs(p, 'a fresh start', 'succeeded');
        assert.deepEqual(await faint(p), [], name);
        assert.deepEqual(await overflowing(p), [], name);
        await shot(name, p);
        if (isMobile) {
          const small = await p.locator('button:visible, select:visible').evaluateAll((all) => all
            .filter((b) => b.getBoundingClientRect().height < 24).map((b) => b.outerHTML));
          assert.deepEqual(small, [], 'large enough for a finger');
          await p.locator('#drawer').click();
          await p.locator('.entry').first().waitFor();
          await until(p, () => document.querySelector('#sessions').getBoundingClientRect().left === 0,
            null, 'the list is there');
          await shot('phone-list', p);
          await p.keyboard.press('Escape');
          await until(p, () => !document.querySelector('#sessions').checkVisibility(
            { visibilityProperty: true }), null, 'and gone');
        }
        assert.deepEqual(p.wrong, []);
        await p.context().close();
      }
    }],

    ['chat: what is sent while the server is away is answered later', async () => {
      if (!target.keeps) return;
      page.offline = true;
      other.offline = true;
      const before = await turns(page);
      await target.stop();
      await page.locator('#link', { hasText: 'retrying' }).waitFor();
      assert.match(await page.locator('#lost').textContent(), /goes out then/);
      await say(page, 'are you back?');
      await page.locator('#outbox li', { hasText: 'are you back?' }).waitFor();
      await shot('lost');
      await target.start();
      await both((p) => turnIs(p, 'are you back?', 'succeeded'));
      assert.ok(await page.locator('#outbox').isHidden());
      await inStep();
      assert.deepEqual((await turns(page)).slice(0, -1), before, 'nothing of before is lost');
      page.offline = false;
      other.offline = false;
    }],

    ['chat: a deleted session is gone', async () => {
      const entry = page.locator('.entry', { has: page.locator('[aria-current]') });
      await entry.hover();
      await entry.getByRole('button').click();
      await page.locator('#ask-yes').click();
      await until(page, () => location.hash === '', null, 'a new session');
      await until(page, (text) => ![...document.querySelectorAll('.entry')]
        .some((e) => e.textContent.includes(text)), FIRST, 'not in the list');
    }],

    ['chat: nothing went wrong in the console', async () => {
      assert.deepEqual(page.wrong, []);
      assert.deepEqual(other.wrong.filter((w) => !w.includes('status of 404')), []);
      await page.context().close();
      await other.context().close();
    }],
  ];
}
