// What must hold against any server, real or mock? One visitor's story, told in order.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { becomes, burstUntil, faint, module, nameless, overflowing, reaches, setFault,
  stateOf, until, visit } from './browser.mjs';

const SUBJECT = 'pretend-a/key-1';
const OTHER = 'pretend-b/key-1';
const NEIGHBOUR = 'pretend-a/key-2';
const KEYS = [SUBJECT, NEIGHBOUR, OTHER];

export function pageChecks(browser, target, options) {
  let page;
  const shot = (name, p = page) => (options.shots
    ? p.screenshot({ path: join(options.shots, `${name}.png`) }) : undefined);
  const post = async (path, body) => {
    const answer = await fetch(`${target.url}${path}`, { method: 'POST',
      headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
    assert.equal(answer.status, 200, await answer.text());
  };
  const byHand = (key, action, body = {}) => post(`/v1/breakers/${key}/${action}`, body);
  const fault = (key, kind) => post('/v1/faults', { key, fault: kind });

  const focused = () => page.evaluate(() => document.activeElement.dataset.key);

  return [
    ['starts with every handle closed', async () => {
      page = await visit(browser, target.url);
      const states = await page.locator('.module').evaluateAll((all) => all.map((m) => (
        [m.dataset.key, m.dataset.state, m.dataset.pos, m.querySelector('.m-state').textContent])));
      assert.ok(KEYS.every((k) => states.some(([key]) => key === k)), JSON.stringify(states));
      for (const [key, state, pos, word] of states) {
        assert.deepEqual([state, pos, word], ['closed', 'closed', 'closed'], key);
      }
      assert.match(await page.locator('#version').textContent(), /^\d+\.\d+\.\d+/);
      assert.match(await page.locator('#fact-uptime').textContent(), /^up \d/);
    }],

    ['forbids inline script and style', async () => {
      assert.match(page.policy, /default-src|script-src/);
      assert.doesNotMatch(page.policy, /unsafe-inline|unsafe-eval/);
      const inline = await page.locator('[style]:not(.fuse i), style, script:not([src])').count();
      assert.equal(inline, 0);
    }],

    ['streams an answer and says who served it', async () => {
      await page.locator('#prompt').fill("It's a test: why?");
      await page.locator('#prompt').press('Enter');
      await until(page, () => document.querySelector('#answer-text').textContent.length > 10
        && document.querySelector('#send').textContent === 'Send', null, 'an answer');
      assert.match(await page.locator('#answer-meta').textContent(),
        /^pretend-[ab]\/key-\d.*first byte/);
    }],

    ['copies a curl line that a shell takes', async () => {
      await page.locator('#copy').click();
      await page.getByText('Copied').waitFor();
      const line = await page.evaluate(() => navigator.clipboard.readText());
      const start = `curl -N ${new URL(target.url).origin}/v1/chat/completions `;
      assert.ok(line.startsWith(start), line);
      assert.ok(line.includes("It'\\''s a test"), line);
      assert.ok(line.includes('"model":"fast"'), line);
    }],

    ['shows a call in flight with the key that serves it, and stops it', async () => {
      for (const key of KEYS) await fault(key, 'slow');
      await page.locator('#send').click();
      await page.locator('#calls .by', { hasText: /^pretend-[ab]\/key-\d/ }).waitFor();
      assert.equal(await page.locator('#calls b').textContent(), 'fast');
      assert.equal(await page.locator('#send').textContent(), 'Stop');
      await page.locator('#send').click();
      await page.locator('#answer-meta', { hasText: 'stopped' }).waitFor();
      for (const key of KEYS) await fault(key, 'none');
      await until(page, () => !document.querySelector('#calls tr'), null, 'no call left');
    }],

    ['a fault set on the page opens the breaker, and no call fails', async () => {
      // A healthy neighbour would soon get all calls: the choice of keys avoids one that failed.
      await byHand(NEIGHBOUR, 'isolate');
      await becomes(page, NEIGHBOUR, 'forced-open');
      await setFault(page, SUBJECT, '500');
      await burstUntil(page, SUBJECT, (state) => state !== 'closed');
      const seen = await until(page, (key) => {
        const row = [...document.querySelectorAll('#transitions tr')].find((r) => (
          r.querySelector('.key')?.textContent === key
          && r.querySelector('.move').textContent.startsWith('closed → open')));
        return row && [...row.cells].map((c) => c.textContent);
      }, SUBJECT, 'a transition to open in the table');
      assert.match(seen[0], /^\d+$/);
      assert.match(seen[1], /closed → open · failures/);
      const numbers = await page.locator('#transitions td:first-child').allTextContents();
      assert.deepEqual(numbers, [...numbers].sort((a, b) => b - a), 'newest first');
      await shot('open-dark');
    }],

    ['an open breaker counts down to its probe', async () => {
      // A minute by hand, so that the countdown can be watched.
      await module(page, SUBJECT).getByRole('button', { name: /^Reset/ }).click();
      await becomes(page, SUBJECT, 'closed');
      await module(page, SUBJECT).getByRole('button', { name: /^Trip/ }).click();
      await page.locator('#ask-for').selectOption('60s');
      await page.locator('#ask-yes').click();
      await becomes(page, SUBJECT, 'open');
      const left = () => module(page, SUBJECT).locator('.countdown').textContent();
      const first = await until(page, (key) => {
        const m = [...document.querySelectorAll('.module')].find((x) => x.dataset.key === key);
        return m.querySelector('.countdown').textContent;
      }, SUBJECT, 'a countdown');
      assert.match(first, /^probe in \d+ s$/);
      await until(page, ([key, was]) => {
        const m = [...document.querySelectorAll('.module')].find((x) => x.dataset.key === key);
        return m.querySelector('.countdown').textContent !== was;
      }, [SUBJECT, first], 'the countdown ticks');
      const seconds = (text) => Number(/(\d+)/.exec(text)[1]);
      assert.ok(seconds(await left()) < seconds(first), `${first} then ${await left()}`);
      assert.equal(await module(page, SUBJECT).getAttribute('data-pos'), 'open', 'handle down');
      assert.match(await page.title(), /\d open/);
      await until(page, (words) => document.querySelector('#said').textContent.includes(words),
        `${SUBJECT} open`, 'told to a screen reader');
    }],

    ['one probe closes it again once the fault is gone', async () => {
      await module(page, SUBJECT).getByRole('button', { name: /^Reset/ }).click();
      await becomes(page, SUBJECT, 'closed');
      await burstUntil(page, SUBJECT, (state) => state !== 'closed');
      await setFault(page, SUBJECT, 'none');
      await burstUntil(page, SUBJECT, (state) => state === 'closed');
      await becomes(page, SUBJECT, 'closed');
      const moves = await page.locator('#transitions tr').evaluateAll((rows, key) => rows
        .filter((r) => r.querySelector('.key')?.textContent === key)
        .map((r) => r.querySelector('.move').textContent), SUBJECT);
      assert.match(moves[0], /^half-open → closed · the probe succeeded/);
      assert.match(moves[1], /^open → half-open/);
      await byHand(NEIGHBOUR, 'release');
      await becomes(page, NEIGHBOUR, 'closed');
    }],

    ['trips and resets by keyboard alone', async () => {
      await page.locator('#filter').focus();
      await page.keyboard.press('Tab'); // only not closed
      await page.keyboard.press('Tab'); // the first module
      const start = await focused();
      assert.ok(start, 'the first breaker takes the focus');
      for (let i = 0; i < 12; i += 1) {
        if (await focused() === OTHER) break;
        await page.keyboard.press('ArrowRight');
      }
      assert.equal(await focused(), OTHER);
      const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      assert.notEqual(ring, 'none', 'the focus is visible');
      await page.keyboard.press('t');
      await until(page, () => document.querySelector('#ask').open, null, 'the question');
      await shot('trip-question');
      await page.keyboard.press('Escape');
      await until(page, () => !document.querySelector('#ask').open, null, 'the question is gone');
      assert.equal(await stateOf(page, OTHER), 'closed', 'Escape changes nothing');
      assert.equal(await focused(), OTHER, 'focus is back');
      await page.keyboard.press('Tab');
      assert.equal(await page.evaluate(() => document.activeElement.dataset.do), 'trip');
      await page.keyboard.press('Enter');
      await page.keyboard.press('Enter');
      await becomes(page, OTHER, 'open');
      await page.keyboard.press('r');
      await becomes(page, OTHER, 'closed');
    }],

    ['isolates until it is released', async () => {
      await module(page, OTHER).getByRole('button', { name: /^Isolate/ }).click();
      await page.locator('#ask-yes').click();
      await becomes(page, OTHER, 'forced-open');
      assert.ok(await module(page, OTHER).locator('.lock').isVisible(), 'a padlock is seen');
      await module(page, OTHER).getByRole('button', { name: /^Release/ }).click();
      await becomes(page, OTHER, 'closed');
    }],

    ['filters by words and by state', async () => {
      await page.locator('body').press('/');
      await page.keyboard.type('pretend-b key');
      assert.deepEqual(await visibleKeys(page), [OTHER]);
      await page.locator('#filter').fill('');
      await page.locator('#only').check();
      assert.deepEqual(await visibleKeys(page), []);
      assert.equal(await page.locator('#board-empty').textContent(), 'All breakers are closed.');
      await page.locator('#only').uncheck();
    }],

    ['names every control and says each state in words', async () => {
      assert.deepEqual(await nameless(page), []);
      const silent = await page.locator('.module').evaluateAll((all) => all.filter((m) => (
        !m.getAttribute('aria-label').includes(m.dataset.state)
        || m.querySelector('use').getAttribute('href') !== `#i-${m.dataset.state}`)).length);
      assert.equal(silent, 0);
    }],

    ['offers to skip to the breakers', async () => {
      const fresh = await visit(browser, target.url);
      await fresh.keyboard.press('Tab');
      const skip = fresh.locator('.skip:focus');
      assert.ok((await skip.boundingBox()).width > 50, 'seen when it has the focus');
      await fresh.keyboard.press('Enter');
      assert.equal(await fresh.evaluate(() => document.activeElement.id), 'board');
      assert.deepEqual(fresh.wrong, []);
      await fresh.context().close();
    }],

    ['reads well in both colour schemes', async () => {
      for (const scheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme: scheme });
        assert.deepEqual(await faint(page), [], scheme);
        await shot(scheme);
      }
      const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const dark = await ground();
      await page.locator('#theme').click(); // dark
      await page.locator('#theme').click(); // light
      assert.notEqual(await ground(), dark, 'the switch overrides the system');
      await page.reload();
      await until(page, () => document.querySelector('.module'), null, 'the panel');
      assert.notEqual(await ground(), dark, 'and is remembered');
      await page.locator('#theme').click(); // automatic
      assert.equal(await ground(), dark);
    }],

    ['fits a phone', async () => {
      const phone = await visit(browser, target.url, { viewport: { width: 375, height: 812 },
        isMobile: true, hasTouch: true, deviceScaleFactor: 2 });
      assert.deepEqual(await overflowing(phone), []);
      const small = await phone.locator('button:visible, select:visible').evaluateAll((all) => all
        .filter((b) => b.getBoundingClientRect().height < 24).map((b) => b.textContent));
      assert.deepEqual(small, [], 'large enough for a finger');
      await module(phone, SUBJECT).getByRole('button', { name: /^Fault on/ }).click();
      assert.deepEqual(await overflowing(phone), [], 'with a question too');
      await shot('phone-question', phone);
      await phone.locator('#ask-no').click();
      await phone.evaluate(() => scrollTo(0, 0));
      await shot('phone', phone);
      assert.deepEqual(phone.wrong, []);
      await phone.context().close();
    }],

    ['keeps still when asked to', async () => {
      await page.emulateMedia({ reducedMotion: 'reduce' });
      const moving = await page.locator('.lever').first()
        .evaluate((n) => getComputedStyle(n).transitionDuration);
      assert.equal(moving, '0s');
      await page.emulateMedia({ reducedMotion: 'no-preference' });
    }],

    ['outlives the server and comes back without a reload', async () => {
      if (!target.stop) return;
      await page.evaluate(() => { globalThis.__same = true; });
      page.offline = true;
      await target.stop();
      await page.locator('#link', { hasText: 'retrying' }).waitFor();
      assert.ok(await page.locator('#lost').isVisible());
      assert.match(await page.locator('#lost').textContent(), /^Connection lost, retrying/);
      await shot('lost');
      await target.start();
      await page.locator('#link[data-link=live]').waitFor();
      assert.ok(await page.locator('#lost').isHidden());
      page.offline = false;
      // What happens now reaches the page over the new stream.
      await byHand(OTHER, 'trip', { for: '60s' });
      await becomes(page, OTHER, 'open');
      // A new process counts from 1: what the old one told is gone.
      await reaches(page, 1);
      const row = await page.locator('#transitions tr').textContent();
      assert.ok(row.startsWith(`1${OTHER}closed → open`), row);
      assert.equal(await page.evaluate(() => globalThis.__same), true, 'the page was not reloaded');
    }],

    ['nothing went wrong in the console', async () => {
      assert.deepEqual(page.wrong, []);
      await page.context().close();
    }],
  ];
}

const visibleKeys = (page) => page.locator('.module:visible')
  .evaluateAll((all) => all.map((m) => m.dataset.key));
