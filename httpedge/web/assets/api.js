// Calls to the server, and its refusals as one kind of error.
// Paths are relative to the page, so that it also works behind a path prefix.

const BASE = new URL('.', document.baseURI);

// Longer than the server's own deadline for a post whose owner is being replaced.
const TIMEOUT_MS = 20_000;

// A refused or failed call. status 0: the server could not be reached.
export class Problem extends Error {
  constructor(status, detail = '', retryAfterSeconds = 0) {
    super(detail || `status ${status}`);
    this.status = status;
    this.detail = detail;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export function url(path, query = {}) {
  const u = new URL(path, BASE);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') u.searchParams.set(name, value);
  }
  return u;
}

// Answers the parsed body (null for 204) or throws a Problem.
export async function call(path, { method = 'GET', query, body, token, key } = {}) {
  const headers = { Accept: 'application/json' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (token) headers.Authorization = `Bearer ${token}`;
  if (key) headers['Idempotency-Key'] = key;
  try {
    const response = await fetch(url(path, query), {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
      cache: 'no-store',
    });
    if (!response.ok) throw await refusal(response);
    return response.status === 204 ? null : await response.json();
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem(0, String(error.message ?? error));
  }
}

async function refusal(response) {
  const problem = await response.json().catch(() => ({}));
  return new Problem(response.status, problem.detail || problem.title, retryAfter(response));
}

// Retry-After is a number of seconds or a date.
function retryAfter(response) {
  const value = response.headers.get('Retry-After');
  if (!value) return 0;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Math.max(0, Math.ceil(seconds || 0));
}

// What a refusal means to the person who wrote the comment.
export function explain(problem) {
  const wait = problem.retryAfterSeconds;
  switch (problem.status) {
    case 0:
      return 'The server can’t be reached.';
    case 400:
      return `The server did not accept this: ${problem.detail}`;
    case 401:
      return 'You are signed out. Choose a name to go on.';
    case 403:
      return 'You are not allowed to do this here. A moderator may have muted you for a while.';
    case 404:
      return 'This is not here any more.';
    case 409:
      return 'This live video has ended, so it takes no more comments.';
    case 413:
      return 'This comment is too large. Shorten it and post it again.';
    case 429:
      return wait
        ? `A little too fast. You can post again in ${wait} s.`
        : 'A little too fast. Wait a moment and post it again.';
    case 503:
      return 'The server can’t save comments right now.';
    default:
      return `Something went wrong (${problem.status}). ${problem.detail}`;
  }
}
