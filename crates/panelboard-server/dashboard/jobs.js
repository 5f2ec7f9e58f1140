// Which jobs are there, how far are they, and what have they found? The list is read again and again,
// more often while something runs; a result is read once.
import {
  $, NoToken, ask, attr, clock, count, make, question, read, segment, send, set, span, toast,
} from './base.js';
import { readAll } from './socket.js';

const BUSY_MS = 1000;
const IDLE_MS = 4000;
const OVER = new Set(['completed', 'failed', 'stopped', 'lost', 'expired']);
const SHOWN = 200;

/** A provider that fails hard, and another that could serve. */
const EXAMPLE = `[run]
lasts = "5m"
seeds = 5

[[service]]
name = "first"
latency = { kind = "exponential", mean = "400ms" }
episode = [{ kind = "errors", at = "1m", lasts = "90s", after = "150ms" }]

[[service]]
name = "second"
latency = { kind = "exponential", mean = "600ms" }

[[caller]]
name = "app"
calls = ["first", "second"]
rate = 20
retries = 1

[[policy]]
name = "defaults"

[[policy]]
name = "quick"
failure_threshold = 3
recovery_timeout = "5s"
`;

const rows = new Map(); // id -> { node, job }
let chosen = decodeURIComponent(location.hash.slice(1)) || null;
let beside = null; // the job that is compared with it
let timer = 0;

// ---- the list ----------------------------------------------------------------------------------

async function readList() {
  clearTimeout(timer);
  let busy = false;
  try {
    const { items } = await readAll('/v1/jobs', 20);
    $('lost').hidden = true;
    attr($('link'), 'data-link', 'live');
    set($('link-text'), 'live');
    show(items.reverse());
    busy = items.some((job) => !OVER.has(job.state));
  } catch (error) {
    if (!(error instanceof NoToken)) {
      attr($('link'), 'data-link', 'lost');
      set($('link-text'), 'not reachable');
      $('lost').hidden = false;
      set($('lost'), `The server does not answer: ${error.message}. It is tried again.`);
    }
  }
  clearTimeout(timer);
  timer = setTimeout(readList, busy && !document.hidden ? BUSY_MS : IDLE_MS);
}

function show(items) {
  const ids = new Set(items.map((job) => job.id));
  for (const [id, { node }] of rows) if (!ids.has(id)) { node.remove(); rows.delete(id); }
  let next = $('list').firstElementChild;
  for (const job of items.slice(0, SHOWN)) {
    const row = rows.get(job.id) ?? { node: $('t-job').content.firstElementChild.cloneNode(true) };
    const ended = row.job && !OVER.has(row.job.state) && OVER.has(job.state);
    row.job = job;
    rows.set(job.id, row);
    draw(row);
    if (row.node === next) next = next.nextElementSibling;
    else $('list').insertBefore(row.node, next);
    if (job.id === chosen && (ended || shown.job !== job.id)) showFound();
  }
  set($('count'), items.length ? count(items.length) : '');
  $('empty').hidden = items.length > 0;
  set($('empty'), 'None yet. Start one above.');
  if (chosen && !ids.has(chosen)) choose(null);
  drawAbout();
  drawCompare();
}

function draw({ node, job }) {
  const at = (selector) => node.querySelector(selector);
  node.dataset.id = job.id;
  attr(node, 'data-state', job.state);
  attr(node, 'data-stuck', job.stuck ? '' : null);
  attr(node, 'aria-current', job.id === chosen ? 'true' : null);
  set(at('.job-id'), job.id);
  set(at('.job-kind'), job.kind);
  set(at('.state'), job.stuck ? 'does not stop' : job.state);
  const { done = 0, total = 0, eta_ms: eta } = job.progress ?? {};
  const bar = at('progress');
  bar.hidden = OVER.has(job.state) || total === 0;
  bar.value = total ? done / total : 0;
  attr(bar, 'aria-label', `Progress of ${job.id}`);
  const left = job.state === 'running' && eta !== undefined ? `${span(eta)} left`
    : OVER.has(job.state) && job.started ? `took ${span(Date.parse(job.ended) - Date.parse(job.started), true)}` : '';
  set(at('.left-over'), left);
  for (const button of node.querySelectorAll('[data-do]')) {
    const what = button.dataset.do;
    const over = OVER.has(job.state);
    button.hidden = what === 'remove' ? !over
      : over || job.state === 'stopping' || (what === 'pause') === (job.desired === 'pause')
        && what !== 'stop';
    attr(button, 'aria-label', `${button.textContent} job ${job.id}`);
  }
}

// ---- one job -----------------------------------------------------------------------------------

const shown = { job: null, beside: null }; // whose results stand there

function choose(id) {
  chosen = id;
  beside = null;
  history.replaceState(null, '', id ? `#${segment(id)}` : location.pathname);
  for (const row of rows.values()) draw(row);
  showFound();
}

