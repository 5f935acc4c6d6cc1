// What lies above and below the rows in view: older comments, which are fetched
// when the view comes near the top, and newer ones, to which a button leads.

const counted = new Intl.NumberFormat();

export class Places {
  #older;
  #newest;
  #comments;
  #feed;
  #failed = false; // after a failure they are fetched only when the user asks again

  // feed answers the Feed there is now, if there is one
  constructor({ older, again, newest }, comments, list, feed) {
    this.#older = older;
    this.#newest = newest;
    this.#comments = comments;
    this.#feed = feed;
    again.addEventListener('click', () => {
      this.#failed = false;
      this.showOlder();
      this.loadOlder();
    });
    newest.addEventListener('click', () => {
      list.follow();
      document.getElementById('scroller').focus({ preventScroll: true });
    });
  }

  async loadOlder() {
    if (this.#failed || !this.#feed()?.hasOlder) return;
    await this.#feed().loadOlder().catch(() => (this.#failed = true));
    this.showOlder();
  }

  showOlder() {
    const state = this.#feed().hasOlder ? 'loading' : this.#comments.items.length ? 'start' : 'empty';
    this.#older.dataset.state = this.#failed ? 'failed' : state;
  }

  // unseen: how many new comments are below the view.
  showPlace(unseen, following) {
    if (this.#feed()) this.#feed().follows = following;
    const label = unseen ? `${counted.format(unseen)} new ${unseen === 1 ? 'comment' : 'comments'} ↓` : 'Newest ↓';
    if (this.#newest.textContent !== label) this.#newest.textContent = label;
    this.#newest.hidden = following;
  }
}
