// What does the panel do now? Reads the public API (events as they come, the rest each second) and
// writes into the page. Names, reasons and answers come from outside: they only ever become text.
import {
  $, NoToken, announce, attr, brief, calm, clock, count, dialog, make, plural, question, read,
  send, set, short, size, span, toast, token, whenToken,
} from './base.js';
import { Shown, enter, keys, lasting, order, reason, tripping } from './breaker.js';
import { showSinks, tickSinks } from './sinks.js';
import { showVault, tickVault } from './vault.js';

// ---- words -------------------------------------------------------------------------------------

function why(item) {
  const n = item.consecutive_failures || item.failure_threshold;
  if (item.awaits_secret) return 'waits for its secret from the Vault, takes no calls';
  switch (item.state) {
    case 'closed': return item.consecutive_failures
      ? `${plural(item.consecutive_failures, 'failure')} in a row` : 'lets calls through';
    case 'open': return item.reason === 'failures' ? plural(n, 'failure') : reason(item.reason);
    case 'half-open': return item.probes_in_flight
      ? `probing, ${item.probes_in_flight} of ${item.half_open_max_calls}`
      : 'ready: the next call is the probe';
    case 'recovering': return 'recovering: lets a rising share through';
    case 'forced-open': return 'isolated by hand, rejects all calls';
    case 'disabled': return 'switched off: rejects nothing';
    case 'metrics-only': return 'counts, rejects nothing';
    default: return reason(item.reason);
  }
}
const POSITION = { 'open': 'open', 'forced-open': 'open', 'half-open': 'half-open' };

// ---- the link ----------------------------------------------------------------------------------

const link = { stream: false, poll: false, since: null };

function showLink() {
  const live = link.stream && link.poll;
  const state = live ? 'live' : link.since ? 'lost' : 'connecting';
  if (live) link.since = Date.now();
  attr($('link'), 'data-link', state);
  set($('link-text'), { live: 'live', lost: 'retrying', connecting: 'connecting' }[state]);
  document.body.classList.toggle('stale', state === 'lost');
  $('lost').hidden = state !== 'lost';
  if (state === 'lost') {
    set($('lost'), `Connection lost, retrying. The panel is as it was at ${clock(link.since)}.`);
  }
}

let soon = 0;
let polling = false;
let timer = 0;

async function poll() {
  if (polling) { soon = 1; return; }
  polling = true;
  clearTimeout(timer);
  try {
    const [breakers, calls, status] = await Promise.all([
      read('/v1/breakers'), read('/v1/calls'), read('/status'),
    ]);
    link.poll = true;
    if (token) await catchUp(true); else if (!source && !document.hidden) listen();
    showStatus(status, calls.items.length);
    showBreakers(breakers.items);
    showCalls(calls.items);
  } catch (error) {
    link.poll = false;
    if (error instanceof NoToken) { lock(); return; }
    if (!(error instanceof TypeError) && error.name !== 'TimeoutError') console.warn(error.message);
  }
  polling = false;
  showLink();
  const wait = soon ? 120 : document.hidden ? 5000 : 1000;
  soon = 0;
  timer = setTimeout(poll, wait);
}
/** Without its token there is nothing to see here. */
function lock() {
  set($('link-text'), 'locked');
  $('lost').hidden = false;
  set($('lost'), 'This server shows its panel only with its token. Reload to give it.');
}

/** Something happened: do not wait for the next second. */
function pollSoon() {
  if (polling) { soon = 1; return; }
  clearTimeout(timer);
  timer = setTimeout(poll, 120);
}
whenToken(() => source?.close());
// Tabs share their few connections to a server: one that nobody sees gives its stream back.
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) { pollSoon(); return; }
  source?.close();
  source = null;
});

// ---- events ------------------------------------------------------------------------------------

let source = null;
let lastSeq = 0;

