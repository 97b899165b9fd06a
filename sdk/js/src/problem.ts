// spec/issuance.md and spec/mpin.md "Calls": JSON over HTTP, refusals as problems (RFC 9457).

import { need, Refused } from './encoding.js';

const PREFIX = 'urn:milagro:problem:';
const TIMEOUT = 20_000;

/** A refusal of a server, or of the network on the way to it. */
export class Problem extends Error {
  readonly kind: string;
  readonly status: number;
  readonly detail: string;
  readonly hint: string;
  readonly time: number | undefined;
  readonly retryAfter: number | undefined;

  /**
   * @param kind as the pages list them; `unreachable` when no answer came, `not-a-problem` when none of ours did
   * @param more time in unix seconds is the server's; retryAfter in seconds
   */
  constructor(kind: string, more: { status?: number, detail?: string, hint?: string, time?: number, retryAfter?: number } = {}) {
    super(more.detail ? `${kind}: ${more.detail}` : kind);
    this.name = 'Problem';
    this.kind = kind;
    this.status = more.status ?? 0;
    this.detail = more.detail ?? '';
    this.hint = more.hint ?? '';
    this.time = more.time;
    this.retryAfter = more.retryAfter;
  }
}

async function problemOf(response: Response): Promise<Problem> {
  const status = response.status;
  const retryAfter = Number(response.headers.get('Retry-After')) || undefined;
  try {
    const p = await response.json();
    need(typeof p.type === 'string' && p.type.startsWith(PREFIX), 'not a problem of ours');
    const str = (v: unknown): string => (typeof v === 'string' ? v.slice(0, 1000) : '');
    const time = Number.isSafeInteger(p.time) ? p.time : undefined;
    return new Problem(p.type.slice(PREFIX.length), { status, detail: str(p.detail), hint: str(p.hint), time, retryAfter });
  } catch {
    return new Problem('not-a-problem', { status, detail: `HTTP ${status}`, retryAfter });
  }
}

/** Members of a JSON object, of which nothing is known yet. */
export type Answer = Record<string, unknown>;

/** One call: without a body it is a GET. It returns the answer's JSON object, or throws a Problem. */
export type Call = (path: string, body?: object, more?: { bearer?: string }) => Promise<Answer>;

/** Makes calls to one origin. Redirects are refused, and no cookies go along. */
export const caller = (origin: string, fetcher: typeof fetch = (...a) => fetch(...a)): Call => async (path, body, more = {}) => {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (body) headers['Content-Type'] = 'application/json';
  if (more.bearer) headers.Authorization = `Bearer ${more.bearer}`;
  let response: Response;
  try {
    response = await fetcher(origin + path, {
      method: body ? 'POST' : 'GET', headers, body: body && JSON.stringify(body), redirect: 'error', cache: 'no-store',
      credentials: 'omit', referrerPolicy: 'no-referrer', signal: AbortSignal.timeout(TIMEOUT),
    });
  } catch (e) {
    throw new Problem('unreachable', { detail: e instanceof Error ? e.message : '' });
  }
  if (!response.ok) throw await problemOf(response);
  try {
    if (response.status === 202 || response.status === 204) return {};
    const answer = await response.json();
    need(typeof answer === 'object' && answer !== null, 'answer: not an object');
    return answer;
  } catch (e) {
    if (e instanceof Refused) throw e;
    throw new Problem('not-a-problem', { status: response.status, detail: 'the answer is not JSON' });
  }
};
