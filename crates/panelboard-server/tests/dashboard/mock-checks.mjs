// What can only be staged on a mock? Hostile text, gaps in the events, a thousand breakers.
import assert from 'node:assert/strict';
import { Mock } from './mock.mjs';
import { arrive, becomes, faint, live, module, reaches, until } from './browser.mjs';
import { HOSTILE, refuse, stager } from './stage.mjs';

const OTHER_STATES = ['open', 'half-open', 'forced-open', 'disabled', 'metrics-only'];

export function mockChecks(browser, options) {
  const { staged: stage, shot } = stager(browser, options);
  const staged = (settings, story) => stage(() => {}, story, settings);

  return [
    ['text from outside stays text', staged({}, async (page, mock) => {
      mock.provider(HOSTILE, [HOSTILE]);
      mock.config.last_error = `line 3: ${HOSTILE}`;
      const key = `${HOSTILE}/${HOSTILE}`;
      const b = mock.breakers.get(key);
      mock.move(b, 'open', HOSTILE, 60_000);
      b.lastError = { class: HOSTILE, status: 503, message: HOSTILE, at: HOSTILE };
      mock.calls.set('x', { id: HOSTILE, model: HOSTILE, provider: HOSTILE, key: HOSTILE,
        stream: true, stage: HOSTILE, attempt: 2, born: Date.now() });
      await until(page, (text) => {
        const has = (id) => document.getElementById(id).textContent.includes(text);
        return has('rails') && has('transitions') && has('calls') && has('config-error');
      }, HOSTILE, 'the text, as it is');
      assert.equal(await page.locator('main img, .banner b').count(), 0);
    })],

    ['an event moves the handle before the next reading', staged({}, async (page, mock) => {
      const answer = mock.route;
      mock.route = async (request, response) => { // readings of the breakers never come back
        if (request.url !== '/v1/breakers') await answer.call(mock, request, response);
      };
      mock.move(mock.breakers.get('pretend-a/key-2'), 'open', 'rate limited', 60_000);
      await becomes(page, 'pretend-a/key-2', 'open');
      const text = await module(page, 'pretend-a/key-2').locator('.m-why').textContent();
      assert.match(text, /^rate limited probe in/);
    })],

    ['readings go on while calls hang', staged({}, async (page, mock) => {
      const answer = mock.route;
      let hanging = 0;
      mock.route = async (request, response) => {
        if (request.url === '/v1/chat/completions') hanging += 1;
        else await answer.call(mock, request, response);
      };
      await page.locator('#burst').click();
      await until(page, () => document.querySelector('#burst').disabled, null, 'the burst');
      mock.config.last_error = 'read';
      await page.locator('#config-error').waitFor();
      assert.ok(hanging >= 2, `${hanging} calls hang`);
    })],

    ['a config that does not load is told', staged({}, async (page, mock) => {
      assert.ok(await page.locator('#config-error').isHidden());
      mock.config.last_error = 'panelboard.toml:7: unknown field `keyz`, did you mean `keys`?';
      await until(page, () => !document.querySelector('#config-error').hidden, null, 'the banner');
      assert.match(await page.locator('#config-error').textContent(), /did you mean `keys`/);
      mock.config.last_error = null;
      await until(page, () => document.querySelector('#config-error').hidden, null, 'and its end');
    })],

    ['a gap in the events shows as missed', staged({}, async (page, mock) => {
      const b = mock.breakers.get('pretend-a/key-1');
      mock.move(b, 'open', 'failures', 60_000);
      await becomes(page, b.key, 'open');
      mock.skip(7);
      mock.move(b, 'closed', 'reset');
      await reaches(page, 3);
      const rows = await page.locator('#transitions tr').allTextContents();
      assert.match(rows[0], /^9pretend-a\/key-1open → closed/);
      assert.equal(rows[1], 'missed 7');
      assert.match(rows[2], /^1pretend-a\/key-1closed → open/);
    })],

    ['a stream that drops resumes without a gap', staged({}, async (page, mock) => {
      const b = mock.breakers.get('pretend-b/key-1');
      mock.move(b, 'open', 'rate limited', 60_000);
      await reaches(page, 1);
      page.offline = true;
      for (const stream of mock.streams) stream.destroy();
      for (let i = 0; i < 3; i += 1) {
        mock.move(b, 'closed', 'reset');
        mock.move(b, 'open', 'tripped', 90_000);
      }
      await reaches(page, 7);
      const numbers = await page.locator('#transitions td:first-child').allTextContents();
      assert.deepEqual(numbers, ['7', '6', '5', '4', '3', '2', '1']);
    })],

    ['every state has its own picture and words', staged({}, async (page, mock) => {
      const keys = [...mock.breakers.keys()];
      OTHER_STATES.forEach((state, i) => {
        const b = mock.breakers.get(keys[i]);
        mock.move(b, state, 'rate limited', 45_000);
        b.lastError = { class: 'rate_limited', status: 429, message: 'slow down',
          at: new Date().toISOString() };
      });
      for (const [i, state] of OTHER_STATES.entries()) await becomes(page, keys[i], state);
      const words = await page.locator('.m-why').allTextContents();
      assert.equal(new Set(words).size, 5, words.join(' | '));
      assert.ok(await module(page, keys[3]).locator('.jumper').isVisible(), 'a jumper');
      for (const scheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme: scheme });
        assert.deepEqual(await faint(page), [], scheme);
        await shot(page, `states-${scheme}`);
      }
    })],

    ['asks for a token where the server wants one', async () => {
      const mock = await new Mock({ token: 'right' }).start();
      const page = await arrive(browser, mock.url);
      try {
        await page.getByText('The server wants its token').waitFor();
        await page.locator('#ask-token').fill('wrong');
        await page.locator('#ask-token').press('Enter');
        await page.getByText('did not take that token').waitFor();
        await page.locator('#ask-token').fill('right');
        await page.locator('#ask-token').press('Enter');
        await live(page);
        await module(page, 'pretend-a/key-1').getByRole('button', { name: /^Trip/ }).click();
        await page.locator('#ask-yes').click();
        await becomes(page, 'pretend-a/key-1', 'open');
        await reaches(page, 1);
        const kept = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage]));
        assert.ok(!kept.includes('right'), 'the token is not stored');
        // The browser itself logs each 401.
        assert.deepEqual(page.wrong.filter((w) => !w.includes('status of 401')), []);
      } finally {
        await page.context().close();
        await mock.stop();
      }
    }],

    ['a refused action says why', staged({}, async (page, mock) => {
      refuse(page, mock);
      await module(page, 'pretend-a/key-1').getByRole('button', { name: /^Reset/ }).click();
      await page.getByText('not from there').waitFor();
    })],

    ['a thousand breakers reuse their nodes and draw only what is seen',
      staged({ breakers: 1000 }, async (page, mock) => {
        await until(page, () => document.querySelectorAll('.module').length === 1000
          && document.querySelector('.module .r-calls').textContent !== '', null, '1,000');
        const drawn = await page.locator('.module').evaluateAll((all) => all
          .filter((m) => m.querySelector('.r-calls').textContent !== '').length);
        assert.ok(drawn < 90, `${drawn} modules are drawn in full`);
        // Two readings in which nothing changes: the nodes stay, and hardly any is written to.
        const touched = await page.evaluate(async () => {
          const before = [...document.querySelectorAll('.module')];
          const hit = new Set();
          const watch = new MutationObserver((records) => {
            for (const r of records) hit.add(r.target.parentElement?.closest('.module') ?? null);
          });
          watch.observe(document.querySelector('#rails'), { subtree: true, childList: true,
            attributes: true, characterData: true });
          const uptime = () => document.querySelector('#fact-uptime').textContent;
          for (let last = uptime(), n = 0; n < 2; last = uptime(), n += 1) {
            while (uptime() === last) await new Promise((go) => { setTimeout(go, 20); });
          }
          const after = [...document.querySelectorAll('.module')];
          return { same: before.every((m, i) => m === after[i]), hit: hit.size };
        });
        assert.ok(touched.same, 'the nodes stay');
        assert.ok(touched.hit < 90, `${touched.hit} modules were written to`);
        await shot(page, 'thousand');
        await page.locator('#filter').fill('pretend-9 key-98');
        assert.deepEqual(await page.locator('.module:visible').evaluateAll(
          (all) => all.map((m) => m.dataset.key)), mock.breakers.has('pretend-9/key-98')
          ? ['pretend-9/key-98'] : []);
        await page.locator('#filter').fill('');
        await page.locator('#only').check();
        const off = [...mock.breakers.values()].filter((b) => b.state !== 'closed').length;
        assert.equal(await page.locator('.module:not([hidden])').count(), off);
        await page.locator('#only').uncheck();
        // A change far below the fold arrives like any other.
        const last = [...mock.breakers.keys()].at(-1);
        mock.move(mock.breakers.get(last), 'closed', 'reset');
        mock.move(mock.breakers.get(last), 'open', 'rate limited', 60_000);
        await becomes(page, last, 'open');
        await module(page, last).scrollIntoViewIfNeeded();
        await until(page, (key) => [...document.querySelectorAll('.module')].find((m) => (
          m.dataset.key === key)).querySelector('.countdown').textContent.startsWith('probe in'),
        last, 'its countdown');
      })],
  ];
}