/** First what was, then what comes: what is replayed on the stream would be told as news. */
async function listen() {
  source?.close();
  const mine = source = { close() {} }; // a later call takes the place of this one
  await catchUp(false);
  if (source !== mine) return;
  source = new EventSource(`/v1/events?after=${lastSeq}`);
  source.onopen = () => { link.stream = true; showLink(); };
  source.onerror = () => {
    link.stream = false;
    showLink();
    // The browser retries by itself unless the answer was not a stream at all.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  };
  source.addEventListener('transition', (e) => {
    const t = JSON.parse(e.data);
    addTransition(t, true);
    modules.get(t.key)?.flip(t);
    pollSoon();
  });
  source.addEventListener('missed', (e) => addGap(lastSeq + 0.5, JSON.parse(e.data).missed));
}

/** What is new since the last number. Beside a token the only way: a stream can not carry one. */
async function catchUp(live) {
  try {
    const { items, missed } = await read(`/v1/events?format=json&after=${lastSeq}`);
    if (missed && items.length) addGap(items[0].seq - 0.5, missed);
    const news = live && lastSeq > 0;
    for (const t of items) addTransition(t, news);
    if (live) link.stream = true;
  } catch { /* the next reading tries again */ }
}

const KEPT = 256;
const rows = []; // newest first: { seq, row }

const isGap = (row) => row?.className === 'gap';

function insertRow(seq, row) {
  const at = rows.findIndex((r) => r.seq <= seq);
  if (at >= 0 && rows[at].seq === seq) return false;
  // The stream and the list may both tell of one gap.
  if (isGap(row) && (isGap(rows[at]?.row) || isGap(rows[at - 1]?.row))) return false;
  const next = at < 0 ? null : rows[at].row;
  $('transitions').insertBefore(row, next);
  rows.splice(at < 0 ? rows.length : at, 0, { seq, row });
  while (rows.length > KEPT) rows.pop().row.remove();
  $('transitions-empty').hidden = true;
  return true;
}

function addGap(seq, missed) {
  const row = make('tr', 'gap');
  const cell = make('td', '', `missed ${count(missed)}`);
  cell.colSpan = 3;
  row.append(cell);
  insertRow(seq, row);
}

function addTransition(t, live) {
  const row = make('tr', live ? 'new' : '');
  const time = make('time', '', clock(t.at));
  time.dateTime = t.at;
  time.title = t.at;
  const when = make('td', 'num');
  when.append(time);
  const what = make('td');
  const move = make('span', 'move', `${t.from} → `);
  const to = make('b', 'to', t.to);
  to.dataset.state = t.to;
  move.append(to, t.reason ? ` · ${reason(t.reason)}` : '');
  const long = t.retry_after_ms ? `for ${span(t.retry_after_ms)}` : '';
  if (long) move.append(' · ', long.replaceAll(' ', '\u00a0'));
  what.append(make('span', 'key', t.key), move);
  row.append(make('td', 'num', String(t.seq)), what, when);
  if (!insertRow(t.seq, row)) return;
  lastSeq = Math.max(lastSeq, t.seq);
  set($('transitions-count'), count(lastSeq));
  if (live) tell(`${t.key} ${t.to}${t.reason ? `: ${reason(t.reason)}` : ''}`);
}

/** A server that started anew counts from 1 again. */
function forgetEvents() {
  for (const { row } of rows.splice(0)) row.remove();
  lastSeq = 0;
  set($('transitions-count'), '0');
  $('transitions-empty').hidden = false;
  link.stream = false;
  if (!token) listen();
}

const tell = (text) => announce(text, (n) => `${n} transitions. ${$('tally').textContent}`);

// ---- head --------------------------------------------------------------------------------------

let status = null;

function showStatus(next, inFlight) {
  const restarted = status && status.started_at !== next.started_at;
  status = next;
  if (restarted) forgetEvents();
  set($('version'), next.version ?? '');
  set($('fact-config'), `config: ${next.config?.source ?? 'unknown'}`
    + (next.config?.reloads ? `, reloaded ${plural(next.config.reloads, 'time')}` : ''));
  set($('fact-uptime'), `up ${span(next.uptime_ms ?? 0)}`);
  set($('fact-memory'), next.memory_bytes ? size(next.memory_bytes) : '');
  const wrong = next.config?.last_error;
  $('config-error').hidden = !wrong;
  if (wrong) set($('config-error'), `The config was not reloaded, the earlier one holds: ${wrong}`);
  showTotals(next.totals ?? {}, inFlight, next.retry_budget_remaining);
  showModels(next.models ?? []);
  showVault(next.vault);
  showSinks(next.logs);
}

const tiles = new Map();
function tile(name, value, unit = '', bad = false) {
  let entry = tiles.get(name);
  if (!entry) {
    const box = make('div');
    entry = { box, value: make('span'), unit: make('small') };
    const dd = make('dd');
    dd.append(entry.value, entry.unit);
    box.append(make('dt', '', name), dd);
    $('totals').append(box);
    tiles.set(name, entry);
  }
  set(entry.value, value);
  set(entry.unit, unit);
  entry.box.classList.toggle('bad', bad);
}

function showTotals(t, inFlight, budget) {
  const done = (t.succeeded ?? 0) + (t.failed ?? 0);
  const share = done ? ` ${(Math.floor((t.succeeded / done) * 1000) / 10).toFixed(1)} %` : '';
  tile('calls', count(t.calls));
  tile('in flight', count(inFlight));
  tile('succeeded', count(t.succeeded), share);
  tile('failed over', count(t.failed_over));
  tile('failed', count(t.failed), '', t.failed > 0);
  tile('streams cut', count(t.streams_cut), '', t.streams_cut > 0);
  tile('clients left', count(t.client_aborts));
  tile('retry budget', typeof budget === 'number' ? count(Math.floor(budget)) : '–');
}

// ---- panel -------------------------------------------------------------------------------------

const SAMPLES = 60;
const DENSE_ABOVE = 48;
const modules = new Map(); // key -> Module
const rails = new Map(); // provider -> { section, list, tally }
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const module = modules.get(entry.target.dataset.key);
    if (!module) continue;
    module.near = entry.isIntersecting;
    if (module.near) module.detail();
  }
}, { rootMargin: '400px' });

