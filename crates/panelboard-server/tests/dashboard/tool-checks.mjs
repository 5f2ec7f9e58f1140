// Can a person answer what a run's model calls, from any tab, also after a reload? Real servers only:
// the mock calls nothing.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { turnIs, turns, visitChat } from './browser.mjs';

const ID = 'called';
const SAID = 'the clock and the weather please';
const tool = (name) => ({ type: 'function', function: { name } });

export function toolChecks(browser, target, options) {
  const reply = (page) => page.locator('.reply:not([hidden]) input');
  const asks = (page, text) => page.getByText(text).waitFor();

  return [
    ['chat: a call of a tool is asked of whoever is there', async () => {
      const page = await visitChat(browser, target.url, ID);
      const answer = await fetch(`${target.url}/v1/sessions/${ID}/runs`, { method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ input: SAID, tools: [tool('clock'), tool('weather')] }) });
      assert.equal(answer.status, 202, await answer.text());
      await asks(page, 'The answer calls clock(');
      if (options.shots) await page.screenshot({ path: join(options.shots, 'chat-tool.png') });
      const other = await visitChat(browser, target.url, ID);
      await asks(other, 'The answer calls clock(');
      await reply(other).fill('noon');
      await reply(other).press('Enter');
      await asks(page, 'The answer calls weather(');
      await page.reload();
      await asks(page, 'The answer calls weather(');
      await reply(page).fill('rain');
      await reply(page).press('Enter');
      for (const tab of [page, other]) {
        await turnIs(tab, SAID, 'succeeded');
        assert.match((await turns(tab)).at(-1).words, /You said: rain/);
        assert.equal(await reply(tab).count(), 0);
        await tab.close();
      }
    }],
  ];
}
