// One comment in a list. Its words only ever go in as text.

import { confirming, make, makeButton } from './dom.js';
import { nameOf, picture, short } from './emoji.js';
import { tint } from './tint.js';
import { initial, scribbled, shorten } from './words.js';

const EXCERPT = 48; // code points of the comment that a reply answers

const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const dayAndClock = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', hour: 'numeric', minute: '2-digit' });
const precise = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

export class Row {
  #act;
  #name;
  #marks = make('div', 'marks');
  #tools = make('div', 'tools');

  // act: {
  //   isOwn(comment), mayDelete(comment), mayModerate(), first(comment) → what a reply answers
  //   remove(comment) → promise, react(comment, type), openThread(comment, from), openMenu(comment, from)
  // }
  // In a thread every row is a reply: `threaded` leaves out what says so.
  constructor(comment, act, { threaded = false } = {}) {
    this.comment = comment;
    this.#act = act;
    this.threaded = threaded;
    this.#name = comment.userName || comment.userId;

    this.element = make('li', 'row');
    this.element.dataset.id = comment.id;
    this.element.dataset.tint = tint(comment.userId);
    this.element.tabIndex = -1;
    this.element.classList.toggle('clipped', scribbled(this.#name) || scribbled(comment.message));
    this.element.classList.toggle('held', comment.held === true);

    const avatar = make('span', 'avatar', initial(this.#name));
    avatar.ariaHidden = 'true';
    const meta = make('div', 'meta');
    meta.append(make('bdi', 'name', this.#name), timeOf(comment));
    const text = make('p', 'text', comment.message);
    text.dir = 'auto';
    this.element.append(avatar, meta);
    if (comment.held) meta.append(make('span', 'badge', 'Waiting for approval'));
    if (comment.parentId && !threaded) this.element.append(this.#answered());
    this.element.append(text, this.#marks, this.#tools);
    this.refresh();
  }

  // Makes what can be pressed reachable by the Tab key, or not: only one row's is.
  set reachable(yes) {
    this.element.tabIndex = yes ? 0 : -1;
    for (const button of this.element.querySelectorAll('button')) button.tabIndex = yes ? 0 : -1;
  }

  // Shows what the user may do, and what was counted.
  refresh() {
    this.element.classList.toggle('own', this.#act.isOwn(this.comment));
    this.#tools.replaceChildren(...(this.comment.held ? [] : this.#buttons()));
    this.recount();
  }

  recount() {
    const { reactions = {}, replyCount = 0 } = this.comment;
    const marks = Object.entries(reactions).filter(([, n]) => n > 0).map(([type, n]) => this.#reactionMark(type, n));
    if (replyCount > 0 && !this.threaded) {
      const words = `${short.format(replyCount)} ${replyCount === 1 ? 'reply' : 'replies'}`;
      marks.push(makeButton('mark replies', words, '', (event) => this.#act.openThread(this.comment, event.currentTarget)));
    }
    this.#marks.replaceChildren(...marks);
    this.#marks.hidden = !marks.length;
    this.reachable = this.element.tabIndex === 0;
  }

  #reactionMark(type, n) {
    const label = `${nameOf(type)}: ${n}. Add yours`;
    const button = makeButton('mark', '', label, () => this.#act.react(this.comment, type).catch(() => {}));
    button.append(make('span', 'face', picture(type)), ` ${short.format(n)}`);
    return button;
  }

  #buttons() {
    const { comment } = this;
    const of = ` the comment of ${this.#name}`;
    const like = () => this.#act.react(comment, 'like').catch(() => {}); // said where it failed
    const buttons = [makeButton('tool like', picture('like'), `Like${of}`, like)];
    if (!this.threaded) {
      const reply = makeButton('tool reply', '↩', `Reply to${of}`, (event) => this.#act.openThread(comment, event.currentTarget));
      reply.append(make('span', 'tool-word', 'Reply'));
      buttons.push(reply);
    }
    if (this.#act.mayDelete(comment)) {
      const remove = makeButton('tool remove', '', '', () => {});
      confirming(remove, () => ['Delete', 'Really delete?'], () => this.#act.remove(comment));
      buttons.push(remove);
    }
    if (this.#act.mayModerate()) {
      const more = makeButton('tool more', '⋯', `More for${of}`, (event) => this.#act.openMenu(comment, event.currentTarget));
      more.ariaHasPopup = 'menu';
      buttons.push(more);
    }
    return buttons;
  }

  // What this comment answers, as a way to its thread.
  #answered() {
    const first = this.#act.first(this.comment);
    const words = first ? `${first.userName || first.userId}: ${first.message}` : 'in a thread';
    const button = makeButton('answers', `↪ ${shorten(words, EXCERPT)}`, '', (event) => {
      this.#act.openThread(this.comment, event.currentTarget);
    });
    button.dir = 'auto';
    return button;
  }
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
