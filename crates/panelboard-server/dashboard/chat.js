// What is said in a session, and what is done about it? Draws what session.mjs makes of the frames,
// and sends what the person wants. What was said comes from outside: it only ever becomes text.
import {
  $, NoToken, announce, ask, attr, clock, count, kept, make, plural, question, read, segment, set,
  span, toast,
} from './base.js';
import { isLive } from './session.mjs';
import { Socket, readAll } from './socket.js';
import {
  POLICIES, asked, blocks, ended, failure, inline, phase, problem, titleOf,
} from './text.mjs';

const from = (template) => $(template).content.firstElementChild.cloneNode(true);

// ---- which session -----------------------------------------------------------------------------

let current = null; // the id of the session on the page; null is one that is not begun yet
let listed = new Map(); // what the last list said of each session

const socket = new Socket({ draw, settled, trouble, keep: 'outbox' });
const view = () => (current === null ? null : socket.session(current));

const inHash = () => {
  try { return decodeURIComponent(location.hash.slice(1)) || null; } catch { return null; }
};
const hashOf = (id) => (id === null ? '/chat' : `/chat#${segment(id)}`);

/** Shows a session; its past comes by itself. */
function show(id) {
  kept.set(`draft ${current ?? ''}`, $('input').value || null, sessionStorage);
  if (current !== null) socket.unsubscribe(current);
  current = id;
  $('turns').replaceChildren();
  drawn.clear();
  told = null;
  setProblem(null);
  fill(kept.get(`draft ${id ?? ''}`, sessionStorage) ?? '');
  if (id !== null) socket.subscribe(id);
  following = true;
  closeDrawer();
  draw(new Set([id]));
  drawList();
}
addEventListener('hashchange', () => { if (inHash() !== current) show(inHash()); });

function go(id) {
  if (inHash() !== id) history.pushState(null, '', hashOf(id));
  if (id !== current) show(id);
}
addEventListener('popstate', () => { if (inHash() !== current) show(inHash()); });

// ---- drawing -----------------------------------------------------------------------------------

function draw(dirty) {
  drawLink();
  if (!dirty.has(current) && !dirty.has(null)) return;
  const v = view();
  drawHead(v);
  if (v) {
    drawTurns(v);
    tell(v);
  }
  drawHello(v);
  drawQueue(v?.waiting() ?? []);
  drawOutbox();
  drawStop();
  if (following) toBottom(); else $('down').hidden = atBottom();
}

const nameOf = (id) => listed.get(id)?.metadata?.title || id;

function drawHead(v) {
  const name = current === null ? 'New session' : String(nameOf(current));
  set($('title'), name);
  const active = v?.active() ?? null;
  const title = `${active ? '… ' : ''}${name} · Panelboard`;
  if (document.title !== title) document.title = title;
  set($('session-id'), current !== null && name !== current ? current : '');
  const others = (v?.connections ?? 1) - 1;
  set($('others'), socket.link.live && others > 0
    ? `open in ${plural(others, 'other place')}` : '');
  $('clear').disabled = current === null || v.missing;
  drawState(v);
}

function drawState(v) {
  const active = v?.active() ?? null;
  const status = active?.status ?? 'idle';
  attr($('state'), 'data-state', status);
  const began = Date.parse(active?.started ?? '');
  const since = Number.isNaN(began) ? 0 : Date.now() - began;
  const long = since >= 1500 ? ` for ${span(since - 999)}` : '';
  set($('state'), active ? phase(status) + long : 'idle');
}

function drawLink() {
  const { state, attempts, never, waits, inMs, locked } = socket.about();
  attr($('link'), 'data-link', state);
  set($('link-text'), { live: 'live', lost: 'retrying', connecting: 'connecting' }[state]);
  $('lost').hidden = state !== 'lost';
  if (state !== 'lost') return;
  const when = waits ? `trying again in ${span(inMs)}` : 'trying now';
  const why = locked
    ? ' A page can not give its token to a WebSocket: reload, and give it to the browser’s question.'
    : ' The server answers, but takes no WebSocket: does a proxy in between pass them on?';
  const odd = never && attempts > 2 && listing.ok ? why : '';
  set($('lost'), `Connection lost, ${when}. What you send meanwhile goes out then.${odd}`);
}

// ---- the transcript ----------------------------------------------------------------------------

