// Where do keys come from that are in a Vault, and can it be asked? The dashboard's card: its breakers,
// its token, its queue, its secrets. Nothing where the config names no Vault.
import { $, attr, count, gauge, make, plural, segment, set, span } from './base.js';
import { Board, Shown, reason } from './breaker.js';

function why(item) {
  switch (item.state) {
    case 'closed': return item.consecutive_failures
      ? `failures ${count(item.consecutive_failures)} / ${count(item.failure_threshold)}`
      : 'lets requests through';
    case 'half-open': return 'ready: the next request is the probe';
    default: return reason(item.reason);
  }
}

class VaultBreaker extends Shown {
  constructor(item) {
    super('t-vault-breaker', `Vault ${item.name}`);
    set(this.node.querySelector('.m-name'), item.name);
    this.why = this.node.querySelector('.why');
  }

  update(item) {
    this.showBreaker(item);
    attr(this.word, 'title', `generation ${item.generation}`);
    set(this.why, why(item));
  }
}

const board = new Board($('vault-breakers'), {
  make: (item) => new VaultBreaker(item),
  path: (name) => `/v1/vault/breakers/${segment(name)}`,
  warning: 'Nothing is sent to it until the time is over and a probe succeeds. '
    + 'Keys in hand stay in use.',
});

function token({ auth, valid, ttl_left_ms: left, renewals, last_failure: failure }) {
  if (!valid) return failure ?? 'none, not asked for yet';
  const good = left === null ? 'good without an end' : `good for ${span(left)}`;
  return `${auth}, ${good}, ${plural(renewals, 'renewal')}`;
}

function secret({ reference, keys, in_use: used, version, last_error: error }) {
  const what = !used ? `awaited by ${keys.join(', ')}`
    : `in use${version === null ? '' : `, version ${version}`}`;
  return `${reference}: ${what}${error ? ` · ${error}` : ''}`;
}

export function showVault(vault) {
  $('vault').hidden = !vault;
  if (!vault) { board.show([]); return; }
  const { address, stage, breakers, queue, secrets } = vault;
  board.show(breakers);
  set($('vault-count'), plural(secrets.length, 'secret'));
  set($('vault-address'), stage === 'serving' ? address : `${address}, ${stage}`);
  set($('vault-token'), token(vault.token));
  attr($('vault-token'), 'class', vault.token.valid ? '' : 'hot');
  const full = queue.max_queued ? Math.min(1, queue.waiting / queue.max_queued) : 0;
  gauge($('vault-queue'), full, `${count(queue.running)} of ${count(queue.max_concurrent)} run, `
    + `${count(queue.waiting)} of ${count(queue.max_queued)} wait`
    + (queue.refused ? `, ${count(queue.refused)} refused` : ''));
  const list = $('vault-secrets');
  while (list.children.length > secrets.length) list.lastElementChild.remove();
  while (list.children.length < secrets.length) list.append(make('li'));
  secrets.forEach((s, i) => set(list.children[i], secret(s)));
  const out = breakers.some((b) => b.state !== 'closed');
  $('vault-note').hidden = !(out && secrets.some((s) => s.in_use));
  const wrong = out || !vault.token.valid || secrets.some((s) => s.last_error);
  attr($('vault'), 'data-wrong', wrong ? 'yes' : 'no');
}

export const tickVault = (now) => board.tick(now);
