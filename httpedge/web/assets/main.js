// The page: who hears of what.

import { Barrage } from './barrage.js';
import { Comments } from './comments.js';
import { Composer } from './composer.js';
import { Desk } from './desk.js';
import { $ } from './dom.js';
import { explain } from './explain.js';
import { Feed } from './feed.js';
import { Floats } from './floats.js';
import { JoinDialog } from './join.js';
import { List } from './list.js';
import { Lobby } from './lobby.js';
import { Menu } from './menu.js';
import { Pinned } from './pinned.js';
import { Places } from './places.js';
import { Queue } from './queue.js';
import { ReactionBar } from './reactions.js';
import { bindRooms } from './rooms.js';
import { Session } from './session.js';
import { bindSettings } from './settings.js';
import { Stage } from './stage.js';
import { Status } from './status.js';
import { Thread } from './thread.js';

const video = bindRooms($('room'), $('room-note'));
const barrage = new Barrage({ base: new URL('.', document.baseURI), token: () => session.token });
const session = new Session(barrage);
const join = new JoinDialog($('join'), session);
const room = barrage.room(video); // to act in; each feed has one of its own to hear from
const comments = new Comments();

let feed; // what is heard of the room, since the user is who they are
let slowSeconds = 0;

// What the server says of the user here; before it has, the token's own word.
const you = { role: session.role };

// What can be done about a comment.
const act = {
  isOwn: (comment) => session.userId !== '' && comment.userId === session.userId,
  mayDelete: (comment) => act.isOwn(comment) || act.mayModerate(),
  mayModerate: () => you.role === 'moderator' || you.role === 'admin',
  first: (comment) => comments.get(comment.parentId),
  remove,
  react: (comment, type) => react(type, { commentId: comment.id }),
  openThread: (comment, from) => {
    queue.close();
    thread.show(comment, comments.get(comment.parentId || comment.id), from);
  },
  openMenu: (comment, from) => menu.show(comment, from),
};

const status = new Status({ state: $('state'), watching: $('watching'), busy: $('busy') });
const stage = new Stage($('flyers'), { onSkipped: () => status.leftOut() });
const list = new List($('scroller'), $('rows'), comments, { nearTop: () => places.loadOlder(), place: (...now) => places.showPlace(...now) }, act);
const places = new Places({ older: $('older'), again: $('older-again'), newest: $('newest') }, comments, list, () => feed);
const behind = [$('scroller'), $('newest')];
const bar = new ReactionBar($('reactions'), new Floats($('floats')), react);
const desk = new Desk($('desk'), {
  openQueue: (from) => {
    thread.close();
    queue.show(from);
  },
  setSlow: (slowModeSeconds) => trying('Slow mode is as it was.', () => room.set({ slowModeSeconds })),
  setEnded: (yes) => trying('Nothing changed.', () => room.set({ state: yes ? 'ended' : 'live' })),
});
const queue = new Queue($('queue'), behind, room, (n) => (desk.waiting = n));
const pinned = new Pinned($('pinned'), () => trying('Still pinned.', () => room.unpin()));
const thread = new Thread($('thread'), behind, room, act, {
  opened: (first) => {
    composer.replyTo = first;
    if (!matchMedia('(hover: none)').matches) composer.focus();
  },
  closed: () => (composer.replyTo = null),
});
const menu = new Menu($('menu'), {
  mayPin: () => you.role === 'admin',
  isPinned: (comment) => comment.id === pinned.id,
  pin: (comment) => trying('Not pinned.', () => room.pin(comment.id)).catch(() => {}),
  unpin: () => trying('Still pinned.', () => room.unpin()).catch(() => {}),
  mute: (comment, seconds) => mute(comment, () => room.mute(comment.userId, seconds), 'is muted'),
  unmute: (comment) => mute(comment, () => room.unmute(comment.userId), 'is not muted'),
});
const composer = new Composer($('composer'), room, {
  token: async () => session.token || (await askName()),
  ended: () => setEnded(true),
  muted: () => feed.look(),
  noReply: () => thread.close(),
  signedOut: () => {
    leave();
    askName();
  },
  posted: (comment) => {
    if (session.learn(comment)) showName();
    if (comment.held) feed.keepHeld(comment);
    thread.add(comment);
    list.follow();
  },
});
new Lobby($('lobby'), $('lobby-open'), barrage, video);