const drawn = new Map(); // key -> { node, seen }: what was drawn, so that only changes are drawn

function drawTurns(v) {
  const entries = v.transcript();
  const list = $('turns');
  const live = new Set();
  let next = list.firstElementChild;
  for (const entry of entries) {
    const key = entry.kind === 'turn' ? `turn ${entry.run}` : `note ${entry.seq}`;
    live.add(key);
    let d = drawn.get(key);
    if (!d) {
      d = { node: from(entry.kind === 'turn' ? 't-turn' : 't-note'), seen: '' };
      drawn.set(key, d);
    }
    const seen = JSON.stringify(entry);
    if (d.seen !== seen) {
      d.seen = seen;
      if (entry.kind === 'turn') drawTurn(d.node, entry); else drawNote(d.node, entry);
    }
    if (d.node === next) next = next.nextElementSibling;
    else list.insertBefore(d.node, next);
  }
  for (const [key, d] of drawn) {
    if (!live.has(key)) { d.node.remove(); drawn.delete(key); }
  }
}

function drawNote(node, note) {
  set(node.querySelector('.note-role'), { user: 'You', assistant: 'Answer', tool: 'Tool' }[note.role] ?? 'Note');
  set(node.querySelector('.note-text'), note.text);
}

function drawTurn(node, turn) {
  const at = (selector) => node.querySelector(selector);
  attr(node, 'data-status', turn.status ?? 'kept');
  attr(node, 'data-run', turn.run);
  set(at('.said-text'), turn.input);
  drawNotices(at('.notices'), turn.notices);
  const text = turn.texts.map((t) => t.text).join('\n\n');
  at('.answer').hidden = !text;
  drawWords(at('.words'), blocks(text));
  drawQuestion(at('.reply'), turn);
  const waits = isLive(turn.status) && !turn.question && (turn.status === 'stopping' || !text);
  at('.waits').hidden = !waits;
  set(at('.waits-text'), turn.status === 'stopping' ? 'stopping' : '');
  at('.answer').classList.toggle('live', turn.status === 'running' && !!text);
  const end = ended(turn.status, turn.reason, turn.begun);
  at('.end').hidden = end === null;
  if (end !== null) {
    const why = turn.status === 'failed' ? failure(turn.error) : '';
    set(at('.end-text'), why ? `${end}: ${why}` : end);
    attr(at('.end use'), 'href', `#e-${turn.status}`);
  }
  // Who names no model gets the first: a run that was read says so, one that was heard does not.
  const model = turn.begun ? turn.model ?? firstModel : null;
  const facts = [model, turn.place ? clock(turn.place) : ''].filter(Boolean);
  set(at('.meta-text'), isLive(turn.status) ? '' : facts.join(' · '));
  at('.copy').hidden = !text || isLive(turn.status);
}

function drawNotices(list, notices) {
  list.hidden = notices.length === 0;
  notices.forEach((notice, i) => {
    const item = list.children[i] ?? list.appendChild(make('li'));
    attr(item, 'data-code', notice.code);
    set(item, notice.text);
  });
  while (list.children.length > notices.length) list.lastElementChild.remove();
}

/** Blocks that did not change stay as they are: an answer grows at its end. */
function drawWords(box, parts) {
  parts.forEach((part, i) => {
    let node = box.children[i];
    const tag = part.code ? 'PRE' : 'P';
    if (node?.tagName !== tag) {
      const fresh = make(tag);
      if (node) node.replaceWith(fresh); else box.append(fresh);
      node = fresh;
      if (part.code) {
        node.tabIndex = 0; // wide code scrolls, also by keyboard
        node.append(make('code'));
      }
    }
    if (part.code) {
      set(node.firstElementChild, part.text);
      attr(node, 'data-language', part.language || null);
      attr(node, 'aria-label', part.language ? `Code, ${part.language}` : 'Code');
    } else if (node.dataset.text !== part.text) {
      node.dataset.text = part.text;
      node.replaceChildren(...inline(part.text).map(([code, text]) => (
        code ? make('code', '', text) : text)));
    }
  });
  while (box.children.length > parts.length) box.lastElementChild.remove();
}

