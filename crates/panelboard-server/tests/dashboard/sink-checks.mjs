// Does the dashboard say what becomes of each log sink's records, and can one be tripped and reset?
// Staged on a mock.
import assert from 'node:assert/strict';
import { faint, nameless, overflowing, until } from './browser.mjs';
import { MockVault } from './mock-behind.mjs';
import { HOSTILE, refuse, reread, stager } from './stage.mjs';

export const sink = (page, name) => page.locator(`.sink[data-name="${name}"]`);
export const sinkIs = (page, name, state) => until(page, ([n, s]) => (
  [...document.querySelectorAll(`.sink[data-state="${s}"]`)].some((k) => k.dataset.name === n)
), [name, state], `${name} ${state}`);

/** A sink in each state, each with something to say. */
function four({ sinks }) {
  sinks.add('file', { item: { delivered: 12_345, taken_over: 150 } });
  const otlp = sinks.add('otlp', { lost: { 'gave-up': 2, newest: 1 }, item: { kind: 'otlp/http',
    fallback: 'file', delivered: 700, handed_over: 150, covered: 22, failures: 12,
    last_error: { class: 'refused', message: 'connection refused', ago_ms: 3000 } } });
  otlp.move('open', 'failures', 45_000);
  const syslog = sinks.add('syslog', { item: { kind: 'syslog', waiting: 3000,
    buffer: { records: 7900, bytes: 3481, max_records: 8192, max_bytes: 16_777_216 },
    spill: { records: 3000, bytes: 1_258_291, max_bytes: 268_435_456, damaged_bytes: 0 } } });
  syslog.move('half-open', 'deadline-passed');
  sinks.add('loki', { item: { kind: 'loki', stuck: true, writing_ms: 12_000, standby: true } })
    .move('open', 'tripped', 45_000);
  Object.assign(sinks.line, { queued: 4096, queue_full: 7, redacted: 2 });
}

