// Does the dashboard say whether the Vault can be asked, and with which token? Staged on a mock.
import assert from 'node:assert/strict';
import { faint, nameless, overflowing, until } from './browser.mjs';
import { MockVault } from './mock-behind.mjs';
import { HOSTILE, refuse, reread, stager } from './stage.mjs';

export const ofVault = (page, name) => page.locator(`.v-breaker[data-name="${name}"]`);
export const vaultIs = (page, name, state) => until(page, ([n, s]) => (
  [...document.querySelectorAll(`.v-breaker[data-state="${s}"]`)].some((b) => b.dataset.name === n)
), [name, state], `${name} ${state}`);

const SEALED = 'the Vault is sealed';

/** All is well. */
const well = (mock) => { mock.vault = new MockVault(); };
/** Sealed from the start on: no token, no secret. */
function sealed(mock) {
  well(mock);
  const { token, secrets } = mock.vault.said;
  Object.assign(token, { valid: false, ttl_left_ms: null, log_ins: 0, last_failure: SEALED });
  Object.assign(secrets[0], { in_use: false, version: null, last_error: SEALED });
  mock.vault.breakers[0].failures = 2;
}
/** It died later: nothing is asked, and what is in hand stays in use. */
function dead(mock) {
  well(mock);
  mock.vault.breakers[0].move('open', 'failures', 45_000);
  Object.assign(mock.vault.said.secrets[0], { last_error: 'the breaker is open' });
  Object.assign(mock.vault.said.queue, { running: 10, waiting: 24, refused: 5 });
}

export function vaultChecks(browser, options) {
  const { staged, shot } = stager(browser, options);
  const ask = (page, name, verb) => ofVault(page, name)
    .getByRole('button', { name: `${verb} Vault ${name}` }).click();
  const text = (page, id) => page.locator(`#vault-${id}`).innerText();
  const wrong = (page) => page.locator('#vault').getAttribute('data-wrong');

  return [
    ['vault: one that is well says how long its token is good, and what it holds',
      staged(well, async (page, mock) => {
        assert.equal(await wrong(page), 'no');
        assert.equal(await text(page, 'count'), '1 secret');
        assert.equal(await text(page, 'address'), 'http://127.0.0.1:8200');
        assert.equal(await text(page, 'token'), 'app_role, good for 12 min 34 s, 3 renewals');
        assert.match(await text(page, 'queue'), /2 of 10 run, 0 of 30 wait$/);
        assert.equal(await text(page, 'secrets'), 'secret/llm#api_key: in use, version 3');
        for (const name of ['server', 'mount team/a']) {
          assert.equal(await ofVault(page, name).locator('.m-why').innerText(),
            'lets requests through');
        }
        assert.ok(await page.locator('#vault-note').isHidden());
        mock.vault.said.token.ttl_left_ms = null;
        await reread(page);
        await until(page, () => document.querySelector('#vault-token').textContent
          .includes('good without an end'), null, 'a token without an end');
      })],

    ['vault: sealed, it says who waits; dead later, what stays in use',
      staged(sealed, async (page, mock) => {
        assert.equal(await wrong(page), 'yes');
        assert.equal(await text(page, 'token'), SEALED);
        assert.equal(await text(page, 'secrets'),
          `secret/llm#api_key: awaited by pretend-a/key-1 · ${SEALED}`);
        assert.equal(await ofVault(page, 'server').locator('.m-why').innerText(), 'failures 2 / 5');
        assert.ok(await page.locator('#vault-note').isHidden(), 'nothing is in hand');

        dead(mock);
        await reread(page);
        await vaultIs(page, 'server', 'open');
        assert.equal(await wrong(page), 'yes');
        assert.match(await ofVault(page, 'server').locator('.m-why').innerText(),
          /^failures in a row probe in 4\d s$/);
        assert.ok(await page.locator('#vault-note').isVisible());
        assert.match(await text(page, 'secrets'), /in use, version 3 · the breaker is open$/);
        assert.match(await text(page, 'queue'), /10 of 10 run, 24 of 30 wait, 5 refused$/);
        assert.equal(await page.locator('#vault-queue meter').evaluate((m) => m.value), 0.8);
      })],

    ['vault: a breaker is tripped and reset by hand, also that of a mount',
      staged(well, async (page, mock) => {
        const [server, mount] = mock.vault.breakers;
        await ask(page, 'mount team/a', 'Trip');
        assert.match(await page.locator('#ask-text').innerText(), /Keys in hand stay in use/);
        await page.locator('#ask-for').selectOption('10s');
        await page.locator('#ask-yes').click();
        await vaultIs(page, 'mount team/a', 'open');
        assert.deepEqual([server.orders, mount.orders], [[], [['trip', 10_000]]]);
        await until(page, () => document.querySelector('#said').textContent
          .includes('Vault mount team/a open: tripped by hand'), null, 'told to a screen reader');
        await page.keyboard.press('ArrowUp');
        assert.equal(await page.evaluate(() => document.activeElement.dataset.name), 'server');
        await page.keyboard.press('t');
        await page.keyboard.press('Enter');
        await vaultIs(page, 'server', 'open');
        await page.keyboard.press('r');
        await vaultIs(page, 'server', 'closed');
        assert.deepEqual(server.orders, [['trip', null], ['reset', null]]);
        refuse(page, mock);
        await ask(page, 'mount team/a', 'Reset');
        await page.getByText('reset Vault mount team/a: 403: not from there').waitFor();
      })],

    ['vault: text from outside stays text, reads well and fits a phone',
      staged((mock) => {
        dead(mock);
        Object.assign(mock.vault.said, { address: HOSTILE, stage: HOSTILE });
        Object.assign(mock.vault.said.secrets[0], { reference: HOSTILE, last_error: HOSTILE });
        mock.vault.breakers[1].name = HOSTILE;
      }, async (page) => {
        assert.equal((await page.locator('#vault').textContent()).split(HOSTILE).length - 1, 5);
        assert.equal(await page.locator('#vault img').count(), 0);
        for (const scheme of ['light', 'dark']) {
          await page.emulateMedia({ colorScheme: scheme });
          assert.deepEqual(await faint(page), [], scheme);
          await shot(page.locator('#vault'), `vault-${scheme}`);
        }
        assert.deepEqual(await nameless(page), []);
        await page.setViewportSize({ width: 375, height: 812 });
        assert.deepEqual(await overflowing(page), []);
        await shot(page.locator('#vault'), 'vault-phone');
      })],
  ];
}
