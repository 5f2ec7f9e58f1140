// How does a check look at the page? A browser, a watcher for everything that goes wrong in it, and
// waits on conditions.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';

const KNOWN = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const PROGRAM = process.env.CHROMIUM ?? KNOWN.find(existsSync);
const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];
/** A machine that is busy with other things may need more. */
const DEADLINE_MS = Number(process.env.DEADLINE_MS ?? 30_000);
const BURSTS = 8;

export async function launch() {
  if (!PROGRAM) throw new Error(`no browser (${KNOWN}): install chromium, or set CHROMIUM`);
  const { chromium } = await import('playwright-core').catch(() => {
    throw new Error('playwright-core is not installed: run `npm ci` in this folder');
  });
  return chromium.launch({ executablePath: PROGRAM, args: ARGS });
}

/** A page that remembers each console error, each exception and each breach of the policy. */
export async function visit(browser, url, options = {}) {
  const page = await arrive(browser, url, options);
  await live(page);
  return page;
}

export const live = (page) => until(page, () => (
  document.querySelector('#link').dataset.link === 'live' && !!document.querySelector('.module')
), null, 'the page is live');

/** What a browser says of a server that is away; a handshake that it leaves has words of its own. */
const AWAY = /net::ERR_|status of 503|^503: |closed before receiving a handshake response/;

