// @ts-check
// Ids are 64-bit numbers written as decimal strings. Number would round them,
// so they are compared as text: the longer one is the larger one.

/**
 * @param {string} a
 * @param {string} b
 * @returns {number} negative, 0 or positive, as sort() wants it
 */
export function compareIds(a, b) {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * @param {string} a '' if there is none
 * @param {string} b '' if there is none
 */
export function newer(a, b) {
  if (!a) return b;
  if (!b) return a;
  return compareIds(a, b) >= 0 ? a : b;
}

/**
 * A key for Idempotency-Key. crypto.randomUUID would need a secure context, and
 * pages are also opened as http://192.168.… on a home network.
 */
export function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}
