// How is a check staged on a mock? Set up before the page comes, and told of the page and the mock.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Mock } from './mock.mjs';
import { visit } from './browser.mjs';

export const HOSTILE = '<img src=x onerror="globalThis.__owned=1"><b>x</b>';

export function stager(browser, options) {
  return {
    /** A check: `set(mock)` sets the mock up, `story(page, mock)` is what must hold then. */
    staged: (set, story, settings = {}) => async () => {
      const mock = await new Mock(settings).start();
      set(mock);
      let page;
      try {
        page = await visit(browser, mock.url);
        await story(page, mock);
        assert.deepEqual(page.wrong, []);
        assert.equal(await page.evaluate(() => globalThis.__owned), undefined);
      } finally {
        await page?.context().close();
        await mock.stop();
      }
    },
    /** A picture of a page or of a part of it, if pictures are kept. */
    shot: (what, name) => (options.shots
      ? what.screenshot({ path: join(options.shots, `${name}.png`) }) : undefined),
  };
}

/** Has the page read now, as one does that comes back to the front, and not within a second. */
export const reread = (page) => page.evaluate(() => {
  document.dispatchEvent(new Event('visibilitychange'));
});

/** From now on the mock takes no change, as from another origin. */
export function refuse(page, mock) {
  const answer = mock.route;
  mock.route = async (request, response) => {
    if (request.method !== 'POST') { await answer.call(mock, request, response); return; }
    response.writeHead(403, { 'content-type': 'application/problem+json' });
    response.end('{"title":"forbidden","status":403,"detail":"not from there"}');
  };
  page.refused = true;
}