function drawQuestion(form, turn) {
  form.hidden = !turn.question;
  if (!turn.question) return;
  const input = form.querySelector('input');
  input.id = `reply-${turn.run}`;
  const label = form.querySelector('label');
  label.htmlFor = input.id;
  set(label, asked(turn.question.prompt));
  attr(form, 'data-request', turn.question.request);
}

function drawHello(v) {
  const empty = !v || v.transcript().length === 0;
  $('hello').hidden = !empty;
  if (!empty) return;
  if (v?.missing) {
    set($('hello-title'), 'There is no such session.');
    set($('hello-text'), 'It was deleted, or never was. What you send begins it anew.');
  } else if (v?.problem) {
    const { said, advice } = problem(v.problem);
    set($('hello-title'), `${said.replace(/\.$/, '')}.`);
    set($('hello-text'), advice || 'It is tried again.');
  } else if (v && v.epoch === null) {
    set($('hello-title'), 'Reading the session…');
    set($('hello-text'), '');
  } else {
    set($('hello-title'), 'Say something.');
    set($('hello-text'), 'One answer runs at a time. Open the same address in another window: both '
      + 'stay in step, and neither loses a word when the line breaks.');
  }
}

// ---- to who hears the page ---------------------------------------------------------------------

let told = null; // the newest turn that was spoken of, and its status

function tell(v) {
  const turn = v.transcript().filter((e) => e.kind === 'turn').at(-1);
  const now = turn ? `${turn.run} ${turn.status}` : '';
  const first = told === null;
  if (now === told) return;
  told = now;
  if (first || !turn) return;
  const end = ended(turn.status, turn.reason, turn.begun);
  if (turn.status === 'succeeded') announce(`Answer: ${turn.texts.map((t) => t.text).join(' ')}`);
  else if (end) announce(`The answer ${end}. ${failure(turn.error)}`);
  else if (turn.status === 'running') announce('Answering.');
}

// ---- the queue and what is not acknowledged ----------------------------------------------------

function drawQueue(waiting) {
  $('queue').hidden = waiting.length === 0;
  set($('queue-title'), `${plural(waiting.length, 'message')} in the queue`);
  const list = $('queue-list');
  const keys = waiting.map((q) => q.run).join(' ');
  if (list.dataset.keys !== keys) {
    list.dataset.keys = keys;
    list.replaceChildren(...waiting.map(({ run }) => {
      const item = make('li');
      const out = make('button', 'quiet', 'Take out');
      out.type = 'button';
      out.dataset.run = run;
      item.append(make('span', 'queue-text'), make('span', 'queue-kind'), out);
      return item;
    }));
  }
  waiting.forEach((q, i) => {
    const [text, kind, out] = list.children[i].children;
    set(text, q.input ?? '…');
    set(kind, q.steer ? 'steers' : '');
    attr(out, 'aria-label', `Take out of the queue: ${titleOf(q.input ?? '')}`);
  });
}

const SLOW_MS = 600;
const sentAt = new Map(); // command id -> when it was given here
const KINDS = { submit: 'Message', cancel: 'Stop', clear: 'Clear', answer: 'Answer' };

/** Only what takes long is shown: at a good line an answer is there before the eye. */
function drawOutbox() {
  const now = performance.now();
  const entries = [...socket.link.outbox].filter(([id, { frame }]) => frame.session === current
    && (!socket.link.live || now - (sentAt.get(id) ?? 0) > SLOW_MS));
  $('outbox').hidden = entries.length === 0;
  $('outbox').replaceChildren(...entries.map(([id, { frame, sent }]) => {
    const item = make('li');
    const what = frame.type === 'submit' || frame.type === 'answer' ? `: ${frame.input}` : '';
    item.append(make('b', '', KINDS[frame.type]), make('span', 'outbox-text', what),
      make('span', 'outbox-state', sent ? 'no answer yet' : 'waits for the connection'));
    if (!sent) {
      const back = make('button', 'quiet', 'Take back');
      back.type = 'button';
      back.addEventListener('click', () => {
        if (!socket.withdraw(id)) return;
        if (frame.type === 'submit' && !$('input').value) fill(frame.input);
        drawOutbox();
      });
      item.append(back);
    }
    return item;
  }));
}

// ---- following the end -------------------------------------------------------------------------

