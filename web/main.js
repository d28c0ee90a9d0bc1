/** Where the page begins: everything is made here, and told of everything else. */

import { Chat } from './chat.js';
import { Composer } from './composer.js';
import { Connection } from './connection.js';
import { byId } from './dom.js';
import { Lines } from './lines.js';
import { setUpNotifications } from './notify.js';
import { OUTBOX_MAX } from './outbox.js';
import { showPending } from './pending.js';
import { Drawers, LinkLine, NameDialog, setUpHelp } from './shell.js';
import { showPeople, showRooms } from './sidebar.js';
import { load, loadTab } from './store.js';
import { Tab } from './tab.js';
import { isName, people, roomName } from './text.js';

/** How often lists are asked for while somebody looks, in milliseconds, give or take a quarter. */
const REFRESH_MS = 15_000;
/** How long to gather reasons to ask for lists, in milliseconds. */
const SOON_MS = 400;
/** How long to gather changes before they are shown while nobody looks, in milliseconds. */
const HIDDEN_MS = 250;

const NO_CONNECTION = 'There is no connection; try again when it is back.';

const kept = { ...load(), ...loadTab() };
/** The chat, once there is one. */
let session = null;
const tab = new Tab(kept.id, () => ({
  name: session?.me || kept.name, tokens: session?.tokens ?? kept.tokens,
}));
const others = await tab.settle();
// A duplicate has a copy of what another tab goes on with.
if (others.isDuplicate) Object.assign(kept, { tokens: [], unsent: [] });
if (others.names.includes(kept.name)) kept.name = null;
let connected = false;

const connection = new Connection({
  url: webSocketUrl(),
  isHidden: () => document.hidden,
  onMessage: (it) => chat.take(it),
  onState: (state) => {
    if (state.kind === 'open') connected = true;
    else chat.lose();
    link.show(state, !connected);
  },
});
const chat = new Chat({
  kept,
  send: (it) => connection.send(it),
  ask: (it) => connection.ask(it),
  told: { changed, problem, heard, returned, moved: () => refreshIn(SOON_MS) },
});
session = chat;
const link = new LinkLine(comeBack);
const drawers = new Drawers(() => refreshIn(0));
const names = new NameDialog((name) => chat.rename(name));
const help = setUpHelp();
const composer = new Composer({ act, limit: () => chat.messageChars, drafts: kept.drafts });
const lines = new Lines({
  log: byId('log'), list: byId('said'), jump: byId('jump'), onSeen: seen,
});
const notify = setUpNotifications(byId('notify'), kept.notify, (text) => composer.tell(text));

let refreshTimer = 0;
let shownName = '';
let showing = false;

/** Shows all changes of a moment at once, however many they are. */
function changed() {
  if (showing) return;
  showing = true;
  if (document.hidden) setTimeout(showAll, HIDDEN_MS);
  else requestAnimationFrame(showAll);
}

function showAll() {
  showing = false;
  const room = chat.active;
  lines.show(room, () => showPending(byId('outbox'), unheard(room), {
    retry: (item) => chat.retry(item), discard: (item) => chat.discard(item),
  }));
  showRooms(byId('my-rooms'), byId('other-rooms'), byId('more-rooms'), chat, choose);
  showPeople(byId('people-list'), byId('more-people'), room, chat.me, (name) => {
    drawers.close();
    composer.mention(name);
  });
  byId('others').hidden = byId('other-rooms').childElementCount === 0;
  byId('title').textContent = room?.name ?? 'No room';
  byId('empty').hidden = room !== null && (!byId('outbox').hidden ||
    room.entries.some(({ kind }) => kind === 'message'));
  byId('empty').textContent = room ? 'Nothing was said here yet.' : 'Join a room to talk.';
  byId('size').textContent = room && room.count !== null ? people(room.count) : '';
  composer.address(room?.name);
  showMe();
  showUnread();
}

/** What we wrote in a room, and should know to be still on its way. */
function unheard(room) {
  return room ? chat.outbox.shown(room.name, !chat.connected) : [];
}

function showMe() {
  byId('claim').hidden = chat.claimed === null;
  byId('claim').textContent = chat.claimed === null ? ''
    : `until ${chat.claimed} is free, which is asked for again and again`;
  if (shownName === chat.me) return;
  shownName = chat.me;
  byId('me').textContent = shownName;
  names.close();
}

