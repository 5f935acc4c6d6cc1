// Who the visitor is: a token with a user id and a name, kept in localStorage.

const KEY = 'barrage.session';

export class Session {
  #kept = read();
  #barrage;

  constructor(barrage) {
    this.#barrage = barrage;
  }

  get token() {
    return this.#kept?.token ?? '';
  }

  get userId() {
    return this.#kept?.userId ?? '';
  }

  get name() {
    return this.#kept?.name ?? '';
  }

  // What the token says; the server is asked what is true.
  get role() {
    return claimsOf(this.token).role ?? 'viewer';
  }

  // Throws a Problem; with status 404 this server has no guests.
  async joinAsGuest(name) {
    const { token, userId } = await this.#barrage.guest(name);
    this.#keep({ token, userId, name });
  }

  joinWithToken(token) {
    const claims = claimsOf(token);
    this.#keep({ token, userId: claims.sub ?? '', name: claims.name ?? claims.sub ?? '' });
  }

  // An opaque token does not say whose it is; the first comment posted with it
  // does. Answers whether that was news.
  learn({ userId, userName }) {
    if (!this.#kept || (this.#kept.userId && this.#kept.name)) return false;
    this.#keep({ ...this.#kept, userId, name: userName || userId });
    return true;
  }

  leave() {
    this.#keep(null);
  }

  #keep(session) {
    this.#kept = session;
    try {
      if (session) localStorage.setItem(KEY, JSON.stringify(session));
      else localStorage.removeItem(KEY);
    } catch {
      // Storage is blocked: the session lives as long as the page.
    }
  }
}

function read() {
  try {
    const session = JSON.parse(localStorage.getItem(KEY));
    return typeof session?.token === 'string' ? session : null;
  } catch {
    return null;
  }
}

// The payload of a JWT, unverified: it only decides what the page shows.
function claimsOf(token) {
  try {
    const payload = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(payload), (c) => c.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) ?? {};
  } catch {
    return {};
  }
}
