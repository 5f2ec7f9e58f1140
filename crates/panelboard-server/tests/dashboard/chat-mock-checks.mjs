// What of the chat can only be staged on a mock? Lines that break, snapshots, lost answers, hostile
// text, a thousand sessions.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Mock } from './mock.mjs';
import { arrive, chatLive, faint, idle, say, speaks, turnIs, turns, until, visit,
  visitChat } from './browser.mjs';

const HOSTILE = '<img src=x onerror="globalThis.__owned=1"><b>x</b>';
const ID = 's';

export function chatMockChecks(browser, options) {
  const shot = (page, name) => (options.shots
    ? page.screenshot({ path: join(options.shots, `chat-${name}.png`) }) : undefined);
  const staged = (settings, story) => async () => {
    const mock = await new Mock(settings).start();
    const session = mock.sessions.create(ID, { title: 'Staged' });
    let page;
    try {
      page = await visitChat(browser, mock.url, ID);
      await story(page, mock, session);
      assert.deepEqual(page.wrong, []);
    } finally {
      await page?.context().close();
      await mock.stop();
    }
  };
  /** What the double keeps of the answer, as the page would show it. */
  const kept = (session, said) => session.runs.find((r) => r.input === said).parts;
  /** An answer in which formatting takes nothing away. */
  const plain = Array.from({ length: 60 }, (_, i) => `wörd-${i}😀 `).join('').trim();

  return [
    ['chat: a line that breaks again and again loses and doubles nothing',
      staged({ pace: 25 }, async (page, mock, session) => {
        page.offline = true;
        mock.sessions.answer = plain;
        await say(page, 'go');
        for (let i = 0; i < 4; i += 1) {
          await speaks(page, 'go', 20 + i * 40);
          for (const link of mock.sessions.links) link.cut();
          await until(page, () => document.querySelector('#link').dataset.link === 'lost', null, 'lost');
          await chatLive(page);
        }
        await turnIs(page, 'go', 'succeeded');
        assert.equal((await turns(page))[0].words, plain);
        assert.equal(kept(session, 'go'), plain);
      })],

    ['chat: what was said so far is there at once after a reload, while the answer pauses',
      staged({}, async (page, mock, session) => {
        mock.sessions.answer = plain;
        await say(page, 'go');
        await speaks(page, 'go', 40);
        mock.sessions.hold();
        await page.reload();
        await speaks(page, 'go', kept(session, 'go').trimEnd().length);
        assert.equal((await turns(page))[0].words, kept(session, 'go').trimEnd());
        assert.equal((await turns(page))[0].status, 'running');
        mock.sessions.release();
        await turnIs(page, 'go', 'succeeded');
        assert.equal((await turns(page))[0].words, plain);
      })],

    ['chat: a snapshot stands in for what is gone, also for its ends and notices',
      staged({ pace: 20 }, async (page, mock) => {
        page.offline = true;
        mock.sessions.notices = ['openai/team-a is cooling for 12 s, answered by openai/team-b'];
        mock.sessions.failing = { code: 'upstream_unavailable', message: 'no key can take this' };
        await say(page, 'fail');
        await turnIs(page, 'fail', 'failed');
        mock.sessions.failing = null;
        await say(page, 'go');
        await speaks(page, 'go', 30);
        mock.sessions.lost = true;
        for (const link of mock.sessions.links) link.cut();
        await turnIs(page, 'go', 'succeeded');
        const other = await visitChat(browser, mock.url, ID);
        await turnIs(other, 'go', 'succeeded');
        assert.deepEqual(await turns(page), await turns(other));
        const [failed] = await turns(page);
        assert.equal(failed.end, 'failed: no key can take this');
        assert.deepEqual(failed.notices, mock.sessions.notices);
        for (const scheme of ['light', 'dark']) {
          await other.emulateMedia({ colorScheme: scheme });
          assert.deepEqual(await faint(other), [], scheme);
          await shot(other, `notices-${scheme}`);
        }
        await other.context().close();
      })],

    ['chat: a message whose answer got lost is sent again and makes one run',
      staged({}, async (page, mock, session) => {
        page.offline = true;
        const heard = mock.sessions.heard;
        mock.sessions.heard = (link, frame) => {
          if (frame.type === 'submit') link.send = () => {}; // taken, but the answer gets lost
          heard.call(mock.sessions, link, frame);
          if (frame.type === 'submit') { link.cut(); mock.sessions.heard = heard; }
        };
        await say(page, 'once');
        await turnIs(page, 'once', 'succeeded');
        await until(page, () => document.querySelector('#outbox').hidden, null, 'acknowledged');
        assert.deepEqual(session.runs.map((r) => r.input), ['once']);
      })],

    ['chat: a message that the server never answered survives a reload',
      staged({}, async (page, mock, session) => {
        page.offline = true;
        mock.sessions.deaf = true;
        await say(page, 'are you there?');
        await page.locator('#outbox li', { hasText: 'no answer yet' }).waitFor();
        mock.sessions.deaf = false;
        await page.reload();
        await turnIs(page, 'are you there?', 'succeeded');
        assert.deepEqual(session.runs.map((r) => r.input), ['are you there?']);
      })],

    ['chat: what was written without a line can be taken back',
      staged({}, async (page, mock, session) => {
        page.offline = true;
        const upgrade = mock.sessions.upgrade;
        mock.sessions.upgrade = (request, socket) => socket.destroy();
        for (const link of mock.sessions.links) link.cut();
        await until(page, () => document.querySelector('#link').dataset.link === 'lost', null, 'lost');
        await say(page, 'not this');
        await page.getByRole('button', { name: 'Take back' }).click();
        assert.equal(await page.locator('#input').inputValue(), 'not this');
        await say(page, 'but this');
        mock.sessions.upgrade = upgrade;
        await turnIs(page, 'but this', 'succeeded');
        assert.deepEqual(session.runs.map((r) => r.input), ['but this']);
      })],

    ['chat: a server that goes away is given the time it asks for',
      staged({}, async (page, mock) => {
        page.offline = true;
        let came = 0;
        const upgrade = mock.sessions.upgrade;
        mock.sessions.upgrade = function count(...args) { came = Date.now(); upgrade.apply(this, args); };
        const told = Date.now();
        for (const link of mock.sessions.links) {
          link.send({ type: 'goaway', code: 1012, reason: 'restart', reconnect_after_ms: 1500,
            resume: [] });
        }
        await until(page, () => document.querySelector('#link').dataset.link === 'lost', null, 'lost');
        await page.evaluate(() => dispatchEvent(new Event('focus'))); // must not hurry it
        await chatLive(page);
        assert.ok(came - told >= 1500, `it came back after ${came - told} ms`);
      })],

    ['chat: a server without WebSocket is told of in words', async () => {
      const mock = await new Mock({}).start();
      mock.sessions.upgrade = (request, socket) => socket.destroy();
      const page = await arrive(browser, `${mock.url}/chat`);
      try {
        await page.getByText('does a proxy in between pass them on?').waitFor();
      } finally {
        await page.context().close();
        await mock.stop();
      }
    }],

    ['chat: text from outside stays text', staged({}, async (page, mock) => {
      mock.sessions.create(HOSTILE, { title: HOSTILE });
      mock.sessions.notices = [HOSTILE];
      mock.sessions.answer = `${HOSTILE}\n\n\`${HOSTILE}\`\n\n\`\`\`${HOSTILE}\n${HOSTILE}\n\`\`\``;
      await say(page, HOSTILE);
      await turnIs(page, HOSTILE, 'succeeded');
      const [turn] = await turns(page);
      assert.deepEqual(turn.notices, [HOSTILE]);
      assert.ok(turn.words.includes(HOSTILE));
      await page.locator('.entry', { hasText: HOSTILE }).first().waitFor();
      assert.equal(await page.locator('.chat img, .sessions img, .turn b').count(), 0);
      assert.equal(await page.evaluate(() => globalThis.__owned), undefined);
    })],

    ['chat: an answer that asks is answered', staged({}, async (page, mock, session) => {
      await say(page, 'book it');
      await speaks(page, 'book it');
      session.ask('Which day?');
      await page.getByText('Which day?').waitFor();
      await shot(page, 'question');
      await page.getByLabel('Which day?').fill('Monday');
      await page.getByLabel('Which day?').press('Enter');
      await turnIs(page, 'book it', 'succeeded');
      assert.ok(await page.locator('.reply').isHidden());
    })],

    ['chat: a session that is not there says so, and a message begins it',
      staged({}, async (page, mock) => {
        await page.evaluate(() => { location.hash = 'no%2Fsuch'; });
        await page.getByText('There is no such session.').waitFor();
        await say(page, 'begin');
        await turnIs(page, 'begin', 'succeeded');
        assert.ok(mock.sessions.all.has('no/such'));
        page.wrong = page.wrong.filter((w) => !w.includes('404')); // the browser logs it by itself
      })],

    ['chat: a session that is deleted elsewhere says so', staged({}, async (page, mock) => {
      await say(page, 'hello');
      await turnIs(page, 'hello', 'succeeded');
      await page.locator('.entry').first().waitFor();
      mock.sessions.all.delete(ID);
      await page.getByText('There is no such session.').waitFor();
      assert.equal((await turns(page)).length, 0);
    })],

    ['chat: who reads above is not pulled down', staged({ pace: 15 }, async (page, mock) => {
      mock.sessions.answer = Array.from({ length: 40 }, (_, i) => `Paragraph ${i}.\n\n`).join('');
      await say(page, 'long');
      await speaks(page, 'long', 400);
      await page.evaluate(() => { document.querySelector('#paper').scrollTop = 0; });
      await turnIs(page, 'long', 'succeeded');
      assert.equal(await page.evaluate(() => document.querySelector('#paper').scrollTop), 0);
      await page.locator('#down').click();
      await until(page, () => {
        const p = document.querySelector('#paper');
        return p.scrollHeight - p.scrollTop - p.clientHeight < 2;
      }, null, 'the end');
    })],

    ['sessions: a thousand have rows, and few are heard', async () => {
      const mock = await new Mock({ pace: 500 }).start();
      for (let i = 0; i < 1000; i += 1) mock.sessions.create(`session-${i}`, { title: `Number ${i}` });
      for (let i = 0; i < 200; i += 1) mock.sessions.create(`session-${i * 5}`).submit({ input: 'go' });
      const page = await visit(browser, mock.url);
      try {
        await until(page, () => document.querySelectorAll('.srow').length === 1000, null, '1,000');
        assert.equal(await page.locator('#sessions-tally').textContent(), '200 busy');
        await page.locator('#sessions').scrollIntoViewIfNeeded();
        await until(page, () => [...document.querySelectorAll('.s-words')]
          .some((n) => n.textContent.length > 10), null, 'words');
        await shot(page, 'thousand');
        const heard = Math.max(...[...mock.sessions.links].map((l) => l.subscribed.size));
        assert.ok(heard > 3 && heard <= 32, `${heard} are heard`);
        // One far below is heard once it is scrolled to, and the ones above no longer are.
        await page.evaluate(() => { document.querySelector('#sessions-scroll').scrollTop = 150 * 58; });
        await until(page, () => {
          const box = document.querySelector('#sessions-scroll').getBoundingClientRect();
          return [...document.querySelectorAll('.srow[data-state=running]')].some((r) => {
            const at = r.getBoundingClientRect();
            return at.top > box.top && at.bottom < box.bottom
              && r.querySelector('.s-words').textContent.length > 5;
          });
        }, null, 'words below');
        const now = Math.max(...[...mock.sessions.links].map((l) => l.subscribed.size));
        assert.ok(now <= 32, `${now} are heard`);
        await page.locator('#sessions-filter').fill('number 999');
        assert.equal(await page.locator('.srow:not([hidden])').count(), 1);
        // The list of the chat page is as long, and as light.
        const chat = await visitChat(browser, mock.url);
        await until(chat, () => document.querySelectorAll('.entry').length === 300, null, '300');
        assert.match(await chat.locator('#sessions-count').textContent(), /^1,000, the newest 300/);
        await chat.locator('#find').fill('number 7');
        await until(chat, () => document.querySelectorAll('.entry').length === 271, null, 'found');
        assert.deepEqual([...page.wrong, ...chat.wrong], []);
        await chat.context().close();
      } finally {
        await page.context().close();
        await mock.stop();
      }
    }],

    ['chat: the model that is chosen is asked', staged({}, async (page, mock, session) => {
      await page.locator('#model').selectOption('careful');
      await say(page, 'think');
      await turnIs(page, 'think', 'succeeded');
      assert.equal(session.runs[0].model, 'careful');
      await page.reload();
      await until(page, () => document.querySelector('#model').value === 'careful', null, 'kept');
      await idle(page);
    })],
  ];
}