let following = true;
const paper = $('paper');
const atBottom = () => paper.scrollHeight - paper.scrollTop - paper.clientHeight < 48;
function toBottom() {
  paper.scrollTop = paper.scrollHeight;
  $('down').hidden = true;
}
paper.addEventListener('scroll', () => {
  following = atBottom();
  if (following) $('down').hidden = true;
}, { passive: true });
$('down').addEventListener('click', () => { following = true; toBottom(); $('input').focus(); });
new ResizeObserver(() => { if (following) toBottom(); }).observe(paper);

// ---- sending -----------------------------------------------------------------------------------

function fill(text) {
  $('input').value = text;
  grow();
}
function grow() {
  const field = $('input');
  field.style.height = 'auto';
  field.style.height = `${Math.min(field.scrollHeight + 2, innerHeight * 0.4)}px`;
  drawStop();
}
$('input').addEventListener('input', grow);
$('input').addEventListener('keydown', (e) => {
  // While a word is being composed, Enter takes the word.
  if (e.key !== 'Enter' || e.shiftKey || e.isComposing || e.keyCode === 229) return;
  e.preventDefault();
  submit();
});
$('compose').addEventListener('submit', (e) => { e.preventDefault(); submit(); });

let beginning = false;

async function submit() {
  const input = $('input').value;
  if (!input.trim() || beginning) return;
  setProblem(null);
  if (current === null && !await begin(input)) return;
  fill(''); // what is refused at once comes back into it
  const id = socket.command({ type: 'submit', session: current, input,
    on_conflict: $('policy').value, ...($('model').value ? { model: $('model').value } : {}) });
  if (id === null) {
    fill(input);
    setProblem({ title: 'too many messages wait for the connection' });
    return;
  }
  later(id);
  kept.set(`draft ${current ?? ''}`, null, sessionStorage);
  following = true;
  draw(new Set([current]));
}

/** A session that is not begun yet is made with its first message, and named by it. */
async function begin(input) {
  beginning = true;
  drawStop();
  try {
    const answer = await ask('/v1/sessions', { method: 'POST',
      signal: () => AbortSignal.timeout(15_000), headers: { 'idempotency-key': socket.link.ids() },
      body: JSON.stringify({ metadata: { title: titleOf(input) } }) });
    const session = await answer.json();
    listed.set(session.id, session);
    history.pushState(null, '', hashOf(session.id));
    fill(''); // the words are on their way, they are no draft
    show(session.id);
    list();
    return true;
  } catch (error) {
    setProblem(error.problem ?? { title: 'the server cannot be reached',
      detail: 'the session was not begun. Your words are still here' });
    return false;
  } finally {
    beginning = false;
    drawStop();
  }
}

/** Draws again once an answer is late enough to be shown as late. */
function later(id) {
  if (!socket.link.outbox.has(id)) return;
  sentAt.set(id, performance.now());
  setTimeout(drawOutbox, SLOW_MS + 20);
}

function settled({ id, frame, ok, problem: refused }) {
  sentAt.delete(id);
  const v = socket.session(frame.session);
  if (ok && v.missing && frame.type === 'submit') {
    v.missing = false;
    if (frame.session === current) socket.subscribe(current);
  }
  if (frame.session !== current) {
    if (!ok) toast(`${nameOf(frame.session)}: ${problem(refused).said}`);
    return;
  }
  if (!ok) {
    setProblem(refused);
    // Nothing that was written is lost; what was begun since comes after it.
    if (frame.type === 'submit') fill([frame.input, $('input').value].filter(Boolean).join('\n'));
  }
  draw(new Set([current]));
}

function trouble({ code, detail }) {
  setProblem({ code, title: 'the server did not understand this page', detail });
}

function setProblem(p) {
  $('problem').hidden = !p;
  if (!p) return;
  const { said, advice } = problem(p);
  set($('problem-said'), /[.!?)]$/.test(said) ? said : `${said}.`);
  set($('problem-advice'), advice);
}
$('problem-ok').addEventListener('click', () => { setProblem(null); $('input').focus(); });

function drawStop() {
  const active = view()?.active() ?? null;
  $('stop').disabled = !active || active.status === 'stopping';
  attr($('stop'), 'data-run', active?.run ?? null);
  $('send').disabled = beginning || !$('input').value.trim();
}
$('stop').addEventListener('click', () => {
  // The run is named: a stop that comes late must not stop the next one.
  const id = socket.command({ type: 'cancel', session: current, run: $('stop').dataset.run });
  if (id) later(id);
  $('input').focus();
});
$('queue-list').addEventListener('click', (e) => {
  const run = e.target.closest('button')?.dataset.run;
  if (run) later(socket.command({ type: 'cancel', session: current, run }));
});

