// The stage's settings: shown or hidden, opacity, speed. Kept in localStorage.

const KEY = 'barrage.stage';

export function bindSettings({ page, stage, box, toggle, opacity, speed }) {
  const settings = { shown: true, opacity: 100, speed: 100, ...read() };

  const apply = () => {
    page.classList.toggle('no-stage', !settings.shown);
    toggle.setAttribute('aria-pressed', String(settings.shown));
    opacity.value = settings.opacity;
    speed.value = settings.speed;
    box.style.opacity = settings.opacity / 100;
    stage.shown = settings.shown;
    stage.speed = settings.speed / 100;
  };
  const change = (part) => {
    Object.assign(settings, part);
    apply();
    try {
      localStorage.setItem(KEY, JSON.stringify(settings));
    } catch {
      // Storage is blocked: they hold until the page is closed.
    }
  };

  toggle.addEventListener('click', () => change({ shown: !settings.shown }));
  opacity.addEventListener('input', () => change({ opacity: Number(opacity.value) }));
  speed.addEventListener('input', () => change({ speed: Number(speed.value) }));
  apply();
}

function read() {
  try {
    const { shown, opacity, speed } = JSON.parse(localStorage.getItem(KEY)) ?? {};
    return {
      ...(typeof shown === 'boolean' && { shown }),
      ...(opacity >= 20 && opacity <= 100 && { opacity }),
      ...(speed >= 50 && speed <= 200 && { speed }),
    };
  } catch {
    return {};
  }
}
