// The comment that an admin has put before all others.

export class Pinned {
  #box;
  #id = '';

  // on: { unpin() → promise }
  constructor(box, unpin) {
    this.#box = box;
    const button = box.querySelector('.unpin');
    button.addEventListener('click', async () => {
      button.disabled = true;
      await unpin().catch(() => {}); // said where it failed
      button.disabled = false;
    });
  }

  get id() {
    return this.#id;
  }

  set mayUnpin(yes) {
    this.#box.querySelector('.unpin').hidden = !yes;
  }

  // null: nothing is pinned.
  show(comment) {
    this.#id = comment?.id ?? '';
    this.#box.hidden = !comment;
    this.#box.querySelector('.name').textContent = comment ? comment.userName || comment.userId : '';
    this.#box.querySelector('.text').textContent = comment?.message ?? '';
  }
}