function drawAbout() {
  const job = rows.get(chosen)?.job;
  $('found').hidden = !job;
  if (!job) return;
  set($('h-found'), `Job ${job.id}: ${job.kind}, ${job.state}`);
  const said = [`Taken at ${clock(job.created)}`];
  if (job.started) said.push(`begun at ${clock(job.started)}`);
  if (job.ended) said.push(`ended at ${clock(job.ended)}`);
  if (job.attempt > 1) said.push(`attempt ${job.attempt}`);
  const why = job.error ? `\n${job.error}` : job.state === 'queued' ? '\nIt waits for a place.'
    : job.state === 'paused' ? '\nIt has given its place to others, and goes on when it is resumed.' : '';
  set($('about'), `${said.join(', ')}.${why}`);
}

/** The other jobs of its kind that have a result. */
function drawCompare() {
  const job = rows.get(chosen)?.job;
  const others = job?.state === 'completed' ? [...rows.values()].map((row) => row.job)
    .filter((other) => other.id !== job.id && other.kind === job.kind && other.state === 'completed')
    : [];
  $('compare-row').hidden = others.length === 0;
  const wanted = ['', ...others.map((other) => other.id)];
  const options = [...$('compare').options].map((option) => option.value);
  if (wanted.join() === options.join()) return;
  $('compare').replaceChildren(...wanted.map((id) => {
    const option = make('option', '', id || 'nothing');
    option.value = id;
    return option;
  }));
  $('compare').value = wanted.includes(beside) ? beside : '';
}

async function showFound() {
  drawAbout();
  drawCompare();
  const ids = [chosen, beside].filter((id) => rows.get(id)?.job.state === 'completed');
  Object.assign(shown, { job: chosen, beside });
  if (!ids.length) { $('results').replaceChildren(); return; }
  try {
    const results = await Promise.all(ids.map(result));
    // Another may have been chosen while these came.
    if (shown.job === chosen && shown.beside === beside) $('results').replaceChildren(...results);
  } catch (error) {
    if (!(error instanceof NoToken)) toast(error.message);
  }
}

async function result(id) {
  const path = `/v1/jobs/${segment(id)}/result`;
  const get = async (format) => (await ask(`${path}?format=${format}`, {})).text();
  const [svg, table, report] = await Promise.all([get('svg'), get('table'), read(path)]);
  const node = $('t-result').content.firstElementChild.cloneNode(true);
  const { kind } = rows.get(id).job;
  set(node.querySelector('h3'), `${id}, ${kind}`);
  const image = node.querySelector('img');
  image.src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  image.alt = kind === 'simulation' ? 'Traffic, failures and the breakers’ states over time'
    : 'Wasted calls against wrongly rejected calls, and the breaker’s state over time';
  set(node.querySelector('pre'), table);
  if (report.toml) {
    node.querySelector('.paste').hidden = false;
    node.querySelector('.paste button').addEventListener('click', async () => {
      await navigator.clipboard.writeText(report.toml);
      toast('The settings are copied: paste them into the configuration.');
    });
  }
  return node;
}

$('compare').addEventListener('change', () => { beside = $('compare').value || null; showFound(); });

// ---- by hand -----------------------------------------------------------------------------------

$('list').addEventListener('click', async (e) => {
  const button = e.target.closest('button');
  if (!button) return;
  const { id } = button.closest('.job').dataset;
  const what = button.dataset.do;
  if (!what) { choose(id); return; }
  const path = `/v1/jobs/${segment(id)}`;
  try {
    if (what === 'remove') {
      if (!await question({ title: `Remove job ${id}?`, yes: 'Remove',
        text: 'Its result goes with it. This cannot be undone.' })) return;
      await ask(path, { method: 'DELETE' });
    } else await send(`${path}/${what}`);
  } catch (error) {
    if (!(error instanceof NoToken)) toast(`Job ${id}: ${error.message}`);
  }
  readList();
});

const number = (text) => (text.trim() === '' ? undefined : Number(text));
function args() {
  if ($('kind').value === 'simulation') {
    return { scenario_toml: $('scenario').value, seed: number($('seed').value) };
  }
  const since = number($('since').value);
  const only = $('key').value.trim() || undefined;
  return { by: $('by').value, [only?.includes('/') ? 'key' : 'provider']: only,
    slow: $('slow').value.trim() || undefined,
    since: since && new Date(Date.now() - since * 1000).toISOString() };
}

$('new').addEventListener('submit', async (e) => {
  e.preventDefault();
  $('wrong').hidden = true;
  try {
    const answer = await send('/v1/jobs', { kind: $('kind').value, args: args() });
    const { id } = await answer.json();
    await readList();
    choose(id);
  } catch (error) {
    if (error instanceof NoToken) return;
    $('wrong').hidden = false;
    set($('wrong'), error.problem?.detail ?? error.message);
  }
});
$('kind').addEventListener('change', () => {
  $('of-simulation').hidden = $('kind').value !== 'simulation';
  $('of-analysis').hidden = $('kind').value !== 'analysis';
  $('wrong').hidden = true;
});
document.addEventListener('visibilitychange', () => { if (!document.hidden) readList(); });
addEventListener('hashchange', () => choose(decodeURIComponent(location.hash.slice(1)) || null));

$('scenario').value = EXAMPLE;
readList();
