// The dialog that asks, once, under which name to write. Where the server has
// no guests it asks for a token instead.

import { explain } from './explain.js';

export class JoinDialog {
  #dialog;
  #form;
  #session;
  #withToken = false;
  #open = null; // the promise of the open dialog
  #answered = null; // resolves it

  constructor(dialog, session) {
    this.#dialog = dialog;
    this.#form = dialog.querySelector('form');
    this.#session = session;
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#join();
    });
    dialog.querySelector('.cancel').addEventListener('click', () => dialog.close());
    dialog.addEventListener('close', () => this.#answered?.(session.token));
  }

  // Answers a token, or '' when the user would not. The dialog gives the focus
  // back to where it was.
  open() {
    if (this.#dialog.open) return this.#open;
    this.#form.elements.name.value = this.#session.name;
    this.#say('');
    this.#dialog.showModal();
    return (this.#open = new Promise((done) => (this.#answered = done)));
  }

  async #join() {
    const { name, token, join } = this.#form.elements;
    join.disabled = true;
    this.#say('');
    try {
      if (this.#withToken) {
        if (!token.value.trim()) return this.#say('Paste a token first.');
        this.#session.joinWithToken(token.value.trim());
      } else {
        if (!name.value.trim()) return this.#say('A name, please. Any will do.');
        await this.#session.joinAsGuest(name.value.trim());
      }
      this.#dialog.close();
    } catch (problem) {
      if (problem.status === 404 && !this.#withToken) this.#askForToken();
      else if (problem.kind === 'blocked') this.#say('This name has something in it that this site does not allow. Choose another one.');
      else this.#say(explain(problem));
    } finally {
      join.disabled = false;
    }
  }

  #askForToken() {
    this.#withToken = true;
    this.#dialog.classList.add('with-token');
    this.#form.elements.name.disabled = true;
    this.#form.elements.token.disabled = false;
    this.#form.elements.token.focus();
  }

  #say(text) {
    this.#dialog.querySelector('.note').textContent = text;
  }
}