class Module extends Shown {
  constructor(item) {
    super('t-module', item.key);
    const at = (selector) => this.node.querySelector(selector);
    this.at = {
      why: at('.why'), error: at('.m-error'), failures: at('.r-failures'), flight: at('.r-flight'),
      ttfb: at('.r-ttfb'), calls: at('.r-calls'), rejected: at('.r-rejected'), spark: at('.spark'),
      ok: at('.s-ok'), bad: at('.s-bad'), lat: at('.s-lat'), scope: at('.scope-text'),
      trip: at('[data-do=trip]'), isolate: at('[data-do=isolate]'), fault: at('[data-do=fault]'),
    };
    this.samples = [];
    this.sampledAt = 0;
    this.near = false;
    this.faultEnds = null;
    this.node.dataset.key = item.key;
    this.node.dataset.kind = item.kind;
    const main = item.kind === 'provider';
    const name = main ? 'main' : item.key.slice(item.provider.length + 1) || item.key;
    const title = at('.m-name');
    set(title, name);
    title.title = main ? `${item.key}: all its keys` : item.key;
    seen.observe(this.node);
  }

  update(item) {
    const before = this.item;
    this.item = item;
    const now = performance.now();
    this.sample(before, now);
    this.countdown.set(item.state === 'open' ? item.retry_after_ms : null, now);
    this.faultEnds = item.fault ? now + (item.fault.remaining_ms ?? Infinity) : null;
    if (before?.state !== item.state || before?.generation !== item.generation) this.core();
    set(this.at.why, why(item));
    if (this.near) this.detail();
  }

  /** The state alone, as an event tells it, ahead of the next reading. */
  flip(t) {
    if (t.generation < this.item.generation) return;
    this.update({ ...this.item, state: t.to, generation: t.generation, reason: t.reason,
      retry_after_ms: t.retry_after_ms, ready_to_probe: false });
  }

  sample(before, now) {
    if (now - this.sampledAt < 900) return;
    this.sampledAt = now;
    const from = this.sampled ?? this.item.counts ?? {};
    this.sampled = this.item.counts ?? {};
    const grown = (name) => Math.max(0, (this.sampled[name] ?? 0) - (from[name] ?? 0));
    this.samples.push([grown('successes'), grown('failures'), this.item.ttfb_ms ?? 0]);
    if (this.samples.length > SAMPLES) this.samples.shift();
  }

  core() {
    const { item, at, node } = this;
    this.showState(item.state);
    attr(node, 'data-pos', POSITION[item.state] ?? 'closed');
    const forced = item.state === 'forced-open';
    set(at.isolate, forced ? 'Release' : 'Isolate');
    attr(at.isolate, 'aria-label', `${forced ? 'Release' : 'Isolate'} ${item.key}`);
    at.isolate.dataset.do = forced ? 'release' : 'isolate';
    at.trip.disabled = forced;
  }

