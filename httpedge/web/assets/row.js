// One comment in the list. Its words only ever go in as text.

import { tint } from './tint.js';
import { initial, scribbled } from './words.js';

const CONFIRM_MS = 4000;

const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const dayAndClock = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', hour: 'numeric', minute: '2-digit' });
const precise = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

export class Row {
  #remove; // the button, once there is one
  #onRemove;

  // onRemove answers a promise that rejects when the comment could not be deleted.
  constructor(comment, onRemove) {
    this.comment = comment;
    this.#onRemove = onRemove;
    const name = comment.userName || comment.userId;

    this.element = make('li', 'row');
    this.element.dataset.id = comment.id;
    this.element.dataset.tint = tint(comment.userId);
    this.element.classList.toggle('clipped', scribbled(name) || scribbled(comment.message));

    const avatar = make('span', 'avatar', initial(name));
    avatar.ariaHidden = 'true';
    this.meta = make('div', 'meta');
    this.meta.append(make('bdi', 'name', name), timeOf(comment));
    const text = make('p', 'text', comment.message);
    text.dir = 'auto';
    this.element.append(avatar, this.meta, text);
  }

  // One's own comments are marked, and can be deleted.
  set own(yes) {
    this.element.classList.toggle('own', yes);
    if (yes && !this.#remove) this.meta.append((this.#remove = this.#removeButton()));
    if (!yes) this.#remove = this.#remove?.remove();
  }

  // The first press asks, the second deletes.
  #removeButton() {
    const button = make('button', 'remove', 'Delete');
    button.type = 'button';
    let timer = 0;
    const ask = (asking) => {
      clearTimeout(timer);
      button.classList.toggle('asking', asking);
      button.textContent = asking ? 'Really delete?' : 'Delete';
      if (asking) timer = setTimeout(ask, CONFIRM_MS, false);
    };
    button.addEventListener('click', async () => {
      if (!button.classList.contains('asking')) return ask(true);
      ask(false);
      button.disabled = true;
      await this.#onRemove().catch(() => (button.disabled = false));
    });
    return button;
  }
}

function make(tag, className, text = '') {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

function timeOf({ createdAt }) {
  const date = new Date(createdAt);
  const valid = !Number.isNaN(date.getTime());
  const today = valid && date.toDateString() === new Date().toDateString();
  const element = make('time', 'time', valid ? (today ? clock : dayAndClock).format(date) : '');
  if (valid) {
    element.dateTime = createdAt;
    element.title = precise.format(date);
  }
  return element;
}
