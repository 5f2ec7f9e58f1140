// In what words? Problems, policies and ends as a person would say them, and the little formatting
// that answers get. Text in, text out: what the words look like is the page's affair.

/** What a message does that is sent while an answer runs: its name, what it says, what it means. */
export const POLICIES = [
  ['enqueue', 'waits its turn', 'It is answered after what is running and what waits already.'],
  ['interrupt', 'stops the answer', 'The answer stops and what it said is kept; then comes yours.'],
  ['rollback', 'takes the question back',
    'The running question and its answer are undone; then comes yours.'],
  ['steer', 'steers the answer',
    'The running answer gets it as a hint; should that end first, yours is next.'],
  ['reject', 'is refused', 'It is not taken while an answer runs; your words stay in the field.'],
];

/** How an answer that did not simply succeed came to its end. */
const ENDS = {
  failed: 'failed',
  cancelled: 'stopped',
  superseded: 'stopped for a newer message',
  rolled_back: 'taken back: neither the question nor the answer is remembered',
  timed_out: 'stopped: it took too long',
  lost: 'lost: the server stopped while it ran',
  consumed: 'given to the running answer',
};
const LIVE = {
  starting: 'starting', running: 'answering', awaiting_input: 'waits for you', stopping: 'stopping',
  queued: 'in the queue',
};
export const ended = (status, reason, begun = true) => {
  if (status === 'cancelled' && !begun) return 'cancelled before it began';
  if (status === 'cancelled' && reason === 'cleared') return 'stopped by a clear';
  return ENDS[status] ?? null;
};
export const phase = (status) => LIVE[status] ?? status ?? '';

/** What to do about a problem, by its code. */
const ADVICE = {
  'session-busy': 'Wait for the answer, stop it, or choose below what a message does meanwhile.',
  'queue-full': 'Wait until one of the queue is answered, or take one out of it.',
  'idempotency-mismatch': 'Send it again: it counts as a new message.',
  'no-such-session': 'It was deleted, or never was. Begin a new one.',
  'session-unreadable': 'What is stored is kept as it is: whoever runs the server must look at it.',
  'lock-timeout': 'The server is very busy. Send it again in a moment.',
  'draining-zombies': 'Answers that do not stop hold the server up. Try again later.',
  'shutting-down': 'The server is about to stop. Send it again when it is back.',
  'store-full': 'The disk of the server is full. Whoever runs it must make room.',
  'store-failed': 'The server could not store it, so it did not take it. Send it again.',
  'too-many-sessions': 'Delete sessions that are no longer needed.',
  'too-many-connections': 'Close some of the windows that are open on this server.',
  'too-large': 'Make it shorter.',
  'memory-full': 'Clear the session, or begin a new one.',
  'too-many-subscriptions': 'Look at fewer sessions at once.',
  'not-awaiting': 'The answer does not wait for this any more.',
  'already-answered': 'Somebody answered it before you.',
  'already-started': 'It is being answered already: stop it instead.',
  'rate': 'Wait a moment, then send it again.',
  'bad-frame': 'This page and the server do not understand each other. Reload the page.',
};
const BY_STATUS = { 413: 'Make it shorter.', 429: 'Wait a moment, then try again.',
  401: 'Reload the page and give the token.', 403: 'The server takes no changes from this page.',
  404: 'Perhaps it was deleted meanwhile.', 503: 'Try again in a moment.' };

/** `{said, advice}` of a problem body, an error frame or an exception. */
export function problem(p) {
  if (!p) return { said: 'Something went wrong.', advice: 'Try again.' };
  const title = p.title ?? p.message ?? p.code ?? 'Something went wrong';
  const detail = p.detail && p.detail !== title ? `: ${p.detail}` : '';
  const wait = p.retry_after_ms > 0 ? ` (again in ${Math.ceil(p.retry_after_ms / 1000)} s)` : '';
  const said = `${title}${detail}${wait}`;
  return { said: said[0].toUpperCase() + said.slice(1),
    advice: ADVICE[p.code] ?? BY_STATUS[p.status] ?? '' };
}

/** What an answer failed of. */
export function failure(error) {
  if (!error) return '';
  if (typeof error === 'string') return error;
  const attempts = Array.isArray(error.attempts) ? error.attempts.length : error.attempts;
  const tried = attempts > 1 ? ` (${attempts} attempts)` : '';
  return `${error.message ?? error.code ?? ''}${tried}`;
}

/** What an answer asks for: in its own words, or the result of a tool that it calls. */
export function asked(prompt) {
  if (prompt?.name) {
    return `The answer calls ${prompt.name}(${prompt.arguments ?? ''}). What does that give?`;
  }
  if (prompt === undefined || prompt === null) return 'The answer waits for you.';
  return typeof prompt === 'string' ? prompt : JSON.stringify(prompt);
}

/** A title for a session from what was said first in it. */
export function titleOf(input) {
  const line = input.trim().split(/\s+/).join(' ');
  return [...line].length <= 60 ? line : `${[...line].slice(0, 59).join('').trimEnd()}…`;
}

/** Paragraphs and fenced code, in order: `{code, language?, text}`. A fence that is still open is
 *  code already, so that a streamed answer does not jump when it closes. */
export function blocks(text) {
  const out = [];
  let plain = [];
  let fence = null;
  const flush = () => {
    const joined = plain.join('\n').replace(/^\n+|\s+$/g, '');
    plain = [];
    for (const part of joined.split(/\n{2,}/)) if (part) out.push({ code: false, text: part });
  };
  for (const line of text.split('\n')) {
    const mark = /^ {0,3}(`{3,}|~{3,})\s*([^`\s]*)[^`]*$/.exec(line);
    if (fence && mark && mark[1].startsWith(fence.mark) && !mark[2]) {
      out.push({ code: true, language: fence.language, text: fence.lines.join('\n') });
      fence = null;
    } else if (fence) fence.lines.push(line);
    else if (mark) {
      flush();
      fence = { mark: mark[1], language: mark[2], lines: [] };
    } else plain.push(line);
  }
  flush();
  if (fence) out.push({ code: true, language: fence.language, text: fence.lines.join('\n') });
  return out;
}

/** Runs of plain text and of `code` in a paragraph: `[code?, text]`. */
export function inline(text) {
  const out = [];
  let last = 0;
  for (const hit of text.matchAll(/(?<!`)(`+)(?!`)([^\n]+?)(?<!`)\1(?!`)/g)) {
    if (hit.index > last) out.push([false, text.slice(last, hit.index)]);
    out.push([true, hit[2]]);
    last = hit.index + hit[0].length;
  }
  if (last < text.length) out.push([false, text.slice(last)]);
  return out;
}

/** The last line of a text, for where there is room for one. */
export function lastLine(text) {
  const lines = text.trimEnd().split('\n');
  return lines.at(-1).trim();
}