  /** The parts that only matter when someone can see them. */
  detail() {
    const { item, at } = this;
    const c = item.counts ?? {};
    attr(this.word, 'title', `generation ${item.generation}`);
    set(at.failures, `${item.consecutive_failures ?? 0} / ${item.failure_threshold ?? '–'}`);
    at.failures.classList.toggle('hot', item.consecutive_failures > 0);
    set(at.flight, count(item.in_flight));
    set(at.ttfb, typeof item.ttfb_ms === 'number' ? short(item.ttfb_ms) : '–');
    set(at.calls, count((c.successes ?? 0) + (c.failures ?? 0)));
    set(at.rejected, count(c.rejected));
    const e = item.last_error;
    set(at.error, e ? `last: ${[e.status, e.class.replace('_', ' ')].filter(Boolean).join(' ')}, `
      + `${clock(e.at)}${e.message ? ` · ${e.message}` : ''}` : '');
    at.error.title = e ? `${e.message ?? ''} (${e.at})` : '';
    at.fault.hidden = item.kind !== 'key' || kindOf(item.provider) !== 'pretend';
    this.drawSpark();
    this.tick(performance.now());
  }

  drawSpark() {
    const { at, samples } = this;
    const busiest = Math.max(4, ...samples.map(([ok, bad]) => ok + bad));
    const slowest = Math.max(1, ...samples.map(([, , ms]) => ms)) * 1.15;
    let ok = ''; let bad = ''; let lat = '';
    const left = (SAMPLES - samples.length) * 2;
    samples.forEach(([good, fails, ms], i) => {
      const x = left + i * 2;
      const h = (good / busiest) * 22;
      const f = (fails / busiest) * 22;
      if (good) ok += `M${x} 25v${(-h).toFixed(1)}h1.5V25z`;
      if (fails) bad += `M${x} ${(25 - h).toFixed(1)}v${(-f).toFixed(1)}h1.5v${f.toFixed(1)}z`;
      if (ms) lat += `${lat ? 'L' : 'M'}${x + 0.75} ${(25 - (ms / slowest) * 22).toFixed(1)}`;
    });
    attr(at.ok, 'd', ok);
    attr(at.bad, 'd', bad);
    attr(at.lat, 'd', lat);
    const sum = (i) => samples.reduce((n, s) => n + s[i], 0);
    attr(at.spark, 'aria-label', `Last minute: ${sum(0)} succeeded, ${sum(1)} failed`);
    const all = sum(0) + sum(1);
    set(at.scope, all ? `${count(all)} in the last minute` : 'no calls');
  }

  tick(now) {
    const { at, item } = this;
    this.countdown.tick(now);
    if (at.fault.hidden) return;
    const on = this.faultEnds !== null && this.faultEnds > now;
    const ends = on && this.faultEnds < Infinity; // else until it is taken away
    const rest = ends ? brief(this.faultEnds - now) : 'good';
    set(at.fault, on ? `${item.fault.kind}${ends ? ` · ${rest}` : ''}` : 'Fault');
    at.fault.classList.toggle('armed', on);
    const told = on ? `: ${item.fault.kind} for ${rest}` : '';
    attr(at.fault, 'aria-label', `Fault on ${item.key}${told}`);
  }

  matches(words, only) {
    if (only && this.item.state === 'closed') return false;
    const text = `${this.item.key} ${this.item.state} ${why(this.item)}`.toLowerCase();
    return words.every((word) => text.includes(word));
  }
}

const kindOf = (provider) => status?.providers?.find((p) => p.name === provider)?.kind;

function rail(provider) {
  let r = rails.get(provider);
  if (r) return r;
  const section = $('t-rail').content.firstElementChild.cloneNode(true);
  const find = (selector) => section.querySelector(selector);
  r = { section, list: find('.modules'), about: find('.plate-about'), tally: find('.plate-tally') };
  set(find('.plate-name'), provider);
  attr(r.list, 'aria-label', `Breakers of ${provider}`);
  rails.set(provider, r);
  $('rails').append(section);
  return r;
}

function about(provider) {
  const p = status?.providers?.find((x) => x.name === provider);
  if (!p) return '';
  return p.kind === 'pretend' ? 'pretend: makes its answers up' : `${p.kind} ${p.base_url ?? ''}`;
}

