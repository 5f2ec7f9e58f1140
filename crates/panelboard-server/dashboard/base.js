// What do all pages share? Nodes, words, requests, questions, colours. What comes from outside only
// ever becomes text.

export const $ = (id) => document.getElementById(id);
export const set = (node, text) => { if (node.textContent !== text) node.textContent = text; };
export const attr = (node, name, value) => {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
};
export const make = (tag, className, text) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};
export const calm = matchMedia('(prefers-reduced-motion: reduce)');

// ---- words -------------------------------------------------------------------------------------

const number = new Intl.NumberFormat('en');
export const count = (n) => number.format(n ?? 0);
export const plural = (n, word) => `${count(n)} ${word}${n === 1 ? '' : 's'}`;

/** 7300 -> "7.3 s", 95000 -> "1 min 35 s". Tenths only where they tick. */
export function span(ms, tenths = false) {
  if (ms < 10_000 && tenths && !calm.matches) return `${(Math.max(ms, 0) / 1000).toFixed(1)} s`;
  const s = Math.max(0, Math.ceil(ms / 1000));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min${s % 60 ? ` ${s % 60} s` : ''}`;
  const h = Math.floor(s / 3600);
  return h < 48 ? `${h} h ${Math.floor(s / 60) % 60} min` : `${Math.floor(h / 24)} d ${h % 24} h`;
}
export const short = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);
export const brief = (ms) => (
  ms < 99_500 ? `${Math.ceil(ms / 1000)} s` : `${Math.ceil(ms / 60_000)} min`);
/** 3500 -> "3.4 KiB". */
export function size(bytes) {
  const at = bytes < 1024 ? 0 : Math.min(3, Math.floor(Math.log2(bytes) / 10));
  return `${Number((bytes / 1024 ** at).toFixed(1))} ${['B', 'KiB', 'MiB', 'GiB'][at]}`;
}
export const clock = (at) => {
  const t = new Date(at);
  return Number.isNaN(t.getTime()) ? String(at) : t.toLocaleTimeString('en-GB');
};

/** How full something is: the bar of a `.gauge`, and its words. */
export function gauge(node, share, text) {
  const meter = node.querySelector('meter');
  if (meter.value !== share) meter.value = share;
  set(node.querySelector('.gauge-text'), text);
}

// ---- talking to the server ---------------------------------------------------------------------

export let token = null; // what the person gave, if the server asked for one
export class NoToken extends Error {}
/** What the server said; `problem` is its body, if it is one. */
export class Refused extends Error {
  constructor(status, said, problem) {
    super(said);
    Object.assign(this, { status, problem });
  }
}

/** Fetches; asks for a token if the server wants one. Throws what the server said. */
export async function ask(path, options) {
  for (;;) {
    const used = token;
    const headers = { 'content-type': 'application/json', ...options.headers };
    if (used) headers.authorization = `Bearer ${used}`;
    const answer = await fetch(path, { ...options, headers, signal: options.signal?.() });
    if (answer.ok) return answer;
    const refused = await refusal(answer);
    if (answer.status !== 401) throw refused;
    // Another request may have got a token while this one was under way.
    if (token === used && !await askToken()) throw new NoToken(refused.message);
  }
}

export const send = (path, body, signal) => ask(path, {
  method: 'POST', body: JSON.stringify(body ?? {}), signal: () => signal,
});
export const read = async (path) => (await ask(path, {
  cache: 'no-store', signal: () => AbortSignal.timeout(READ_MS),
})).json();
const READ_MS = 5000;

async function refusal(answer) {
  const text = await answer.text().catch(() => '');
  try {
    const body = JSON.parse(text);
    const said = body.detail ?? body.error?.message ?? body.title;
    if (said) return new Refused(answer.status, `${answer.status}: ${said}`, body);
  } catch { /* not JSON: fall through to the bare status */ }
  const bare = `${answer.status} ${answer.statusText}`.trim();
  return new Refused(answer.status, bare, { status: answer.status, title: bare });
}

/** One path segment, whatever is in it. */
export const segment = (text) => encodeURIComponent(text);

// ---- questions and remarks ---------------------------------------------------------------------

function build(tag, attributes = {}, ...children) {
  const node = make(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const tokenRow = build('label', { class: 'field', id: 'ask-token-row' }, 'token ',
  build('input', { id: 'ask-token', type: 'password', autocomplete: 'off' }));
const rows = build('div', { id: 'ask-more' });
const form = build('form', { method: 'dialog', id: 'ask-form' },
  build('h2', { id: 'ask-title' }), build('p', { id: 'ask-text' }), rows, tokenRow,
  build('div', { class: 'ask-buttons' },
    build('button', { type: 'button', id: 'ask-no' }, 'Cancel'),
    build('button', { type: 'submit', class: 'main', id: 'ask-yes' })));
export const dialog = build('dialog', { id: 'ask', 'aria-labelledby': 'ask-title',
  'aria-describedby': 'ask-text' }, form);
const remark = build('p', { class: 'toast', id: 'toast', role: 'alert', hidden: '' });
const said = build('div', { class: 'hide', id: 'said', role: 'log', 'aria-live': 'polite' });
document.body.append(dialog, remark, said);

let answer = null;
let valueOf = () => true;
function settle(value) {
  const done = answer;
  answer = null;
  done?.(value);
}
form.addEventListener('submit', () => settle(valueOf()));
$('ask-no').addEventListener('click', () => dialog.close());
// This one comes late: by then the next question may stand there already.
dialog.addEventListener('close', () => { if (!dialog.open) settle(null); });

/** One question at a time; the promise holds what `value` read from the form, or null. */
export function question({ title, text, yes, more = [], value = () => true, focus = null }) {
  if (dialog.open) return Promise.resolve(null);
  set($('ask-title'), title);
  set($('ask-text'), text);
  set($('ask-yes'), yes);
  rows.replaceChildren(...more);
  tokenRow.hidden = focus !== $('ask-token');
  $('ask-token').value = '';
  valueOf = value;
  dialog.showModal();
  (focus ?? $('ask-yes')).focus();
  return new Promise((done) => { answer = done; });
}

const onToken = [];
/** Calls back once there is a token: what was begun without it is worth nothing. */
export const whenToken = (call) => onToken.push(call);

let asking = null; // all requests that were refused wait for the one question
function askToken() {
  asking ??= question({ title: 'A token is needed', yes: 'Go on', focus: $('ask-token'),
    text: token ? 'The server did not take that token.'
      : 'The server wants its token. It is kept until this page is left.',
    value: () => $('ask-token').value }).then((chosen) => {
    token = chosen || null;
    asking = null;
    if (token) for (const call of onToken) call();
    return token !== null;
  });
  return asking;
}

let remarkTimer = 0;
export function toast(text) {
  remark.hidden = false;
  set(remark, text);
  clearTimeout(remarkTimer);
  remarkTimer = setTimeout(() => { remark.hidden = true; }, 6000);
}

/** To who hears the page: many things at once become what `sum` says of them. */
let heard = [];
export function announce(text, sum = (n) => plural(n, 'change')) {
  if (heard.push(text) > 1) return;
  setTimeout(() => {
    const lines = heard.length <= 3 ? heard : [sum(heard.length)];
    said.append(...lines.map((line) => make('p', '', line)));
    while (said.childElementCount > 12) said.firstElementChild.remove();
    heard = [];
  }, 700);
}

// ---- what is kept in this browser --------------------------------------------------------------

/** Private windows may have no storage: then nothing is kept. */
export const kept = {
  get(name, store = localStorage) {
    try { return store.getItem(`panelboard-${name}`); } catch { return null; }
  },
  set(name, value, store = localStorage) {
    try {
      if (value === null) store.removeItem(`panelboard-${name}`);
      else store.setItem(`panelboard-${name}`, value);
    } catch { /* not kept */ }
  },
};

// ---- colours -----------------------------------------------------------------------------------

const THEMES = { auto: 'automatic', dark: 'dark', light: 'light' };
function useTheme(name) {
  const chosen = name in THEMES ? name : 'auto';
  attr(document.documentElement, 'data-theme', chosen === 'auto' ? null : chosen);
  set($('theme'), chosen[0].toUpperCase() + chosen.slice(1));
  attr($('theme'), 'aria-label', `Colour scheme: ${THEMES[chosen]}`);
  kept.set('theme', chosen);
  return chosen;
}
let theme = useTheme(kept.get('theme') ?? 'auto');
$('theme').addEventListener('click', () => {
  const names = Object.keys(THEMES);
  theme = useTheme(names[(names.indexOf(theme) + 1) % names.length]);
});

// ---- where we are ------------------------------------------------------------------------------

for (const link of document.querySelectorAll('.pages a')) {
  attr(link, 'aria-current', link.pathname === location.pathname ? 'page' : null);
}