export function sinkChecks(browser, options) {
  const { staged, shot } = stager(browser, options);
  const ask = (page, name, verb) => sink(page, name)
    .getByRole('button', { name: `${verb} log sink ${name}` }).click();

  return [
    ['sinks: nothing is shown where there is none, nor of a Vault',
      staged(() => {}, async (page, mock) => {
        const both = (state) => Promise.all(['#sinks', '#vault'].map((id) => (
          page.locator(id).waitFor({ state }))));
        await both('hidden');
        mock.sinks.add('file');
        mock.vault = new MockVault();
        await reread(page);
        await both('visible');
        mock.sinks.all.clear();
        mock.vault = null;
        await reread(page);
        await both('hidden');
      })],

    ['sinks: each says its state, its account, its fill and its last error',
      staged(four, async (page) => {
        const text = (name, part) => sink(page, name).locator(part).innerText();
        assert.equal(await text('file', '.m-why'), 'writes');
        assert.equal(await text('file', '.k-delivered'), '12,345');
        assert.match(await text('otlp', '.m-why'), /^failures in a row · for \d+ s probe in 4\d s$/);
        assert.match(await text('otlp', '.k-kind'), /^otlp\/http, from info, falls back to file$/);
        assert.equal(await text('otlp', '.k-handed'), '172');
        assert.equal(await text('otlp', '.k-covered'),
          'of those handed over the fallback had 22 already');
        assert.equal(await text('otlp', '.k-dropped'), '3');
        assert.equal(await text('otlp', '.k-reasons'),
          '1 buffer full, the newest · 2 tried too often');
        assert.equal(await text('otlp', '.m-error'), 'last: refused, 3 s ago · connection refused');
        assert.match(await text('syslog', '.m-why'), /^ready: the next batch is the probe · for/);
        assert.equal(await text('syslog', '.k-waiting'), '3,000');
        assert.match(await text('loki', '.m-why'), /^a write has hung for 12 s probe in 4\d s$/);
        const meters = (part) => sink(page, 'syslog').locator(part).evaluate((n) => (
          [Math.round(n.control.value * 1000), n.textContent]));
        assert.deepEqual(await meters('.k-buffer'), [964, 'buffer  7,900 of 8,192, 3.4 KiB']);
        assert.deepEqual(await meters('.k-spill'), [5, 'spill  3,000, 1.2 MiB of 256 MiB']);
        assert.ok(await sink(page, 'file').locator('.k-spill').isHidden(), 'it has none');
        assert.equal(await page.locator('#sinks-tally').innerText(),
          '3 of 4 not closed · 7 dropped at the queue · 2 redacted');
        assert.match(await page.locator('#sinks-pressure').innerText(), /75 %$/);
        assert.match(await page.locator('#sinks-queue').innerText(), /4,096 of 8,192$/);
      })],

    ['sinks: one is tripped by hand, for as long as was chosen, and reset',
      staged(four, async (page, mock) => {
        const { orders } = mock.sinks.all.get('file').breaker;
        await ask(page, 'file', 'Trip');
        assert.match(await page.locator('#ask-text').innerText(), /Nothing is written to it/);
        await page.keyboard.press('Escape');
        await until(page, () => !document.querySelector('#ask').open, null, 'the question is gone');
        await ask(page, 'file', 'Trip');
        await page.locator('#ask-for').selectOption('60s');
        await page.locator('#ask-yes').click();
        await sinkIs(page, 'file', 'open');
        assert.deepEqual(orders, [['trip', 60_000]], 'Escape did nothing');
        assert.match(await sink(page, 'file').locator('.m-why').innerText(),
          /^tripped by hand · for \d+ s probe in \d+ s$/);
        await until(page, () => document.querySelector('#said').textContent
          .includes('log sink file open: tripped by hand'), null, 'told to a screen reader');
        await ask(page, 'file', 'Reset');
        await sinkIs(page, 'file', 'closed');
        assert.deepEqual(orders[1], ['reset', null]);
      })],

    ['sinks: and by keyboard alone; what cannot be done says why', staged(four, async (page, mock) => {
      const focused = () => page.evaluate(() => document.activeElement.dataset.name);
      await sink(page, 'file').focus();
      await page.keyboard.press('ArrowRight');
      assert.equal(await focused(), 'otlp');
      const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      assert.notEqual(ring, 'none', 'the focus is visible');
      await page.keyboard.press('r');
      await sinkIs(page, 'otlp', 'closed');
      await page.keyboard.press('t');
      await page.keyboard.press('Enter');
      await sinkIs(page, 'otlp', 'open');
      assert.equal(await focused(), 'otlp', 'focus is back');
      const stops = await page.locator('.sink').evaluateAll((all) => (
        all.filter((n) => n.tabIndex === 0).map((n) => n.dataset.name)));
      assert.deepEqual(stops, ['otlp'], 'one stop for all of them');
      refuse(page, mock);
      await page.keyboard.press('r');
      await page.getByText('reset log sink otlp: 403: not from there').waitFor();
      await sinkIs(page, 'otlp', 'open');
    })],

    ['sinks: text from outside stays text, reads well and fits a phone', staged((mock) => {
      four(mock);
      mock.sinks.add(HOSTILE, { item: { kind: HOSTILE, fallback: HOSTILE,
        last_error: { class: HOSTILE, message: HOSTILE, ago_ms: 1 } } }).move('open', HOSTILE, 9000);
    }, async (page) => {
      const last = page.locator('.sink').last();
      assert.equal((await last.textContent()).split(HOSTILE).length - 1, 6);
      assert.equal(await page.locator('.sink img').count(), 0);
      for (const scheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme: scheme });
        assert.deepEqual(await faint(page), [], scheme);
        await shot(page.locator('#sinks'), `sinks-${scheme}`);
      }
      assert.deepEqual(await nameless(page), []);
      await page.setViewportSize({ width: 375, height: 812 });
      assert.deepEqual(await overflowing(page), []);
      await shot(page.locator('#sinks'), 'sinks-phone');
    })],
  ];
}
