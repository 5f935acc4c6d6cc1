// The words of a comment, made fit to show.

// One line of at most so many code points, for the stage.
export function shorten(message, longest) {
  const points = [...message.replace(/\s+/g, ' ')];
  return points.length > longest ? `${points.slice(0, longest - 1).join('')}…` : points.join('');
}

// Whether marks are piled on a letter, higher than any script does: such text
// would scribble over its neighbours and is clipped. Only such text is, because
// a clip for each row makes every frame dearer.
export function scribbled(text) {
  return /\p{M}{4}/u.test(text);
}

// The first character as a reader sees it: an emoji of several code points is one.
export function initial(name) {
  if (!Intl.Segmenter) return [...name][0] ?? '';
  return new Intl.Segmenter().segment(name)[Symbol.iterator]().next().value?.segment.toUpperCase() ?? '';
}
