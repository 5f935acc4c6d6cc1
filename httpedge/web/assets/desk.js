// The moderators' desk: who waits, slow mode, the end of the video.

import { confirming } from './dom.js';
import { lasting } from './composer.js';
import { short } from './emoji.js';

const SLOW_SECONDS = [0, 5, 10, 30, 60, 300];

export class Desk {
  #element;
  #queue;
  #slow;
  #end;
  #relabel;
  #ended = false;

  // on: { openQueue(from), setSlow(seconds) → promise, setEnded(yes) → promise }
  constructor(element, on) {
    this.#element = element;
    this.#queue = element.querySelector('.open-queue');
    this.#slow = element.querySelector('select');
    this.#end = element.querySelector('.end');
    this.#queue.addEventListener('click', () => on.openQueue(this.#queue));
    this.slowSeconds = 0;
    this.#slow.addEventListener('change', async () => {
      this.#slow.disabled = true;
      const before = this.#slow.dataset.now;
      await on.setSlow(Number(this.#slow.value)).catch(() => (this.#slow.value = before));
      this.#slow.disabled = false;
    });
    const words = () => (this.#ended ? ['Reopen', 'Really reopen?'] : ['End', 'Really end?']);
    this.#relabel = confirming(this.#end, words, () => on.setEnded(!this.#ended));
  }

  set role(role) {
    this.#element.hidden = role !== 'moderator' && role !== 'admin';
    for (const part of this.#element.querySelectorAll('.for-admin')) part.hidden = role !== 'admin';
  }

  set waiting(n) {
    this.#queue.querySelector('.badge').textContent = n ? short.format(n) : '';
    this.#queue.ariaLabel = n ? `Waiting for approval: ${n}` : 'Nothing waits for approval';
    this.#element.classList.toggle('waiting', n > 0);
  }

  set slowSeconds(seconds) {
    const choices = [...new Set([...SLOW_SECONDS, seconds])].sort((a, b) => a - b);
    this.#slow.replaceChildren(...choices.map((s) => new Option(s ? lasting(s) : 'off', s, s === seconds, s === seconds)));
    this.#slow.dataset.now = seconds;
  }

  set ended(yes) {
    if (yes === this.#ended) return;
    this.#ended = yes;
    this.#relabel();
  }
}
