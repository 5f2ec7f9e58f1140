// What do the sessions do now? The dashboard's section: the list is read each few seconds; those that
// answer and are on the screen are heard as they speak.
import {
  $, NoToken, attr, count, question, segment, send, set, span, toast,
} from './base.js';
import { Socket, readAll } from './socket.js';
import { lastLine, phase, problem } from './text.mjs';

const FEW_MS = 2000;
const MANY_MS = 5000;
const MANY = 200;
/** The server bounds the subscriptions of a connection; more than these are on no screen. */
const HEARD = 32;
const WORDS_SHOWN = 400;

const rows = new Map(); // id -> Row
const socket = new Socket({ draw: (dirty) => { for (const id of dirty) rows.get(id)?.draw(); } });
const heard = new Set();

const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const row = rows.get(target.dataset.id);
    if (!row) continue;
    row.near = isIntersecting;
    row.draw();
  }
  listen();
}, { root: $('sessions-scroll'), rootMargin: '60px' });

/** Hears the sessions that answer and can be seen, and no others: to be heard is to be attended,
 *  and a run may be told to end when nobody attends it any more. */
function listen() {
  const now = new Set();
  if (!document.hidden) {
    for (const [id, row] of rows) {
      if (row.near && row.busy && now.size < HEARD) now.add(id);
    }
  }
  for (const id of heard) if (!now.has(id)) { heard.delete(id); socket.unsubscribe(id); }
  for (const id of now) {
    if (heard.has(id)) continue;
    heard.add(id);
    socket.subscribe(id);
  }
  if (heard.size) socket.start();
}
document.addEventListener('visibilitychange', () => { listen(); if (!document.hidden) readSoon(); });

class Row {
  constructor(item) {
    this.node = $('t-srow').content.firstElementChild.cloneNode(true);
    const at = (selector) => this.node.querySelector(selector);
    this.at = { name: at('.s-name'), id: at('.s-id'), state: at('.s-state'), queue: at('.s-queue'),
      sockets: at('.s-sockets'), text: at('.s-words'), cancel: at('[data-do=cancel]'),
      clear: at('[data-do=clear]') };
    this.near = false;
    this.node.dataset.id = item.id;
    at('a').href = `/chat#${segment(item.id)}`;
    const name = String(item.metadata?.title || item.id);
    set(this.at.name, name);
    this.at.name.title = name;
    set(this.at.id, name === item.id ? '' : item.id);
    attr(this.at.cancel, 'aria-label', `Cancel the answer of ${name}`);
    attr(this.at.clear, 'aria-label', `Clear ${name}`);
    this.name = name;
    this.words = `${name} ${item.id}`.toLowerCase();
    this.update(item);
    seen.observe(this.node);
  }

  update(item) {
    this.item = item;
    this.state = this.item.slot?.state ?? 'idle';
    this.own = heard.has(item.id) ? 1 : 0; // this page listened too when that was counted
    if (this.near || !this.drawnOnce) this.draw();
  }

  get busy() { return this.state !== 'idle'; }

  /** What was heard is newer than what was read; what is not heard is only read. */
  heard() {
    const view = heard.has(this.item.id) && socket.link.live ? socket.session(this.item.id) : null;
    return view && view.epoch !== null ? view : null;
  }

  draw() {
    this.drawnOnce = true;
    const { item, at } = this;
    const view = this.heard();
    const active = view?.active() ?? null;
    const slot = item.slot ?? { state: 'idle' };
    const status = view ? active?.status ?? (slot.state === 'draining' ? 'draining' : 'idle')
      : slot.state === 'active' ? slot.phase ?? 'running' : slot.state;
    this.run = view ? active?.run ?? null : slot.run ?? null;
    attr(this.node, 'data-state', status);
    const began = Date.parse((view ? active?.started : null) ?? slot.since ?? '');
    const since = status === 'idle' || Number.isNaN(began) ? 0 : Date.now() - began;
    const run = this.run && status !== 'idle' ? `run ${this.run}, ` : '';
    const long = since >= 1000 ? ` for ${span(since - 999)}` : '';
    set(at.state, status === 'idle' ? 'idle' : `${run}${phase(status)}${long}`);
    const queue = view ? view.waiting().length : item.queue?.length ?? 0;
    set(at.queue, count(queue));
    at.queue.classList.toggle('some', queue > 0);
    // This page is one of those that listen; it does not count itself.
    const sockets = view && view.connections !== null ? view.connections - 1
      : (item.connections ?? 0) - this.own;
    set(at.sockets, count(Math.max(0, sockets)));
    const text = view ? lastWords(view) : '';
    set(at.text, text);
    at.cancel.disabled = status === 'idle' || status === 'stopping' || status === 'draining';
  }

