// How reactions look, and what they are called. A type that has no picture here
// is shown as it is: it may be an emoji itself.

const KNOWN = {
  like: ['👍', 'Like'],
  love: ['❤️', 'Love'],
  laugh: ['😂', 'Laugh'],
  wow: ['😮', 'Wow'],
  sad: ['😢', 'Sad'],
  clap: ['👏', 'Clap'],
  fire: ['🔥', 'Fire'],
};

export function picture(type) {
  return Object.hasOwn(KNOWN, type) ? KNOWN[type][0] : type;
}

export function nameOf(type) {
  return Object.hasOwn(KNOWN, type) ? KNOWN[type][1] : type;
}

// Short enough for a button: 1234 is 1.2K.
export const short = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 });
