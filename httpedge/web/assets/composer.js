// The box to write in. What was written stays in it until the server has
// answered that it is saved.

import { call, explain, Problem } from './api.js';
import { randomKey } from './ids.js';

const LONGEST = 500; // code points, after trimming
const COUNT_FROM = 400; // the counter is quiet before
const TRIES = 5;

export class Composer {
  #form;
  #text;
  #count;
  #note;
  #button;
  #on;
  #sending = false;
  #ended = false;
  #attempt = { message: '', key: '' }; // the last message tried, and its Idempotency-Key

  // on: { token() → promise of one, or of '' if the user would not; signedOut();
  //       posted(comment); ended() }
  constructor(form, path, on) {
    this.#form = form;
    this.#text = form.querySelector('textarea');
    this.#count = form.querySelector('.count');
    this.#note = form.querySelector('.note');
    this.#button = form.querySelector('[type=submit]');
    this.#on = on;
    this.path = path;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
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
    this.#form.classList.toggle('ended', yes);
    this.#text.placeholder = yes ? 'This live video has ended' : 'Say something…';
    this.#refresh();
  }

  say(text, kind = 'error') {
    this.#note.textContent = text;
    this.#note.dataset.kind = kind;
  }

  // Enter that ends the input of a Chinese or Japanese word must not post.
  #pressed(event) {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.#submit();
  }

  #refresh() {
    const length = [...this.#text.value.trim()].length;
    this.#count.textContent = length >= COUNT_FROM ? `${length} / ${LONGEST}` : '';
    this.#count.classList.toggle('over', length > LONGEST);
    this.#button.disabled = this.#sending || this.#ended || length === 0;
    this.#text.style.height = 'auto';
    this.#text.style.height = `${this.#text.scrollHeight}px`;
  }

  async #submit() {
    const message = this.#text.value.trim();
    const length = [...message].length;
    if (this.#sending || this.#ended || length === 0) return;
    if (length > LONGEST) return this.say(`${length - LONGEST} characters too many: ${LONGEST} fit in a comment.`);
    const token = await this.#on.token();
    if (!token) return;
    if (this.#attempt.message !== message) this.#attempt = { message, key: randomKey() };
    this.#busy(true);
    try {
      const comment = await this.#post(message, token);
      this.#attempt = { message: '', key: '' };
      this.#text.value = '';
      this.say('');
      this.#busy(false);
      this.#on.posted(comment);
    } catch (error) {
      this.#busy(false);
      this.#failed(error);
    }
  }

  // Tries again, with the same key, what failed for no fault of the comment:
  // if an earlier try got through, its comment is answered.
  async #post(message, token) {
    for (let left = TRIES; ; left--) {
      try {
        return await call(this.path, { method: 'POST', body: { message }, token, key: this.#attempt.key });
      } catch (error) {
        if (left === 1 || !(error instanceof Problem) || ![0, 502, 503, 504].includes(error.status)) throw error;
        const seconds = Math.min(10, Math.max(error.retryAfterSeconds, TRIES - left + 0.5));
        this.say(`${explain(error)} Trying again…`, 'wait');
        await new Promise((done) => setTimeout(done, seconds * 1000));
      }
    }
  }

  #failed(error) {
    if (!(error instanceof Problem)) throw error;
    const kept = [0, 503].includes(error.status) ? ' Your comment is still here: post it again in a moment.' : '';
    this.say(explain(error) + kept);
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
