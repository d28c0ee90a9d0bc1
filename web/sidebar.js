/** The lists beside the conversation: rooms and people. */

import { icon, make, reconcile } from './dom.js';
import { monogram } from './lines.js';
import { hue, key, people, plural, same } from './text.js';

/** How many people are listed; the rest is counted. */
const PEOPLE_MAX = 300;

const ALPHABET = new Intl.Collator();

/** Shows the rooms we are in, then the others; `chat` is told what is chosen. */
export function showRooms(mine, others, more, chat, onChoice) {
  const counts = new Map(chat.directory.rooms.map(({ room, users }) => [key(room), users]));
  const rooms = [...chat.rooms.values()];
  reconcile(mine, rooms, ({ name }) => key(name), () => {
    const choose = make('button', { type: 'button', className: 'room' });
    const leave = make('button', { type: 'button', className: 'quiet leave' }, icon('close'));
    return make('li', {}, choose, leave);
  }, (item, room) => fillRoom(item, room, counts.get(key(room.name)), chat, onChoice));

  const elsewhere = chat.directory.rooms.filter(({ room }) => !chat.rooms.has(key(room)));
  reconcile(others, elsewhere, ({ room }) => key(room), () => (
    make('li', {}, make('button', { type: 'button', className: 'room' }))
  ), (item, { room, users }) => {
    const button = item.firstElementChild;
    refill(button, [room, users], () => [sign(), label(room), count(users)]);
    button.onclick = () => onChoice(() => chat.join(room));
  });
  const left = chat.directory.more;
  more.textContent = left > 0 ? `and ${plural(left, 'smaller room')}` : '';
}

function fillRoom(item, room, listed, chat, onChoice) {
  const [choose, leave] = item.children;
  const users = room.count ?? listed;
  refill(choose, [room.name, room.unread, room.mentioned, users], () => [
    sign(), label(room.name),
    ...(room.unread > 0 ? [badge(room)] : []),
    ...(users === undefined ? [] : [count(users)]),
  ]);
  choose.classList.toggle('fresh', room.unread > 0);
  choose.ariaCurrent = room === chat.active ? 'true' : null;
  choose.onclick = () => onChoice(() => chat.show(room));
  leave.ariaLabel = `Leave ${room.name}`;
  leave.title = leave.ariaLabel;
  leave.onclick = () => chat.leave(room);
}

/** Fills an element if what it shows has changed: a screen reader would read it once more. */
function refill(element, shown, parts) {
  const state = shown.join(' ');
  if (element.dataset.shown === state) return;
  element.dataset.shown = state;
  element.replaceChildren(...parts());
}

function label(name) {
  return make('span', { className: 'name' }, name);
}

function sign() {
  return make('span', { className: 'sign', 'aria-hidden': 'true' }, '#');
}

function count(users) {
  return make('span', { className: 'count' }, String(users),
    make('span', { className: 'unseen' }, users === 1 ? ' person' : ' people'));
}

function badge({ unread, mentioned }) {
  const shown = unread > 99 ? '99+' : String(unread);
  return make('span', { className: mentioned ? 'badge mention' : 'badge' },
    mentioned ? `@ ${shown}` : shown,
    make('span', { className: 'unseen' }, mentioned ? ' unread, you are named' : ' unread'));
}

/** Shows who is in a room, ourselves first; `onChoice` gets the name of who is chosen. */
export function showPeople(list, more, room, me, onChoice) {
  const names = [...room?.people?.values() ?? []];
  names.sort((one, other) => same(other, me) - same(one, me) || ALPHABET.compare(one, other));
  reconcile(list, names.slice(0, PEOPLE_MAX), (name) => name, (name) => (
    make('li', {}, make('button', { type: 'button', className: 'person' },
      monogram(name), make('span', { className: `name hue-${hue(name)}` }, name),
      make('span', { className: 'you', hidden: true }, 'you')))
  ), (item, name) => {
    const button = item.firstElementChild;
    button.lastElementChild.hidden = !same(name, me);
    button.title = `Write to ${name}`;
    button.onclick = () => onChoice(name);
  });
  const left = (room?.others ?? 0) + Math.max(0, names.length - PEOPLE_MAX);
  more.textContent = left > 0 ? `and ${people(left)} more` : '';
}
