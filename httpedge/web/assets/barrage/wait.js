// @ts-check
// How long to wait before trying again.

const FIRST_MS = 1000;
const LONGEST_MS = 30_000;

/**
 * Doubling, with half of it random so that viewers don't return all at once.
 * @param {number} failures before
 * @returns {number} milliseconds
 */
export function backoff(failures) {
  const whole = Math.min(LONGEST_MS, FIRST_MS * 2 ** failures);
  return whole / 2 + Math.random() * (whole / 2);
}

/**
 * @param {number} ms
 * @param {AbortSignal} [signal] rejects with its reason
 * @returns {Promise<void>}
 */
export function sleep(ms, signal) {
  return new Promise((done, failed) => {
    if (signal?.aborted) return failed(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      failed(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      done();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