$('clear').addEventListener('click', async () => {
  const id = current;
  if (!await question({ title: `Clear ${nameOf(id)}?`, yes: 'Clear',
    text: 'What was said is forgotten, a running answer stops and the queue is emptied. '
      + 'This cannot be undone.' })) return;
  later(socket.command({ type: 'clear', session: id, mode: 'cancel_and_clear' }));
});

$('turns').addEventListener('submit', (e) => {
  e.preventDefault();
  const run = e.target.closest('.turn').dataset.run;
  const field = e.target.querySelector('input');
  later(socket.command({ type: 'answer', session: current, run, input: field.value,
    request_id: e.target.dataset.request }));
  field.value = '';
});
$('turns').addEventListener('click', async (e) => {
  const button = e.target.closest('.copy');
  if (!button) return;
  const { run } = button.closest('.turn').dataset;
  const turn = view().transcript().find((t) => t.run === run);
  try {
    await navigator.clipboard.writeText(turn.texts.map((t) => t.text).join('\n\n'));
    set(button, 'Copied');
    setTimeout(() => set(button, 'Copy'), 1500);
  } catch {
    // No clipboard outside a secure context: leave the words selected, to copy by hand.
    getSelection().selectAllChildren(button.closest('.turn').querySelector('.words'));
    toast('Selected: copy it with the keyboard.');
  }
});

// ---- choices -----------------------------------------------------------------------------------

$('policy').replaceChildren(...POLICIES.map(([value, name]) => new Option(name, value)));
const policy = kept.get('policy');
if (POLICIES.some(([value]) => value === policy)) $('policy').value = policy;
function explain() {
  set($('hint-policy'), POLICIES.find(([value]) => value === $('policy').value)[2]);
}
$('policy').addEventListener('change', () => { kept.set('policy', $('policy').value); explain(); });
$('model').addEventListener('change', () => kept.set('model', $('model').value));

let firstModel = null;

async function models() {
  try {
    const { data } = await read('/v1/models');
    const names = data.map((m) => m.id);
    firstModel = names[0] ?? null;
    for (const d of drawn.values()) d.seen = '';
    draw(new Set([current]));
    $('model').replaceChildren(...names.map((name, i) => new Option(name, i ? name : '')));
    const chosen = kept.get('model') ?? '';
    $('model').value = names.slice(1).includes(chosen) ? chosen : '';
  } catch {
    $('model').replaceChildren(new Option('the first one', '')); // what is sent without a name
  }
  $('model-row').hidden = $('model').options.length < 2;
}

// ---- the list of sessions ----------------------------------------------------------------------

const LIST_MS = 3000;
const MANY_MS = 15_000;
const SHOWN = 300;
const listing = { ok: false, timer: 0, busy: false };

async function list() {
  if (listing.busy) return;
  listing.busy = true;
  clearTimeout(listing.timer);
  try {
    const { items, next } = await readAll('/v1/sessions');
    listing.ok = true;
    const before = listed;
    listed = new Map(items.map((item) => [item.id, item]));
    // Deleted elsewhere while we look at it.
    if (!next && current !== null && before.has(current) && !listed.has(current)) {
      const v = view();
      v.reset(null);
      v.missing = true;
      draw(new Set([current]));
    }
    drawList();
    drawHead(view());
  } catch (error) {
    listing.ok = false;
    if (error instanceof NoToken) {
      set($('list-empty'), 'The sessions are shown only with the token. Reload to give it.');
      $('list-empty').hidden = false;
      return;
    }
    if (error.problem) {
      const { said, advice } = problem(error.problem);
      set($('list-empty'), `${said}. ${advice}`);
      $('list-empty').hidden = false;
    }
  } finally {
    listing.busy = false;
  }
  const wait = document.hidden || listed.size > 200 ? MANY_MS : LIST_MS;
  listing.timer = setTimeout(list, wait);
}
document.addEventListener('visibilitychange', () => { if (!document.hidden) list(); });

const entries = new Map(); // id -> node