function enter() {
  feed?.close();
  feed = new Feed(barrage.room(video), comments, act.isOwn, {
    changed: (added) => {
      list.changed(added.length);
      places.showOlder();
    },
    live: (comment) => {
      stage.add(comment, act.isOwn(comment));
      thread.add(comment);
    },
    updated: (id) => list.recount(id),
    removed: (id) => gone(id),
    reset: () => {
      list.changed();
      list.follow();
    },
    state: (name, problem) => {
      status.connection = name;
      if (name === 'refused') refused(problem);
    },
    viewers: (n) => (status.viewers = n),
    ended: setEnded,
    video: learnVideo,
    told,
  });
  feed.open();
}

// What the server says of the video, when it is asked.
function learnVideo(info, { pinKnown }) {
  bar.types = info.reactionTypes ?? [];
  if (info.reactions) bar.totals = info.reactions;
  if (info.slowModeSeconds !== undefined) setSlow(info.slowModeSeconds);
  if (info.you) setYou(info.you);
  if (pinKnown) return;
  const id = info.pinnedCommentId ?? '';
  if (!id) pinned.show(null);
  else if (id !== pinned.id) room.comment(id).then((comment) => pinned.show(comment), () => {});
}

// What it says by itself.
function told(name, data) {
  switch (name) {
    case 'reactions':
      if (data.reactions) bar.totals = data.reactions;
      for (const [id, reactions] of Object.entries(data.comments ?? {})) thread.recount(id, reactions);
      break;
    case 'room':
      setSlow(data.slowModeSeconds ?? 0);
      break;
    case 'pin':
      pinned.show(data.comment ?? null);
      break;
    case 'muted':
      setYou({ ...you, muted: data.muted, mutedUntil: data.mutedUntil });
      break;
    case 'held':
      if (data.comment && act.mayModerate()) queue.add(data.comment);
      if (data.id) decided(data);
  }
}

function decided({ id, resolved }) {
  queue.remove(id);
  thread.remove(id);
  if (!act.mayModerate()) composer.decided(id, resolved);
}

async function refused(problem) {
  if (problem.status !== 401) return composer.say(explain(problem));
  if (session.token) return leave(); // perhaps reading needs none
  if (await askName()) enter();
}

function setEnded(yes) {
  status.ended = yes;
  composer.ended = yes;
  desk.ended = yes;
  bar.disabled = yes;
}

function setSlow(seconds) {
  slowSeconds = seconds;
  desk.slowSeconds = seconds;
  composer.slow = act.mayModerate() ? 0 : seconds;
}

function setYou({ role = 'viewer', muted = false, mutedUntil = null }) {
  const changed = role !== you.role;
  Object.assign(you, { role, muted, mutedUntil });
  composer.mute(muted, mutedUntil);
  if (changed) showRights();
}

function showRights() {
  desk.role = you.role;
  pinned.mayUnpin = you.role === 'admin';
  setSlow(slowSeconds);
  list.refreshAll();
  thread.refreshAll();
  if (act.mayModerate()) room.held().then((all) => all.forEach((comment) => queue.add(comment)), () => {});
  else queue.clear();
}

// What the user does.

async function remove(comment) {
  await trying('Not deleted.', () => room.delete(comment.id));
  feed.remove(comment.id);
}

function gone(id) {
  stage.remove(id);
  list.changed();
  thread.remove(id);
  if (id === pinned.id) pinned.show(null);
}

async function react(type, what) {
  if (!session.token && !(await askName())) throw new Error('nobody');
  return trying('Not counted.', () => room.react(type, what));
}

async function mute({ userId, userName }, change, outcome) {
  await trying('Nothing changed.', change).then(() => composer.say(`${userName || userId} ${outcome}.`, 'wait'), () => {});
}

// Says why something was refused.
async function trying(outcome, change) {
  try {
    return await change();
  } catch (problem) {
    composer.say(`${outcome} ${explain(problem)}`);
    throw problem;
  }
}

// Who the user is.

async function askName() {
  const before = session.token;
  const token = await join.open();
  if (token !== before) signedIn();
  return token;
}

function leave() {
  session.leave();
  signedIn();
}

// The stream is that of a user: held comments and mutes are told to them.
function signedIn() {
  showName();
  you.role = session.role;
  showRights();
  enter();
}

function showName() {
  $('who').textContent = session.token ? `as ${session.name || 'yourself'}` : 'Choose a name';
  list.refreshAll();
}

$('who').addEventListener('click', askName);

document.title = `${video} · Barrage 弹幕`;
bindSettings({
  page: document.documentElement,
  stage,
  box: $('flyers'),
  toggle: $('stage-toggle'),
  opacity: $('opacity'),
  speed: $('speed'),
});
showName();
showRights();
enter();
