// Comments that wait for a moderator, oldest first, over the list.

import { make, makeButton } from './dom.js';
import { explain } from './explain.js';
import { Panel } from './panel.js';
import { Row } from './row.js';

const REASONS = { 'word-list': 'word list', link: 'link', webhook: 'checked by the site' };

// A row of the queue has no buttons of its own.
const PLAIN = { isOwn: () => false, first: () => undefined };

export class Queue {
  #element;
  #panel;
  #room;
  #badge;
  #waiting = new Map(); // id → the row's element

  // badge(n) shows how many wait
  constructor(element, behind, room, badge) {
    this.#element = element;
    this.#room = room;
    this.#badge = badge;
    this.#panel = new Panel(element, behind);
    this.#count();
  }

  show(from) {
    this.#panel.show(from);
  }

  close() {
    this.#panel.close();
  }

  add(comment) {
    if (typeof comment?.id !== 'string' || this.#waiting.has(comment.id)) return;
    const row = new Row({ ...comment, held: true, reactions: {} }, PLAIN, { threaded: true });
    row.element.querySelector('.badge').textContent = REASONS[comment.reason] ?? comment.reason ?? 'held';
    const approve = makeButton('approve', 'Approve', '', () => this.#decide(comment.id, 'approve'));
    const reject = makeButton('reject', 'Reject', '', () => this.#decide(comment.id, 'reject'));
    const choices = make('div', 'verdict');
    choices.append(approve, reject);
    row.element.append(choices);
    this.#waiting.set(comment.id, row.element);
    this.#list.append(row.element);
    this.#count();
  }

  remove(id) {
    const element = this.#waiting.get(id);
    if (!element) return;
    if (element.contains(document.activeElement)) {
      const next = element.nextElementSibling ?? element.previousElementSibling ?? this.#element;
      next.querySelector('button').focus();
    }
    element.remove();
    this.#waiting.delete(id);
    this.#count();
  }

  clear() {
    for (const id of [...this.#waiting.keys()]) this.remove(id);
  }

  get #list() {
    return this.#element.querySelector('.rows');
  }

  async #decide(id, verdict) {
    const buttons = this.#waiting.get(id).querySelectorAll('button');
    for (const button of buttons) button.disabled = true;
    try {
      await this.#room[verdict](id);
      this.#say('');
      this.remove(id);
    } catch (problem) {
      for (const button of buttons) button.disabled = false;
      this.#say(problem.status === 404 ? 'Another moderator was faster.' : explain(problem));
      if (problem.status === 404) this.remove(id);
    }
  }

  #count() {
    this.#element.querySelector('.when-none').hidden = this.#waiting.size > 0;
    this.#badge(this.#waiting.size);
  }

  #say(text) {
    this.#element.querySelector('.panel-note').textContent = text;
  }
}