function drawList() {
  const words = $('find').value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [...listed.values()].filter((s) => {
    const text = `${nameOf(s.id)} ${s.id}`.toLowerCase();
    return words.every((word) => text.includes(word));
  }).sort((a, b) => (a.created < b.created ? 1 : -1));
  const shown = found.slice(0, SHOWN);
  let next = $('list').firstElementChild;
  const live = new Set(shown.map((s) => s.id));
  for (const s of shown) {
    const node = entry(s);
    if (node === next) next = next.nextElementSibling; else $('list').insertBefore(node, next);
  }
  for (const [id, node] of entries) if (!live.has(id)) { node.remove(); entries.delete(id); }
  set($('sessions-count'), found.length > SHOWN
    ? `${count(listed.size)}, the newest ${SHOWN} shown` : count(listed.size));
  $('list-empty').hidden = shown.length > 0;
  if (listing.ok) set($('list-empty'), listed.size ? 'None is called so.' : 'None yet.');
}

function entry(s) {
  let node = entries.get(s.id);
  if (!node) {
    node = from('t-session');
    node.dataset.id = s.id;
    node.querySelector('a').href = hashOf(s.id);
    attr(node.querySelector('button'), 'aria-label', `Delete ${nameOf(s.id)}`);
    entries.set(s.id, node);
  }
  attr(node.querySelector('a'), 'aria-current', s.id === current ? 'true' : null);
  set(node.querySelector('.entry-name'), String(nameOf(s.id)));
  const busy = s.slot?.state !== 'idle';
  attr(node, 'data-state', busy ? s.slot.phase ?? s.slot.state : 'idle');
  const queue = s.queue?.length ? `, ${count(s.queue.length)} queued` : '';
  set(node.querySelector('.entry-state'), busy
    ? `${s.slot.phase ? phase(s.slot.phase) : s.slot.state}${queue}` : when(s.created));
  return node;
}
const when = (at) => {
  const t = new Date(at);
  return t.toDateString() === new Date().toDateString() ? clock(at).slice(0, 5)
    : t.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
};
$('find').addEventListener('input', drawList);

$('list').addEventListener('click', async (e) => {
  const node = e.target.closest('.entry');
  if (!node) return;
  const { id } = node.dataset;
  if (e.target.closest('a')) {
    if (e.ctrlKey || e.metaKey || e.shiftKey) return;
    e.preventDefault();
    go(id);
    $('input').focus();
    return;
  }
  if (!e.target.closest('button')) return;
  if (!await question({ title: `Delete ${nameOf(id)}?`, yes: 'Delete',
    text: 'The session and what was said in it are gone for everybody; a running answer stops.',
  })) return;
  try {
    await ask(`/v1/sessions/${segment(id)}?mode=cancel`, { method: 'DELETE' });
    listed.delete(id);
    if (id === current) go(null);
    drawList();
    list();
  } catch (error) {
    toast(error.problem ? problem(error.problem).said : 'The server cannot be reached.');
  }
});
$('new').addEventListener('click', () => { go(null); $('input').focus(); });

// ---- the list on a narrow screen ---------------------------------------------------------------

function openDrawer() {
  document.body.classList.add('drawer');
  attr($('drawer'), 'aria-expanded', 'true');
  $('shade').hidden = false;
  $('new').focus();
}
function closeDrawer() {
  if (!document.body.classList.contains('drawer')) return;
  document.body.classList.remove('drawer');
  attr($('drawer'), 'aria-expanded', 'false');
  $('shade').hidden = true;
  $('drawer').focus();
}
$('drawer').addEventListener('click', openDrawer);
$('shade').addEventListener('click', closeDrawer);
addEventListener('keydown', (e) => { if (e.key === 'Escape') closeDrawer(); });
document.querySelector('.skip').addEventListener('click', (e) => {
  e.preventDefault(); // the hash is the session's
  $('input').focus();
});

// ---- go ----------------------------------------------------------------------------------------

explain();
models();
list();
show(inHash());
socket.start();
if (matchMedia('(pointer: fine)').matches) $('input').focus();
addEventListener('pagehide', () => {
  kept.set(`draft ${current ?? ''}`, $('input').value || null, sessionStorage);
});
setInterval(() => { drawLink(); drawState(view()); }, 1000);
