// Which room: ?video=NAME, and the form that goes to another.

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const DEFAULT = 'demo';

// Answers the room's name. A name that can't be one is shown as it is, with a
// word about why the page is in the default room.
export function bindRooms(form, note) {
  const input = form.elements.video;
  const asked = new URLSearchParams(location.search).get('video') ?? DEFAULT;
  const video = NAME.test(asked) ? asked : DEFAULT;

  input.value = asked;
  note.hidden = asked === video;
  input.addEventListener('input', () => (note.hidden = true));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const name = input.value.trim();
    note.hidden = NAME.test(name);
    if (!note.hidden) input.focus();
    else if (name !== video) location.assign(`?video=${name}`);
  });
  return video;
}