/** As `visit`, without waiting for the panel. */
export async function arrive(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 },
    permissions: ['clipboard-read', 'clipboard-write'], ...options });
  context.setDefaultTimeout(DEADLINE_MS);
  const page = await context.newPage();
  page.wrong = [];
  page.offline = false; // while the server is away on purpose, failed requests are no fault
  page.refused = false; // while the server refuses on purpose, so is what the browser says of it
  page.on('console', (m) => {
    if (!['error', 'warning'].includes(m.type())) return;
    // A server that stops says so with 503 before it is gone: to the browser and to the page.
    if (page.offline && AWAY.test(m.text())) return;
    if (page.refused && /status of 403/.test(m.text())) return;
    page.wrong.push(`console ${m.type()}: ${m.text()}`);
  });
  page.on('pageerror', (e) => page.wrong.push(`exception: ${e.message}`));
  await page.exposeFunction('__breach', (what) => page.wrong.push(`policy: ${what}`));
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (e) => {
      globalThis.__breach(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`);
    });
  });
  const answer = await page.goto(url);
  page.policy = answer.headers()['content-security-policy'] ?? '';
  return page;
}

/** Waits until `test(arg)`, run in the page, is true; says which condition never came. */
export async function until(page, test, arg, what) {
  try {
    const handle = await page.waitForFunction(test, arg, { timeout: DEADLINE_MS, polling: 50 });
    return await handle.jsonValue();
  } catch (error) {
    if (error.name !== 'TimeoutError') throw error;
    const seen = await page.evaluate(() => document.querySelector('#tally')?.textContent
      ?? [...document.querySelectorAll('.turn')].map((t) => (
        `${t.dataset.status}: ${t.innerText.slice(0, 60)}`)).join(' | '));
    throw new Error(`never came: ${what} (page: ${seen})`);
  }
}

export const module = (page, key) => page.locator(`.module[data-key="${key}"]`);
export const stateOf = (page, key) => module(page, key).getAttribute('data-state');
export const becomes = (page, key, state) => until(page, ([k, s]) => (
  [...document.querySelectorAll(`.module[data-state=${s}]`)].some((m) => m.dataset.key === k)
), [key, state], `${key} ${state}`);
/** The table of transitions has that many rows. */
export const reaches = (page, rows) => until(page, (n) => (
  document.querySelectorAll('#transitions tr').length === n), rows, `${rows} rows`);
export const burstOver = (page) => until(page, () => (
  !document.querySelector('#burst').disabled), null, 'the burst is over');

/** One fault, set the way a person does it. */
export async function setFault(page, key, fault, time = '60s') {
  await module(page, key).getByRole('button', { name: /^Fault on/ }).click();
  await page.locator('#ask').getByRole('radio', { name: new RegExp(`^${fault}\\b`) }).check();
  if (fault !== 'none') await page.locator('#ask-for').selectOption(time);
  await page.locator('#ask-yes').click();
  await until(page, ([k, f]) => {
    const m = [...document.querySelectorAll('.module')].find((x) => x.dataset.key === k);
    const text = m.querySelector('[data-do=fault]').textContent;
    return f === 'none' ? text === 'Fault' : text.startsWith(f);
  }, [key, fault], `the fault ${fault} on ${key} shown`);
}

/** Twenty calls from the page's own button, waited for to the last. */
export async function burst(page) {
  await page.locator('#burst').click();
  await burstOver(page);
  assert.equal(await page.locator('#answer').getAttribute('data-bad'), null,
    `a call failed: ${await page.locator('#answer-text').textContent()}`);
}

/** Bursts until the breaker is (or is no longer) in that state; traffic is what moves it. */
export async function burstUntil(page, key, test) {
  for (let i = 0; i < BURSTS && !test(await stateOf(page, key)); i += 1) await burst(page);
  assert.ok(test(await stateOf(page, key)), `${key} is still ${await stateOf(page, key)}`);
}

// ---- the chat page -------------------------------------------------------------------------------

/** A chat page with its line up; `session` is the one that its address names. */
export async function visitChat(browser, url, session = null, options = {}) {
  const hash = session === null ? '' : `#${encodeURIComponent(session)}`;
  const page = await arrive(browser, `${url}/chat${hash}`, options);
  await chatLive(page);
  return page;
}
export const chatLive = (page) => until(page, () => (
  document.querySelector('#link').dataset.link === 'live'), null, 'the line is up');

export async function say(page, text, policy = null) {
  if (policy) await page.locator('#policy').selectOption(policy);
  await page.locator('#input').fill(text);
  await page.locator('#input').press('Enter');
}

/** What stands on the page, turn by turn. */
export const turns = (page) => page.evaluate(() => [...document.querySelectorAll('.turn')].map((t) => ({
  run: t.dataset.run, status: t.dataset.status, said: t.querySelector('.said-text').textContent,
  words: [...t.querySelectorAll('.words > *')].map((n) => n.textContent).join('\n'),
  meta: t.querySelector('.meta-text').textContent,
  notices: [...t.querySelectorAll('.notices li')].map((n) => n.textContent),
  end: t.querySelector('.end').hidden ? null : t.querySelector('.end-text').textContent })));

/** The turn that began with these words has that status. */
export const turnIs = (page, said, status) => until(page, ([text, s]) => (
  [...document.querySelectorAll('.turn')].some((t) => t.dataset.status === s
    && t.querySelector('.said-text').textContent === text)), [said, status], `"${said}" ${status}`);
/** The answer to these words has that many characters at least; returns them. */
export const speaks = (page, said, atLeast = 1) => until(page, ([text, n]) => {
  const turn = [...document.querySelectorAll('.turn')]
    .find((t) => t.querySelector('.said-text').textContent === text);
  const words = turn?.querySelector('.words').textContent ?? '';
  return words.length >= n && words;
}, [said, atLeast], `${atLeast} characters for "${said}"`);
export const idle = (page) => until(page, () => (
  document.querySelector('#state').dataset.state === 'idle'), null, 'idle');
export const sessionOf = (page) => decodeURIComponent(new URL(page.url()).hash.slice(1));

/** Each visible text's contrast against what lies behind it; returns those below WCAG AA. */
export const faint = (page) => page.evaluate(() => {
  // What fades in still has the colours of the moment in which it began.
  for (const a of document.getAnimations()) {
    if (a.effect.getComputedTiming().endTime < Infinity) a.finish();
  }
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const rgba = (css) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = css;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92
      : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (node) => {
    for (let n = node; n; n = n.parentElement) {
      const c = rgba(getComputedStyle(n).backgroundColor);
      if (c[3] > 250) return c;
    }
    return [255, 255, 255, 255];
  };
  const bad = [];
  for (const node of document.body.querySelectorAll('*')) {
    const own = [...node.childNodes].some((c) => c.nodeType === 3 && c.data.trim());
    if (!own || !node.checkVisibility({ opacityProperty: true, visibilityProperty: true })
      || node.disabled || node.closest('.hide, .skip, template, option')) continue;
    const style = getComputedStyle(node);
    const [a, b] = [light(rgba(style.color)), light(behind(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize);
    if (ratio < (size >= 18.66 ? 3 : 4.5)) {
      bad.push(`${ratio.toFixed(2)} "${node.textContent.trim().slice(0, 30)}" .${node.className}`);
    }
  }
  return bad;
});

/** What sticks out of a narrow page, apart from what scrolls in a box of its own. */
export const overflowing = (page) => page.evaluate(() => {
  const width = document.documentElement.clientWidth;
  const out = [...document.body.querySelectorAll('*')].filter((n) => {
    if (!n.checkVisibility() || n.closest('.hide, .skip, .curl code, .scroll, svg, pre, .sessions')) return false;
    const box = n.getBoundingClientRect();
    return box.width > 0 && (box.right > width + 0.5 || box.left < -0.5);
  });
  const boxes = document.querySelectorAll('dialog[open], .tile, .module, .card');
  const wide = [document.documentElement, ...boxes]
    .filter((n) => n.scrollWidth > n.clientWidth).map((n) => `inside ${n.tagName}.${n.className}`);
  return [...wide, ...out.map((n) => `${n.tagName}.${n.className}`)];
});

/** Controls without a name that a screen reader could say. */
export const nameless = (page) => page.evaluate(() => [...document.querySelectorAll(
  'button, input, select, meter, a, [role=img], table, [tabindex="0"]',
)].filter((n) => {
  if (!n.checkVisibility()) return false;
  const by = n.getAttribute('aria-labelledby');
  return !(n.getAttribute('aria-label') || n.labels?.length || n.textContent.trim()
    || (by && document.getElementById(by)?.textContent.trim()));
}).map((n) => n.outerHTML.slice(0, 90)));
