// Does the page of the jobs drive them: start, follow, pause, resume, stop, compare, remove? Real
// servers only.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { faint, nameless, overflowing, until } from './browser.mjs';

const LONG = 'lasts = "2h"\nseeds = 1000';

export function jobChecks(browser, target, options) {
  let page;
  const errors = [];
  const shot = (name, p = page) => (options.shots
    ? p.screenshot({ path: join(options.shots, `jobs-${name}.png`), fullPage: true }) : undefined);
  const open = async (hash = '', about = {}) => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...about });
    const fresh = await context.newPage();
    fresh.on('console', (said) => { if (said.type() === 'error') errors.push(said.text()); });
    fresh.on('pageerror', (error) => errors.push(error.message));
    await fresh.goto(`${target.url}/jobs${hash}`);
    await until(fresh, () => document.querySelector('#link').dataset.link === 'live', null, 'live');
    return fresh;
  };
  const rowIs = (state, p = page) => until(p, (s) => (
    document.querySelector('.job[aria-current]')?.dataset.state === s), state, `it is ${state}`);
  const press = (what) => page.locator('.job[aria-current]')
    .getByRole('button', { name: new RegExp(`^${what} `) }).click();
  const scenario = (edit) => page.locator('#scenario').evaluate((field, [from, to]) => {
    field.value = field.value.replace(new RegExp(from), to);
  }, edit);
  const start = () => page.getByRole('button', { name: 'Start' }).click();
  const chosen = () => page.locator('.job[aria-current]').getAttribute('data-id');

  return [
    ['jobs: the example is simulated, and its chart and table are shown', async () => {
      page = await open();
      await page.getByText('None yet. Start one above.').waitFor();
      await start();
      await rowIs('completed');
      await page.locator('.result pre', { hasText: 'defaults' }).waitFor();
      const wide = await page.locator('.result img').evaluate((image) => image.naturalWidth);
      assert.ok(wide > 300, 'the chart is drawn');
      await shot('simulated');
    }],

    ['jobs: a mistake in the scenario is told at its place', async () => {
      await scenario(['rate = 20', 'rate = -20']);
      await start();
      await page.locator('#wrong', { hasText: 'args.scenario_toml:' }).waitFor();
      assert.match(await page.locator('#wrong').textContent(), /rate/);
      await scenario(['rate = -20', 'rate = 20']);
    }],

    ['jobs: one is paused, resumed and stopped by hand', async () => {
      const first = await chosen();
      await scenario(['lasts = "5m"\nseeds = 5', LONG]);
      await start();
      await until(page, (id) => document.querySelector('.job[aria-current]')?.dataset.id !== id, first,
        'the new one is chosen');
      await rowIs('running');
      await until(page, () => document.querySelector('.job[aria-current] progress').value > 0, null,
        'progress');
      await press('Pause');
      await rowIs('paused');
      await page.getByText('goes on when it is resumed').waitFor();
      await shot('paused');
      await press('Resume');
      await rowIs('running');
      await press('Stop');
      await rowIs('stopped');
    }],

    ['jobs: two results stand side by side', async () => {
      await scenario(['lasts = "2h"\nseeds = 1000', 'lasts = "5m"\nseeds = 5']);
      await page.locator('#seed').fill('77');
      await start();
      await rowIs('completed');
      await page.locator('#compare').selectOption({ index: 1 });
      await until(page, () => document.querySelectorAll('.result').length === 2, null, 'both');
    }],

    ['jobs: an analysis of the logged calls recommends settings', async () => {
      for (let n = 0; n < 10; n += 1) {
        const answer = await fetch(`${target.url}/v1/chat/completions`, { method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ model: 'fast', messages: [{ role: 'user', content: 'x' }] }) });
        assert.equal(answer.status, 200);
      }
      await page.locator('#kind').selectOption('analysis');
      await page.locator('#since').selectOption('');
      await start();
      await rowIs('completed');
      await page.locator('.result pre', { hasText: 'recommended' }).waitFor();
      await page.getByRole('button', { name: 'Copy the settings' }).waitFor();
      await shot('analysed');
    }],

    ['jobs: a link opens one as it was, and the page reads well', async () => {
      const id = await chosen();
      for (const [name, about] of [['light', { colorScheme: 'light' }],
        ['dark', { colorScheme: 'dark' }],
        ['phone', { viewport: { width: 375, height: 812 }, isMobile: true }]]) {
        const other = await open(`#${id}`, about);
        await other.locator('.result pre').waitFor();
        assert.deepEqual(await faint(other), [], name);
        assert.deepEqual(await nameless(other), [], name);
        assert.deepEqual(await overflowing(other), [], name);
        await shot(name, other);
        await other.context().close();
      }
    }],

    ['jobs: a removed one is gone', async () => {
      const id = await chosen();
      await press('Remove');
      await page.locator('#ask-yes').click();
      await until(page, (gone) => !document.querySelector(`.job[data-id="${gone}"]`), id, 'gone');
      assert.ok(await page.locator('#found').isHidden());
    }],

    ['jobs: nothing went wrong in the console', async () => {
      const expected = (text) => /422|the server responded/i.test(text);
      assert.deepEqual(errors.filter((text) => !expected(text)), []);
      await page.context().close();
    }],
  ];
}
