// The box to write in. What was written stays in it until the server has
// answered that it is saved.

import { Problem } from './barrage.js';
import { randomKey } from './barrage/ids.js';
import { Countdown } from './countdown.js';
import { explain } from './explain.js';

const LONGEST = 500; // code points, after trimming
const COUNT_FROM = 400; // the counter is quiet before

const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });

export class Composer {
  #form;
  #text;
  #count;
  #note;
  #button;
  #rule;
  #replying;
  #room;
  #on;
  #sending = false;
  #ended = false;
  #muted = false;
  #mutedUntil = null; // a Date; null: for good
  #slow = 0; // seconds between two comments, where they count for this user
  #replyTo = null;
  #attempt = { message: '', parentId: '', key: '' }; // the last one tried, and its Idempotency-Key
  #pause; // until the next comment may be posted
  #noted = ''; // id of the held comment that the note is about
  #unmute = 0;

  // on: { token() → promise of one, or of '' if the user would not; signedOut();
  //       posted(comment), ended(), muted(), noReply() }
  constructor(form, room, on) {
    this.#form = form;
    this.#text = form.querySelector('textarea');
    this.#count = form.querySelector('.count');
    this.#note = form.querySelector('.note');
    this.#rule = form.querySelector('.rule');
    this.#button = form.querySelector('[type=submit]');
    this.#replying = form.querySelector('.replying');
    this.#room = room;
    this.#on = on;
    this.#pause = new Countdown(() => this.#refresh());
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    form.querySelector('.no-reply').addEventListener('click', () => on.noReply());
    this.#text.addEventListener('keydown', (event) => this.#pressed(event));
    this.#text.addEventListener('input', () => {
      if (!this.#sending) this.say('');
      this.#refresh();
    });
    this.#refresh();
  }

  set ended(yes) {
    if (yes === this.#ended) return;
    this.#ended = yes;
    this.#refresh();
  }

  // Seconds; 0: off, or not for this user.
  set slow(seconds) {
    this.#slow = seconds;
    if (!seconds) this.#pause.stop();
    this.#refresh();
  }

  // The comment that is answered, or null.
  set replyTo(comment) {
    this.#replyTo = comment;
    this.#replying.hidden = !comment;
    this.#replying.querySelector('.to').textContent = comment ? comment.userName || comment.userId : '';
    this.#refresh();
  }

  // until: when it ends, null for good.
  mute(yes, until) {
    clearTimeout(this.#unmute);
    this.#mutedUntil = until ? new Date(until) : null;
    const left = this.#mutedUntil ? this.#mutedUntil - Date.now() : Infinity;
    this.#muted = yes && left > 0;
    if (this.#muted && left < 2 ** 31) this.#unmute = setTimeout(() => this.mute(false, null), left);
    this.#refresh();
  }

  say(text, kind = 'error') {
    this.#note.textContent = text;
    this.#note.dataset.kind = kind;
    this.#noted = '';
  }

  // A moderator has decided about a held comment of this user's.
  decided(id, resolved) {
    if (resolved === 'rejected') this.say('A moderator did not let your comment through.');
    else if (id === this.#noted) this.say('');
  }

  focus() {
    this.#text.focus();
  }

  // Enter that ends the input of a Chinese or Japanese word must not post.
  #pressed(event) {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.#submit();
  }

  get #closed() {
    return this.#ended || this.#muted;
  }

  #refresh() {
    const length = [...this.#text.value.trim()].length;
    this.#count.textContent = length >= COUNT_FROM ? `${length} / ${LONGEST}` : '';
    this.#count.classList.toggle('over', length > LONGEST);
    this.#button.disabled = this.#sending || this.#closed || this.#pause.seconds > 0 || length === 0;
    this.#button.textContent = this.#pause.seconds > 0 ? `${this.#pause.seconds} s` : 'Post';
    this.#form.classList.toggle('ended', this.#ended);
    this.#form.classList.toggle('muted', this.#muted);
    this.#text.placeholder = this.#invitation();
    this.#rule.textContent = this.#slow && !this.#closed ? `Slow mode: one comment every ${lasting(this.#slow)}` : '';
    this.#text.style.height = 'auto';
    this.#text.style.height = `${this.#text.scrollHeight}px`;
  }

  #invitation() {
    if (this.#ended) return 'This live video has ended';
    if (this.#muted && !this.#mutedUntil) return 'You are muted here';
    if (this.#muted) return `Muted until ${clock.format(this.#mutedUntil)}`;
    return this.#replyTo ? 'Write a reply…' : 'Say something…';
  }

  async #submit() {
    const message = this.#text.value.trim();
    const length = [...message].length;
    if (this.#sending || this.#closed || this.#pause.seconds > 0 || length === 0) return;
    if (length > LONGEST) return this.say(`${length - LONGEST} characters too many: ${LONGEST} fit in a comment.`);
    const token = await this.#on.token();
    if (!token) return;
    const parentId = this.#replyTo?.id ?? '';
    const same = this.#attempt.message === message && this.#attempt.parentId === parentId;
    if (!same) this.#attempt = { message, parentId, key: randomKey() };
    this.#busy(true);
    try {
      const { key } = this.#attempt;
      const onRetry = (problem) => this.say(`${explain(problem)} Trying again…`, 'wait');
      const comment = await this.#room.post(message, { parentId, key, onRetry });
      this.#attempt = { message: '', parentId: '', key: '' };
      this.#text.value = '';
      this.say(comment.held ? 'A moderator will look at your comment first.' : '', 'wait');
      if (comment.held) this.#noted = comment.id;
      if (this.#slow) this.#pause.start(this.#slow);
      this.#busy(false);
      this.#on.posted(comment);
    } catch (error) {
      this.#busy(false);
      this.#failed(error);
    }
  }

  #failed(error) {
    if (!(error instanceof Problem)) throw error;
    const kept = [0, 503].includes(error.status) ? ' Your comment is still here: post it again in a moment.' : '';
    this.say(explain(error) + kept);
    if (error.kind === 'slow-mode') this.#pause.start(error.retryAfterSeconds);
    if (error.kind === 'muted') this.#on.muted();
    if (error.status === 401) this.#on.signedOut();
    if (error.status === 409) this.#on.ended();
  }

  #busy(yes) {
    this.#sending = yes;
    this.#text.readOnly = yes;
    this.#form.classList.toggle('sending', yes);
    this.#refresh();
  }
}

export function lasting(seconds) {
  if (seconds % 3600 === 0) return `${seconds / 3600} h`;
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
}
