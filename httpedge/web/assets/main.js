// The page: who hears of what.

import { call, explain } from './api.js';
import { Room } from './client.js';
import { Comments } from './comments.js';
import { Composer } from './composer.js';
import { JoinDialog } from './join.js';
import { List } from './list.js';
import { bindRooms } from './rooms.js';
import { Session } from './session.js';
import { bindSettings } from './settings.js';
import { Stage } from './stage.js';
import { Status } from './status.js';

const $ = (id) => document.getElementById(id);
const counted = new Intl.NumberFormat();

const video = bindRooms($('room'), $('room-note'));
const session = new Session();
const join = new JoinDialog($('join'), session);
const comments = new Comments();
const status = new Status({ state: $('state'), watching: $('watching'), busy: $('busy') });
const stage = new Stage($('flyers'), { onSkipped: () => status.leftOut() });
const list = new List($('scroller'), $('rows'), comments, { nearTop: loadOlder, place: showPlace, isOwn, remove });
const composer = new Composer($('composer'), `comments/${video}`, {
  token: async () => session.token || (await askName()),
  ended: () => setEnded(true),
  signedOut: () => {
    session.leave();
    askName();
  },
  posted: (comment) => {
    session.learn(comment);
    showName();
    list.refreshOwn();
    list.follow();
  },
});

let room;
let olderFailed = false;

// readToken is only given where reading is not anonymous.
function enter(readToken = '') {
  room?.close();
  room = new Room(video, readToken, comments, {
    changed: (added) => {
      list.changed(added.length);
      showOlder();
    },
    live: (comment) => stage.add(comment, isOwn(comment)),
    removed: (id) => {
      stage.remove(id);
      list.changed();
    },
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
  });
  room.open();
}

async function refused(problem) {
  if (problem.status !== 401) return composer.say(explain(problem));
  session.leave();
  const token = await askName();
  if (token) enter(token);
}

function setEnded(yes) {
  status.ended = yes;
  composer.ended = yes;
}

// One's own.

function isOwn(comment) {
  return session.userId !== '' && comment.userId === session.userId;
}

async function remove(comment) {
  try {
    await call(`comments/${video}/${comment.id}`, { method: 'DELETE', token: session.token });
  } catch (problem) {
    if (problem.status !== 404) {
      composer.say(`Not deleted. ${explain(problem)}`);
      throw problem;
    }
  }
  comments.remove(comment.id);
  stage.remove(comment.id);
  list.changed();
}

async function askName() {
  const token = await join.open();
  showName();
  list.refreshOwn();
  return token;
}

function showName() {
  $('who').textContent = session.token ? `as ${session.name || 'yourself'}` : 'Choose a name';
}

$('who').addEventListener('click', askName);

// Older comments: fetched when the view comes near the top; after a failure,
// only when the user asks again.

async function loadOlder() {
  if (olderFailed || !room?.hasOlder) return;
  await room.loadOlder().catch(() => (olderFailed = true));
  showOlder();
}

function showOlder() {
  const state = room.hasOlder ? 'loading' : comments.items.length ? 'start' : 'empty';
  $('older').dataset.state = olderFailed ? 'failed' : state;
}

$('older-again').addEventListener('click', () => {
  olderFailed = false;
  showOlder();
  loadOlder();
});

// Newer comments than those in view.

function showPlace(unseen, following) {
  if (room) room.follows = following;
  const label = unseen ? `${counted.format(unseen)} new ${unseen === 1 ? 'comment' : 'comments'} ↓` : 'Newest ↓';
  if ($('newest').textContent !== label) $('newest').textContent = label;
  $('newest').hidden = following;
}

$('newest').addEventListener('click', () => {
  list.follow();
  $('scroller').focus({ preventScroll: true });
});

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
enter();
