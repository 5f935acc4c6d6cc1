// What a moderator can do about a comment beyond deleting it: a menu beside it.

import { makeButton } from './dom.js';

const MUTES = [
  ['Mute for 1 minute', 60],
  ['Mute for 10 minutes', 600],
  ['Mute for 1 hour', 3600],
  ['Mute for good', 0],
];
const MARGIN = 8; // px to the edges of the window

export class Menu {
  #element;
  #from = null;
  #on;

  // on: { mayPin(), isPinned(comment), pin(comment), unpin(), mute(comment, seconds), unmute(comment) }
  constructor(element, on) {
    this.#element = element;
    this.#on = on;
    element.addEventListener('keydown', (event) => this.#pressed(event));
    element.addEventListener('focusout', (event) => {
      if (!element.contains(event.relatedTarget)) this.close();
    });
    addEventListener('resize', () => this.close());
    document.addEventListener('scroll', () => this.close(), { capture: true, passive: true });
  }

  show(comment, from) {
    if (!this.#element.hidden) return this.close();
    this.#from = from;
    this.#element.replaceChildren(...this.#items(comment));
    this.#element.hidden = false;
    const { width, height } = this.#element.getBoundingClientRect();
    const beside = from.getBoundingClientRect();
    const below = beside.bottom + 4 + height <= innerHeight - MARGIN;
    this.#element.style.left = `${Math.max(MARGIN, beside.right - width)}px`;
    this.#element.style.top = `${Math.max(MARGIN, below ? beside.bottom + 4 : beside.top - height - 4)}px`;
    this.#element.firstElementChild.focus({ preventScroll: true });
  }

  close() {
    this.#element.hidden = true;
  }

  #items(comment) {
    const item = (words, act) => {
      const button = makeButton('item', words, '', () => {
        this.#from?.focus({ preventScroll: true });
        this.close();
        act();
      });
      button.role = 'menuitem';
      button.tabIndex = -1;
      return button;
    };
    const items = MUTES.map(([words, seconds]) => item(words, () => this.#on.mute(comment, seconds)));
    items.push(item('Unmute', () => this.#on.unmute(comment)));
    if (this.#on.mayPin() && this.#on.isPinned(comment)) items.unshift(item('Unpin', () => this.#on.unpin()));
    else if (this.#on.mayPin()) items.unshift(item('Pin for everybody', () => this.#on.pin(comment)));
    return items;
  }

  #pressed(event) {
    const items = [...this.#element.children];
    const at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to !== undefined) items.at(to % items.length).focus();
    else if (event.key === 'Escape' || event.key === 'Tab') {
      this.#from?.focus({ preventScroll: true });
      this.close();
    } else return;
    event.preventDefault();
  }
}