function showBreakers(items) {
  const live = new Set();
  const byProvider = new Map();
  for (const item of items) {
    live.add(item.key);
    let module = modules.get(item.key);
    if (!module) modules.set(item.key, module = new Module(item));
    module.update(item);
    if (!byProvider.has(item.provider)) byProvider.set(item.provider, []);
    const list = byProvider.get(item.provider);
    if (item.kind === 'provider') list.unshift(module); else list.push(module);
  }
  for (const [key, module] of modules) {
    if (live.has(key)) continue;
    seen.unobserve(module.node);
    module.node.remove();
    modules.delete(key);
  }
  for (const [provider, r] of rails) {
    if (!byProvider.has(provider)) { r.section.remove(); rails.delete(provider); }
  }
  for (const [provider, list] of byProvider) arrange(rail(provider), provider, list);
  $('rails').classList.toggle('dense', modules.size > DENSE_ABOVE);
  tally(items);
  sift();
}

/** Puts the modules in order; touches only those that are out of it, so that focus stays. */
function arrange(r, provider, list) {
  let next = r.list.firstElementChild;
  for (const module of list) {
    if (module.node === next) next = next.nextElementSibling;
    else r.list.insertBefore(module.node, next);
  }
  const closed = list.filter((m) => m.item.state === 'closed').length;
  set(r.about, about(provider));
  set(r.tally, closed === list.length ? 'all closed' : `${closed} of ${list.length} closed`);
}

const ORDER = ['open', 'half-open', 'recovering', 'forced-open', 'disabled', 'metrics-only', 'closed'];
function tally(items) {
  const by = new Map();
  for (const { state } of items) by.set(state, (by.get(state) ?? 0) + 1);
  const parts = ORDER.filter((s) => by.has(s)).map((s) => `${count(by.get(s))} ${s}`);
  set($('tally'), parts.join(' · '));
  const off = by.get('open') ?? 0;
  const title = off ? `${off} open · Panelboard` : 'Panelboard';
  if (document.title !== title) document.title = title;
}

/** Hides what the filter does not ask for. */
function sift() {
  const words = $('filter').value.toLowerCase().split(/\s+/).filter(Boolean);
  const only = $('only').checked;
  let shown = 0;
  const busy = new Set();
  for (const module of modules.values()) {
    const match = module.matches(words, only);
    if (module.node.hidden === match) module.node.hidden = !match;
    if (!match) continue;
    shown += 1;
    busy.add(module.item.provider);
  }
  enter($('rails'));
  for (const [provider, r] of rails) r.section.hidden = !busy.has(provider);
  $('board-empty').hidden = shown > 0;
  set($('board-empty'), modules.size ? (only && !words.length
    ? 'All breakers are closed.' : 'No breaker matches.') : 'No breaker yet.');
}
$('filter').addEventListener('input', sift);
$('only').addEventListener('change', sift);

// ---- by hand -----------------------------------------------------------------------------------

const FAULTS = [
  ['429', 'rate limited'], ['500', 'server error'], ['503', 'unavailable'], ['529', 'overloaded'],
  ['401', 'key rejected'], ['hang', 'never answers'], ['cut', 'breaks off'], ['slow', 'drips'],
  ['refuse', 'not there'], ['none', 'healthy again'],
];
const FOR_FAULT = [['8s', '8 s'], ['20s', '20 s'], ['60s', '1 min'], ['600s', '10 min']];

const faultTiles = make('fieldset', 'tiles');
faultTiles.append(make('legend', 'hide', 'Fault'));
for (const [name, meaning] of FAULTS) {
  const label = make('label', 'tile');
  const input = make('input');
  Object.assign(input, { type: 'radio', name: 'fault', value: name });
  label.append(input, make('b', '', name), ` ${meaning}`);
  faultTiles.append(label);
}

const pathOf = (key) => key.split('/').map(encodeURIComponent).join('/');

async function act(key, verb) {
  const spare = 'Calls go to other keys, if there are any.';
  let body = {};
  if (verb === 'trip') {
    body = await tripping(key,
      `It rejects calls until the time is over and a probe succeeds. ${spare}`);
    if (!body) return;
  } else if (verb === 'isolate') {
    if (!await question({ title: `Isolate ${key}?`, yes: 'Isolate',
      text: `It rejects every call until it is released by hand. ${spare}` })) return;
  } else if (verb === 'fault') {
    await injectFault(key);
    return;
  }
  const item = await order(key, `/v1/breakers/${pathOf(key)}`, verb, body);
  if (!item) return;
  modules.get(key)?.update(item);
  pollSoon();
}

