// A user's colour: the same on the stage and in the list, one of a few calm ones.

const TINTS = 7;

export function tint(userId) {
  let hash = 0;
  for (let i = 0; i < userId.length; i++) hash = (Math.imul(hash, 31) + userId.charCodeAt(i)) >>> 0;
  return String(((hash ^ (hash >>> 15)) >>> 0) % TINTS);
}
