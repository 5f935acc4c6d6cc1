// Elements. Words only ever go in as text.

export const $ = (id) => document.getElementById(id);

export function make(tag, className, text = '') {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

export function makeButton(className, text, label, pressed) {
  const button = make('button', className, text);
  button.type = 'button';
  if (label) button.ariaLabel = button.title = label;
  button.addEventListener('click', pressed);
  return button;
}

const CONFIRM_MS = 4000;

// Makes a button that asks at the first press, and does it at the second.
// `words` answers [what it says, what it says while it asks].
export function confirming(button, words, act) {
  let timer = 0;
  const ask = (asking) => {
    clearTimeout(timer);
    button.classList.toggle('asking', asking);
    button.textContent = words()[asking ? 1 : 0];
    if (asking) timer = setTimeout(ask, CONFIRM_MS, false);
  };
  button.addEventListener('click', async () => {
    if (!button.classList.contains('asking')) return ask(true);
    ask(false);
    button.disabled = true;
    await act().catch(() => {}); // said where it failed
    button.disabled = false;
  });
  ask(false);
  return () => ask(false);
}
