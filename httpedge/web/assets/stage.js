// The stage: comments fly over it from right to left (弹幕).
//
// Each flyer is a recycled element that the compositor moves by one transform
// animation, so a busy main thread doesn't make them stutter. A comment that
// finds no free lane waits a short time; then it is left to the list.

import { Lanes } from './lanes.js';
import { tint } from './tint.js';
import { scribbled, shorten } from './words.js';

const CROSSING_MS = 9000; // at speed 1; wide comments move faster, as everywhere in 弹幕
const STANDING_MS = 4000; // with reduced motion
const LANE_HEIGHT_EM = 1.7;
const LONGEST = 80; // code points shown; the list has all of them
const WAITING = 80; // comments
const WAITING_MS = 2500;
const RETRY_MS = 100; // between looks for free lanes while comments wait
const HURRY = 0.8; // how much faster comments cross when as many wait as may
const POOL = 64; // idle elements kept

export class Stage {
  #box;
  #onSkipped;
  #lanes = new Lanes();
  #laneHeight = 0;
  #width = 0;
  #waiting = []; // { comment, own, since, element?, width? }
  #flying = new Map(); // id → { element, animation }
  #pool = [];
  #frame = 0;
  #retry = 0;
  #hiddenAt = 0;
  #speed = 1;
  #shown = true;
  #still = matchMedia('(prefers-reduced-motion: reduce)');

  constructor(box, { onSkipped = () => {} } = {}) {
    this.#box = box;
    this.#onSkipped = onSkipped;
    new ResizeObserver(() => this.#measure()).observe(box);
    this.#measure();
    this.#still.addEventListener('change', () => this.clear());
    document.addEventListener('visibilitychange', () => (document.hidden ? this.#pause() : this.#resume()));
  }

  // Later comments cross at this speed; those on their way keep theirs.
  set speed(factor) {
    this.#speed = factor;
  }

  set shown(yes) {
    this.#shown = yes;
    if (!yes) this.clear();
  }

  add(comment, own) {
    if (!this.#shown || document.hidden || !this.#lanes.count) return;
    const entry = { comment, own, since: now() };
    if (own) this.#waiting.unshift(entry);
    else this.#waiting.push(entry);
    if (this.#waiting.length > WAITING) this.#skip(this.#waiting.findIndex((e) => !e.own));
    // Others wait already: their turn comes first, and the retry is on its way.
    if (this.#waiting.length === 1 || own) this.#frame ||= requestAnimationFrame(() => this.#launchAll());
  }

  remove(id) {
    const at = this.#waiting.findIndex((entry) => entry.comment.id === id);
    if (at >= 0) this.#discard(this.#waiting.splice(at, 1)[0]);
    this.#flying.get(id)?.animation.finish();
  }

  clear() {
    for (const { animation } of this.#flying.values()) animation.finish();
    for (const entry of this.#waiting.splice(0)) this.#discard(entry);
    this.#lanes.resize(0, 0);
    this.#measure();
  }

  #measure() {
    const { width, height } = this.#box.getBoundingClientRect();
    this.#laneHeight = LANE_HEIGHT_EM * parseFloat(getComputedStyle(this.#box).fontSize);
    const changed = width !== this.#width;
    this.#width = width;
    if (changed && this.#flying.size) this.clear();
    this.#lanes.resize(Math.floor(height / this.#laneHeight), width);
  }

  #launchAll() {
    this.#frame = 0;
    clearTimeout(this.#retry);
    const at = now();
    while (this.#waiting.length && at - this.#waiting[0].since > WAITING_MS) this.#skip(0);
    const lanes = this.#still.matches ? this.#lanes.count : this.#lanes.open(at);
    const ready = this.#waiting.slice(0, lanes);
    this.#dress(ready);
    for (const entry of ready) {
      if (this.#launch(entry, at)) this.#waiting.splice(this.#waiting.indexOf(entry), 1);
    }
    if (!this.#waiting.length) return;
    this.#retry = setTimeout(() => (this.#frame ||= requestAnimationFrame(() => this.#launchAll())), RETRY_MS);
  }

  // Gives entries an element each and measures them: all writes, then all reads,
  // so that the browser lays out once.
  #dress(entries) {
    const fresh = entries.filter((entry) => !entry.element);
    for (const entry of fresh) {
      entry.element = this.#pool.pop() ?? this.#box.appendChild(newFlyer());
      entry.element.textContent = shorten(entry.comment.message, LONGEST);
      entry.element.dataset.tint = tint(entry.comment.userId);
      entry.element.classList.toggle('own', entry.own);
      entry.element.classList.toggle('clipped', scribbled(entry.comment.message));
    }
    for (const entry of fresh) entry.width = Math.ceil(entry.element.getBoundingClientRect().width);
  }

  #launch({ comment, element, width }, at) {
    const still = this.#still.matches;
    const hurry = 1 + (HURRY * this.#waiting.length) / WAITING;
    const speed = ((this.#width + width) / CROSSING_MS) * this.#speed * hurry;
    const lane = still ? this.#lanes.hold(at, STANDING_MS) : this.#lanes.take(at, width, speed);
    if (lane < 0) return false;
    const y = Math.round(lane * this.#laneHeight);
    const animation = still
      ? element.animate(standing(y), { duration: STANDING_MS, fill: 'both' })
      : element.animate(crossing(y, this.#width, width), { duration: (this.#width + width) / speed, fill: 'both' });
    // The start is the time the lane was promised for, not when the compositor gets to it.
    animation.startTime = at;
    animation.onfinish = () => this.#land(comment.id);
    element.dataset.lane = lane;
    element.dataset.id = comment.id;
    this.#flying.set(comment.id, { element, animation });
    return true;
  }

  #land(id) {
    const { element, animation } = this.#flying.get(id) ?? {};
    if (!element) return;
    this.#flying.delete(id);
    animation.cancel();
    this.#recycle(element);
  }

  #skip(at) {
    if (at < 0) return;
    this.#discard(this.#waiting.splice(at, 1)[0]);
    this.#onSkipped();
  }

  #discard(entry) {
    if (entry.element) this.#recycle(entry.element);
  }

  #recycle(element) {
    delete element.dataset.lane;
    delete element.dataset.id;
    if (this.#pool.length < POOL) this.#pool.push(element);
    else element.remove();
  }

  // While the tab is hidden everything stands where it is, and nothing queues up.
  #pause() {
    this.#hiddenAt = now();
    for (const { animation } of this.#flying.values()) {
      const reached = animation.currentTime;
      animation.pause();
      animation.currentTime = reached;
    }
    for (const entry of this.#waiting.splice(0)) this.#discard(entry);
  }

  #resume() {
    const at = now();
    this.#lanes.shift(at - this.#hiddenAt);
    for (const { animation } of this.#flying.values()) animation.startTime = at - animation.currentTime;
  }
}

// The clock of the animations: one value for all that happens in a frame.
function now() {
  return document.timeline.currentTime ?? performance.now();
}

function newFlyer() {
  const element = document.createElement('span');
  element.className = 'flyer';
  element.dir = 'auto';
  return element;
}

function crossing(y, from, width) {
  return [{ transform: `translate3d(${from}px, ${y}px, 0)` }, { transform: `translate3d(${-width}px, ${y}px, 0)` }];
}

function standing(y) {
  const transform = `translate3d(1rem, ${y}px, 0)`;
  return [0, 1, 1, 0].map((opacity, i) => ({ transform, opacity, offset: [0, 0.08, 0.9, 1][i] }));
}