  matches(words, only) {
    return (!only || this.busy) && words.every((word) => this.words.includes(word));
  }
}

function lastWords(view) {
  const active = view.active();
  const turn = active && view.transcript().find((t) => t.run === active.run);
  if (!turn) return '';
  const line = lastLine(turn.texts.map((t) => t.text).join('\n'));
  return line.length > WORDS_SHOWN ? `…${line.slice(-WORDS_SHOWN)}` : line || `… ${turn.input}`;
}

// ---- the list ----------------------------------------------------------------------------------

let timer = 0;
let reading = false;
let again = false;

async function readList() {
  if (reading) { again = true; return; }
  reading = true;
  clearTimeout(timer);
  try {
    const { items } = await readAll('/v1/sessions');
    $('sessions').hidden = false;
    show(items);
  } catch (error) {
    // A server without sessions has no such section.
    if (error.status === 404) { $('sessions').hidden = true; return; }
    if (error instanceof NoToken) return;
    if (error.problem && !rows.size) set($('sessions-empty'), `${problem(error.problem).said}.`);
  } finally {
    reading = false;
  }
  const wait = again ? 150 : rows.size > MANY || document.hidden ? MANY_MS : FEW_MS;
  again = false;
  timer = setTimeout(readList, wait);
}
function readSoon() {
  if (reading) { again = true; return; }
  clearTimeout(timer);
  timer = setTimeout(readList, 150);
}

function show(items) {
  const live = new Set();
  for (const item of items) {
    live.add(item.id);
    const row = rows.get(item.id);
    if (row) row.update(item); else rows.set(item.id, new Row(item));
  }
  for (const [id, row] of rows) {
    if (live.has(id)) continue;
    seen.unobserve(row.node);
    row.node.remove();
    rows.delete(id);
  }
  arrange();
  const busy = [...rows.values()].filter((row) => row.busy).length;
  set($('sessions-count'), count(rows.size));
  set($('sessions-tally'), rows.size ? (busy ? `${count(busy)} busy` : 'all idle') : '');
  sift();
  listen();
}

/** Those that answer come first, then the newest. A row does not move away from under a hand. */
function arrange() {
  const list = $('sessions-list');
  const held = list.matches(':hover, :focus-within');
  const order = [...rows.values()].sort((a, b) => (
    b.busy - a.busy || (a.item.created < b.item.created ? 1 : -1)));
  let next = list.firstElementChild;
  for (const { node } of order) {
    if (node === next) next = next.nextElementSibling;
    else if (!held || !node.isConnected) list.insertBefore(node, next);
  }
}

function sift() {
  const words = $('sessions-filter').value.toLowerCase().split(/\s+/).filter(Boolean);
  const only = $('sessions-busy').checked;
  let shown = 0;
  for (const row of rows.values()) {
    const match = row.matches(words, only);
    if (row.node.hidden === match) row.node.hidden = !match;
    if (match) shown += 1;
  }
  $('sessions-empty').hidden = shown > 0;
  set($('sessions-empty'), !rows.size ? 'None yet. Begin one on the chat page.'
    : only && !words.length ? 'All sessions are idle.' : 'No session matches.');
}
$('sessions-filter').addEventListener('input', sift);
$('sessions-busy').addEventListener('change', sift);

// ---- by hand -----------------------------------------------------------------------------------

$('sessions-list').addEventListener('click', async (e) => {
  const button = e.target.closest('button');
  if (!button) return;
  const row = rows.get(button.closest('.srow').dataset.id);
  const path = `/v1/sessions/${segment(row.item.id)}`;
  try {
    if (button.dataset.do === 'cancel') {
      // The run is named: what comes late must not stop the next one.
      await send(row.run ? `${path}/runs/${segment(row.run)}/cancel` : `${path}/cancel`);
    } else {
      if (!await question({ title: `Clear ${row.name}?`, yes: 'Clear',
        text: 'What was said is forgotten, a running answer stops and the queue is emptied. '
          + 'This cannot be undone.' })) return;
      await send(`${path}/clear`, { mode: 'cancel_and_clear' });
    }
    readSoon();
  } catch (error) {
    const { said, advice } = problem(error.problem ?? { title: 'The server cannot be reached' });
    toast(`${row.name}: ${said}. ${advice}`);
  }
});

readList();
setInterval(() => {
  for (const row of rows.values()) if (row.near && row.busy) row.draw();
}, 1000);