async function injectFault(key) {
  const current = modules.get(key)?.item.fault?.kind;
  const time = lasting(FOR_FAULT);
  const radios = [...faultTiles.querySelectorAll('input')];
  for (const radio of radios) radio.checked = radio.value === (current ? 'none' : '429');
  const chosen = await question({ title: `Fault on ${key}`, yes: 'Set', more: [faultTiles, time.row],
    focus: radios.find((radio) => radio.checked),
    value: () => ({ for: time.value(), fault: radios.find((r) => r.checked)?.value }),
    text: 'The pretend provider answers this way to calls with this key.' });
  if (!chosen?.fault) return;
  const body = { key, fault: chosen.fault };
  if (chosen.fault !== 'none') body.for = chosen.for;
  try {
    await send('/v1/faults', body);
    pollSoon();
  } catch (error) {
    toast(`fault on ${key}: ${error.message}`);
  }
}

$('rails').addEventListener('click', (e) => {
  const node = e.target.closest('.module');
  if (!node) return;
  const button = e.target.closest('button');
  if (button) act(node.dataset.key, button.dataset.do);
  else if (e.target.closest('.handle')) {
    act(node.dataset.key, { 'closed': 'trip', 'disabled': 'trip', 'metrics-only': 'trip',
      'forced-open': 'release' }[node.dataset.state] ?? 'reset');
  }
});

keys($('rails'));

document.addEventListener('keydown', (e) => {
  if (e.key !== '/' || dialog.open || e.target.closest('input, select, textarea')) return;
  e.preventDefault();
  $('filter').focus();
});

// ---- calls in flight ---------------------------------------------------------------------------

const STAGES = ['waiting', 'connecting', 'first-byte', 'streaming'];
const SHOWN = 40;
const calls = new Map(); // id -> { row, ... }

function showCalls(items) {
  const now = performance.now();
  const live = new Set();
  const oldest = [...items].sort((a, b) => b.age_ms - a.age_ms).slice(0, SHOWN);
  for (const call of oldest) {
    live.add(call.id);
    let c = calls.get(call.id);
    if (!c) calls.set(call.id, c = callRow(call));
    c.born = now - call.age_ms;
    const by = call.provider ? `${call.provider}/${call.key ?? '…'}` : 'not chosen yet';
    set(c.by, by + (call.attempt > 1 ? `, attempt ${call.attempt}` : ''));
    set(c.stage, call.stage);
    const reached = STAGES.indexOf(call.stage);
    c.steps.forEach((step, i) => step.classList.toggle('on', i <= reached));
    set(c.age, short(call.age_ms));
  }
  for (const [id, c] of calls) {
    if (!live.has(id)) { c.row.remove(); calls.delete(id); }
  }
  set($('calls-count'), count(items.length)
    + (items.length > SHOWN ? `, the oldest ${SHOWN} shown` : ''));
  $('calls-empty').hidden = items.length > 0;
}

function callRow(call) {
  const row = make('tr');
  row.title = call.id;
  const who = make('td');
  const by = make('span', 'by');
  who.append(make('b', '', call.model), call.stream ? ' · stream' : '', by);
  const how = make('td');
  const stage = make('span');
  const bar = make('div', 'steps');
  bar.setAttribute('aria-hidden', 'true');
  const steps = STAGES.map(() => make('i'));
  bar.append(...steps);
  how.append(stage, bar);
  const age = make('td', 'num');
  row.append(who, how, age);
  $('calls').append(row);
  return { row, by, stage, steps, age, born: 0 };
}

// ---- try it ------------------------------------------------------------------------------------

let running = null;

function showModels(models) {
  const names = models.map((m) => m.name);
  const now = [...$('model').options].map((o) => o.value);
  if (names.join('\n') !== now.join('\n')) {
    const chosen = $('model').value;
    $('model').replaceChildren(...names.map((name) => new Option(name, name)));
    if (names.includes(chosen)) $('model').value = chosen;
  }
  $('burst').hidden = !isPretend(models.find((m) => m.name === $('model').value));
  showCurl();
}
/** Many calls at once only where they cost nobody anything. */
const isPretend = (model) => !!model?.targets?.length
  && model.targets.every((t) => kindOf(t.split('/')[0]) === 'pretend');

const bodyOf = (prompt) => ({
  model: $('model').value || 'fast', stream: true, messages: [{ role: 'user', content: prompt }],
});
function showCurl() {
  const body = JSON.stringify(bodyOf($('prompt').value)).replaceAll("'", "'\\''");
  set($('curl'), `curl -N ${location.origin}/v1/chat/completions `
    + `-H 'content-type: application/json' -d '${body}'`);
}
$('prompt').addEventListener('input', showCurl);
$('model').addEventListener('change', () => showModels(status?.models ?? []));