function showUnread() {
  const rooms = [...chat.rooms.values()];
  const unread = rooms.reduce((sum, room) => sum + room.unread, 0);
  const elsewhere = rooms.some((room) => room !== chat.active && room.unread > 0);
  byId('open-rooms').classList.toggle('fresh', elsewhere);
  byId('open-rooms').ariaLabel = elsewhere ? 'Rooms, some with unread messages' : 'Rooms';
  const title = chat.active ? `${chat.active.name} · Hubbub` : 'Hubbub';
  document.title = unread > 0 ? `(${unread}) ${title}` : title;
}

/** Whether somebody looks at what was just said; if not, and it names us, we call. */
function heard(room, entry) {
  if (entry.mention && document.hidden) {
    notify(`${entry.name} in ${room.name}`, entry.text, () => chat.show(room));
  }
  return room === chat.active && !document.hidden && lines.atEnd;
}

/** An entry of the room that is shown is in sight, and all above it were. */
function seen(id) {
  if (!document.hidden && chat.active?.readTo(id)) changed();
}

/** Texts were written for a room that is not entered. */
function returned(room, texts) {
  composer.giveBack(room, texts);
  chat.active?.note(`What you wrote for ${room} was not sent; it is kept for when you are there.`);
}

/** Connects; from the tab that has taken the session over, if there is one, it is taken back. */
async function comeBack() {
  if (connection.state.why === 'replaced') chat.takeUp(await tab.takeBack());
  connection.connect();
}

function problem(text, code = '') {
  if (names.isOpen && code.startsWith('name-')) names.tell(text);
  else composer.tell(text);
}

/** A room was chosen. */
function choose(action) {
  const wasDrawer = drawers.close();
  composer.tell();
  if (action() === false) composer.tell(NO_CONNECTION);
  if (wasDrawer) byId('title').focus();
  else composer.focus();
}

/** Does what was typed, and gives what was wrong about it. */
function act({ say, hint, command, argument }) {
  if (command !== undefined) return COMMANDS[command](argument) ?? null;
  if (!chat.active) return 'You are in no room. Type /join and a room, or choose one.';
  if (!chat.say(say)) return `${OUTBOX_MAX} messages wait to be sent; wait for them first.`;
  if (hint) chat.active.note(hint);
  lines.toEnd();
  return null;
}

const COMMANDS = {
  help: () => help(),
  name: (name) => (isName(name) ? sent(chat.rename(name)) : 'A name is 2 to 20 of A-Z a-z 0-9 - _'),
  join: (name) => (isName(name) ? sent(chat.join(name)) : 'A room is 2 to 20 of A-Z a-z 0-9 - _'),
  leave: () => (chat.active ? chat.leave(chat.active) : 'You are in no room.'),
  rooms: () => list('rooms'),
  users: () => list('users'),
  quit: () => sent(chat.quit()),
};

function list(type) {
  return chat.active ? sent(chat.list(type)) : 'You are in no room.';
}

function sent(was) {
  return was ? null : NO_CONNECTION;
}

/** Asks for lists in a while, and then again and again as long as somebody looks. */
function refreshIn(wait) {
  clearTimeout(refreshTimer);
  refreshTimer = setTimeout(() => {
    if (!document.hidden) chat.refresh();
    refreshIn(REFRESH_MS * (0.75 + Math.random() / 2));
  }, wait);
}

byId('change-name').addEventListener('click', () => names.open(chat.me));
byId('join-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const input = byId('join-input');
  const name = roomName(input.value);
  if (!isName(name)) {
    input.setCustomValidity('A room is 2 to 20 of A-Z a-z 0-9 - _');
    input.reportValidity();
    return;
  }
  input.value = '';
  choose(() => chat.join(name));
});
byId('join-input').addEventListener('input', ({ target }) => target.setCustomValidity(''));
document.addEventListener('visibilitychange', () => {
  if (document.hidden) {
    // A page that is hidden gets no frame any more, not even one it has asked for.
    if (showing) setTimeout(showAll, HIDDEN_MS);
    return;
  }
  connection.wake();
  changed();
  refreshIn(0);
  lines.look();
});
document.addEventListener('keydown', (event) => {
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!event.altKey || step === undefined) return;
  event.preventDefault();
  const rooms = [...chat.rooms.values()];
  const to = rooms.at((rooms.indexOf(chat.active) + step) % rooms.length);
  if (to) chat.show(to);
});

connection.connect();

/** Where the server is: the page may be below any path. */
function webSocketUrl() {
  const url = new URL('ws', document.baseURI);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url;
}
