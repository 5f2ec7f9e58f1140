// What must the dashboard's section of sessions do against any server, real or mock?
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { faint, nameless, overflowing, until, visit } from './browser.mjs';

const KEYS = ['pretend-a/key-1', 'pretend-a/key-2', 'pretend-b/key-1'];
const ID = 'watched/ä b';
const TITLE = 'Watched on the panel';

export function sessionChecks(browser, target, options) {
  let page;
  const shot = (name, p = page) => (options.shots
    ? p.screenshot({ path: join(options.shots, `sessions-${name}.png`) }) : undefined);
  const call = async (method, path, body, status) => {
    const answer = await fetch(`${target.url}${path}`, { method,
      headers: { 'content-type': 'application/json' }, body: body && JSON.stringify(body) });
    assert.equal(answer.status, status, await answer.clone().text());
    return answer.status === 204 ? null : answer.json();
  };
  const path = `/v1/sessions/${encodeURIComponent(ID)}`;
  const submit = (input, policy) => call('POST', `${path}/runs`, { input, on_conflict: policy }, 202);
  const drip = async (fault) => {
    for (const key of KEYS) await call('POST', '/v1/faults', { key, fault, for: '600s' }, 200);
  };
  const row = (p = page) => p.locator('.srow', { hasText: TITLE });
  const rowIs = (state) => until(page, ([title, s]) => (
    [...document.querySelectorAll(`.srow[data-state=${s}]`)].some((r) => r.textContent.includes(title))
  ), [TITLE, state], `the row is ${state}`);

  return [
    ['sessions: each has a row with slot, queue and sockets', async () => {
      page = await visit(browser, target.url);
      await call('POST', '/v1/sessions', { id: ID, metadata: { title: TITLE } }, 201);
      await row().waitFor();
      await rowIs('idle');
      assert.match(await row().locator('.s-state').textContent(), /^idle$/);
      assert.ok(await row().getByRole('button', { name: /^Cancel/ }).isDisabled());
    }],

    ['sessions: an answer is seen as it comes', async () => {
      await drip('slow');
      await submit('say something long');
      await submit('and wait', 'enqueue');
      await rowIs('running');
      await page.locator('#sessions').scrollIntoViewIfNeeded();
      const first = await until(page, (title) => {
        const r = [...document.querySelectorAll('.srow')].find((n) => n.textContent.includes(title));
        const text = r.querySelector('.s-words').textContent;
        return text.length > 10 && !text.startsWith('…') && text;
      }, TITLE, 'the words');
      await until(page, ([title, was]) => {
        const r = [...document.querySelectorAll('.srow')].find((n) => n.textContent.includes(title));
        return r.querySelector('.s-words').textContent !== was;
      }, [TITLE, first], 'more words');
      assert.match(await row().locator('.s-state').textContent(), /^run 1, answering/);
      assert.equal(await row().locator('.s-queue').textContent(), '1');
      assert.equal(await row().locator('.s-sockets').textContent(), '0', 'the panel is no visitor');
      await until(page, (title) => /for \d+ s/.test([...document.querySelectorAll('.srow')]
        .find((n) => n.textContent.includes(title)).querySelector('.s-state').textContent),
      TITLE, 'since when');
      await shot('light');
    }],

    ['sessions: cancel stops the answer, and the next begins', async () => {
      await row().getByRole('button', { name: /^Cancel/ }).click();
      await until(page, (title) => [...document.querySelectorAll('.srow')]
        .find((n) => n.textContent.includes(title)).querySelector('.s-state').textContent
        .startsWith('run 2, answering'), TITLE, 'the second run');
      const { items } = await call('GET', `${path}/runs`, null, 200);
      assert.equal(items[0].status, 'cancelled');
      assert.equal(await row().locator('.s-queue').textContent(), '0');
    }],

    ['sessions: clear asks, then clears', async () => {
      await submit('and one more', 'enqueue');
      await row().getByRole('button', { name: /^Clear/ }).click();
      await page.locator('#ask-no').click();
      const before = await call('GET', `${path}/memory`, null, 200);
      assert.ok(before.items.length > 0, 'a no changes nothing');
      await row().getByRole('button', { name: /^Clear/ }).click();
      await page.locator('#ask-yes').click();
      await rowIs('idle');
      const after = await call('GET', `${path}/memory`, null, 200);
      assert.deepEqual(after.items, []);
      assert.ok(after.era > before.era);
      await drip('none');
    }],

    ['sessions: a name leads to the chat', async () => {
      const href = await row().locator('a').getAttribute('href');
      assert.equal(href, `/chat#${encodeURIComponent(ID)}`);
    }],

    ['sessions: filters by words and by state', async () => {
      await page.locator('#sessions-filter').fill('no such name');
      assert.equal(await page.locator('.srow:visible').count(), 0);
      assert.equal(await page.locator('#sessions-empty').textContent(), 'No session matches.');
      await page.locator('#sessions-filter').fill('watched panel');
      assert.equal(await page.locator('.srow:visible').count(), 1);
      await page.locator('#sessions-filter').fill('');
      await page.locator('#sessions-busy').check();
      assert.equal(await page.locator('#sessions-empty').textContent(), 'All sessions are idle.');
      await page.locator('#sessions-busy').uncheck();
    }],

    ['sessions: read well in both colour schemes and on a phone', async () => {
      assert.deepEqual(await nameless(page), []);
      for (const scheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme: scheme });
        assert.deepEqual(await faint(page), [], scheme);
        await shot(`idle-${scheme}`);
      }
      const phone = await visit(browser, target.url, { viewport: { width: 375, height: 812 },
        isMobile: true, hasTouch: true, deviceScaleFactor: 2 });
      await row(phone).waitFor();
      await row(phone).scrollIntoViewIfNeeded();
      assert.deepEqual(await overflowing(phone), []);
      await shot('phone', phone);
      await phone.context().close();
    }],

    ['sessions: nothing went wrong in the console', async () => {
      await call('DELETE', `${path}?mode=cancel`, null, 204);
      await row().waitFor({ state: 'detached' });
      assert.deepEqual(page.wrong, []);
      await page.context().close();
    }],
  ];
}
