// A panel that lies over the list, with a way back to it.

export class Panel {
  #element;
  #behind;
  #from = []; // what opened it and the row that it is in: one of them gets the focus back
  #onClose;

  // behind: the elements that it covers
  constructor(element, behind, onClose = () => {}) {
    this.#element = element;
    this.#behind = behind;
    this.#onClose = onClose;
    element.querySelector('.back').addEventListener('click', () => this.close());
    element.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || event.defaultPrevented) return;
      event.preventDefault();
      this.close();
    });
  }

  get open() {
    return !this.#element.hidden;
  }

  show(from) {
    if (!this.open) this.#from = [from, from.closest('.row')];
    this.#element.hidden = false;
    for (const element of this.#behind) element.inert = true;
    this.#element.querySelector('.back').focus();
  }

  close() {
    if (!this.open) return;
    const hadFocus = this.#element.contains(document.activeElement);
    this.#element.hidden = true;
    for (const element of this.#behind) element.inert = false;
    if (hadFocus) (this.#from.find((element) => element?.isConnected) ?? this.#behind[0]).focus();
    this.#onClose();
  }
}
