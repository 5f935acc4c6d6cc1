// A thread: one comment and its replies, oldest first, over the list.

import { Comments } from './comments.js';
import { explain } from './explain.js';
import { Panel } from './panel.js';
import { Row } from './row.js';
import { bindRowKeys, keepReachable } from './rowkeys.js';

const PAGE = 50;

export class Thread {
  #element;
  #panel;
  #room;
  #act;
  #rows = new Map(); // id → Row
  #replies = new Comments();
  #first = null; // the thread's first comment
  #cursor = ''; // of the next page; null: all replies are there

  // on: { opened(first), closed() }
  constructor(element, behind, room, act, on) {
    this.#element = element;
    this.#room = room;
    this.#act = act;
    this.on = on;
    this.#panel = new Panel(element, behind, () => {
      this.#first = null;
      on.closed();
    });
    this.#more.addEventListener('click', () => this.#load());
    bindRowKeys(this.#list, () => this.#rows);
  }

  // Opens the thread that a comment is in. `known` is its first comment, if the page has it.
  async show(comment, known, from) {
    const id = comment.parentId || comment.id;
    this.#clear();
    this.#panel.show(from);
    this.#say('Loading…');
    try {
      const first = known ?? (await this.#room.comment(id));
      this.#first = { ...first };
      this.#draw();
      this.on.opened(first);
      await this.#load();
    } catch (problem) {
      this.#say(problem.status === 404 ? 'The first comment of this thread was deleted.' : explain(problem));
    }
  }

  close() {
    this.#panel.close();
  }

  // A comment came in, live.
  add(comment) {
    if (!this.#first || comment.parentId !== this.#first.id) return;
    // Before the last page is there, it would leave a hole; it comes with that page.
    if (this.#cursor !== null && !comment.held) return;
    this.#replies.add([comment]);
    this.#draw();
    if (this.#act.isOwn(comment)) this.#list.lastElementChild.scrollIntoView({ block: 'nearest' });
  }

  remove(id) {
    if (id === this.#first?.id) return this.close();
    if (this.#replies.remove(id)) this.#draw();
  }

  recount(id, reactions) {
    const row = this.#rows.get(id);
    if (!row) return;
    row.comment.reactions = reactions;
    row.recount();
  }

  refreshAll() {
    for (const row of this.#rows.values()) row.refresh();
  }

  get #list() {
    return this.#element.querySelector('.rows');
  }

  get #more() {
    return this.#element.querySelector('.more-replies');
  }

  async #load() {
    const first = this.#first;
    this.#more.disabled = true;
    try {
      const query = { pageSize: PAGE, ...(this.#cursor && { cursor: this.#cursor }) };
      const { comments, held = [], nextCursor } = await this.#room.repliesPage(first.id, query);
      if (this.#first !== first) return;
      this.#replies.add([...comments, ...held.filter((c) => this.#act.isOwn(c))]);
      this.#cursor = nextCursor;
      this.#say('');
      this.#draw();
    } catch (problem) {
      if (this.#first === first) this.#say(explain(problem));
    }
    this.#more.disabled = false;
  }

  #draw() {
    const wanted = [this.#first, ...this.#replies.items];
    const ids = new Set(wanted.map((c) => c.id));
    for (const [id, row] of this.#rows) {
      if (ids.has(id)) continue;
      row.element.remove();
      this.#rows.delete(id);
    }
    wanted.forEach((comment, i) => {
      let row = this.#rows.get(comment.id);
      if (!row) this.#rows.set(comment.id, (row = new Row(comment, this.#act, { threaded: true })));
      if (this.#list.children[i] !== row.element) this.#list.insertBefore(row.element, this.#list.children[i] ?? null);
    });
    keepReachable(this.#list, this.#rows);
    const none = this.#cursor === null && !this.#replies.items.length;
    if (none) this.#say('No replies yet.');
    else if (this.#element.querySelector('.panel-note').textContent === 'No replies yet.') this.#say('');
    this.#more.hidden = !this.#cursor;
  }

  #clear() {
    this.#first = null;
    this.#cursor = '';
    this.#rows.clear();
    this.#list.replaceChildren();
    this.#replies = new Comments();
    this.#more.hidden = true;
  }

  #say(text) {
    this.#element.querySelector('.panel-note').textContent = text;
  }
}
