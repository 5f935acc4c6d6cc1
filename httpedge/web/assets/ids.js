// Ids are 64-bit numbers written as decimal strings. Number would round them,
// so they are compared as text: the longer one is the larger one.

export function compareIds(a, b) {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

export function newer(a, b) {
  if (!a) return b;
  if (!b) return a;
  return compareIds(a, b) >= 0 ? a : b;
}

// A key for Idempotency-Key. crypto.randomUUID would need a secure context,
// and the page is also opened as http://192.168.… on a home network.
export function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}