/** Streams one answer; `onText` gets each piece. Returns who served it, and how fast. */
async function chat(prompt, signal, onText) {
  const began = performance.now();
  const reply = await send('/v1/chat/completions', bodyOf(prompt), signal);
  const from = (name) => reply.headers.get(`x-panelboard-${name}`);
  const by = { provider: from('provider'), key: from('key'), attempts: Number(from('attempts')) };
  by.firstMs = performance.now() - began;
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ''; ;) {
    const { value, done } = await reader.read();
    if (done) break;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith('data:')) continue;
      const data = line.slice(5).trim();
      if (data === '[DONE]') return by;
      const event = JSON.parse(data);
      if (event.error) throw new Error(event.error.message);
      onText(event.choices?.[0]?.delta?.content ?? '', by);
    }
  }
  throw new Error('the answer broke off');
}

function describe(by) {
  const who = by.provider ? `${by.provider}${by.key ? `/${by.key}` : ''}` : 'answered';
  const again = by.attempts > 1 ? `, after ${by.attempts} attempts` : '';
  return `${who}${again}, first byte ${short(by.firstMs)}`;
}

function answerBox(meta, text, bad = false) {
  $('answer').hidden = false;
  $('answer').toggleAttribute('data-bad', bad);
  set($('answer-meta'), meta);
  set($('answer-text'), text);
}

$('try').addEventListener('submit', async (e) => {
  e.preventDefault();
  if (running) { running.abort(); return; }
  running = new AbortController();
  set($('send'), 'Stop');
  let text = '';
  let who = 'sending…';
  answerBox(who, '');
  pollSoon();
  try {
    const by = await chat($('prompt').value, running.signal, (piece, from) => {
      text += piece;
      who = describe(from);
      answerBox(who, text);
    });
    answerBox(describe(by), text);
  } catch (error) {
    const stopped = error.name === 'AbortError';
    answerBox(stopped ? `${who}, stopped` : error.message, text, !stopped);
  }
  running = null;
  set($('send'), 'Send');
  pollSoon();
});

const BURST = 20;
const APART_MS = 150;
// A browser opens six connections to a server: one is the events', two are left for the readings.
const AT_ONCE = 3;

$('burst').addEventListener('click', async () => {
  $('burst').disabled = true;
  const began = performance.now();
  const served = new Map();
  let sent = 0;
  let failed = 0;
  let last = '';
  const show = () => {
    const parts = [...served].map(([who, n]) => `${n} by ${who}`);
    if (failed) parts.push(`${failed} failed: ${last}`);
    answerBox(`${BURST} calls`, parts.join('\n'), failed > 0);
  };
  const sender = async () => {
    while (sent < BURST) {
      const due = began + sent * APART_MS - performance.now();
      sent += 1;
      await new Promise((go) => { setTimeout(go, due); });
      try {
        const by = await chat($('prompt').value, AbortSignal.timeout(60_000), () => {});
        const who = [by.provider, by.key].filter(Boolean).join('/') || 'the gateway';
        served.set(who, (served.get(who) ?? 0) + 1);
      } catch (error) {
        failed += 1;
        last = error.message;
      }
      show();
    }
  };
  show();
  await Promise.all(Array.from({ length: AT_ONCE }, sender));
  $('burst').disabled = false;
});

$('copy').addEventListener('click', async () => {
  try {
    await navigator.clipboard.writeText($('curl').textContent);
  } catch {
    // No clipboard outside a secure context: leave the line selected, to copy by hand.
    getSelection().selectAllChildren($('curl'));
    toast('Selected: copy it with the keyboard.');
    return;
  }
  set($('copy'), 'Copied');
  setTimeout(() => set($('copy'), 'Copy'), 1500);
});

// ---- go ----------------------------------------------------------------------------------------

function tick() {
  const now = performance.now();
  for (const module of modules.values()) {
    if (module.near && (module.countdown.runs || module.faultEnds !== null)) module.tick(now);
  }
  tickSinks(now);
  tickVault(now);
  for (const c of calls.values()) set(c.age, short(now - c.born));
  setTimeout(tick, calm.matches ? 1000 : 200);
}

showCurl();
poll();
tick();
