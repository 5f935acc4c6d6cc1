// A list of rows by keyboard: the Tab key comes to one row and its buttons, the
// arrow keys go from row to row.

// elements answers the Map from id to Row.
export function bindRowKeys(list, elements) {
  list.addEventListener('focusin', (event) => {
    const element = event.target.closest('.row');
    if (element?.tabIndex === -1) reach(elements(), element);
  });
  list.addEventListener('keydown', (event) => {
    const step = { ArrowUp: 'previousElementSibling', ArrowDown: 'nextElementSibling' }[event.key];
    const next = step && event.target.closest('.row')?.[step];
    if (!next) return;
    event.preventDefault();
    reach(elements(), next);
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: 'nearest' });
  });
}

// After rows came and went: if the one that could be reached is gone, the last can.
export function keepReachable(list, elements) {
  const last = list.lastElementChild;
  if (last && !list.querySelector('.row[tabindex="0"]')) elements.get(last.dataset.id).reachable = true;
  else if (last && !list.contains(document.activeElement) && last.tabIndex === -1) reach(elements, last);
}

function reach(elements, element) {
  for (const row of elements.values()) {
    const yes = row.element === element;
    if (yes || row.element.tabIndex === 0) row.reachable = yes;
  }
}
