/** What we wrote and have not heard yet, below the lines. */

import { make, reconcile } from './dom.js';

const STATES = {
  waiting: 'Waiting to be sent.',
  sent: 'On its way.',
  unsure: 'It is not known yet whether this was sent.',
  failed: 'It is not known whether this was sent.',
};

/** Shows messages of the outbox in `list`; `retry` and `discard` get the one that is meant. */
export function showPending(list, items, { retry, discard }) {
  list.hidden = items.length === 0;
  reconcile(list, items, ({ id }) => String(id), (item) => {
    const again = make('button', { type: 'button' }, 'Send again');
    const away = make('button', { type: 'button' }, 'Discard');
    again.addEventListener('click', () => retry(item));
    away.addEventListener('click', () => discard(item));
    return make('li', {},
      make('p', { className: 'text', dir: 'auto' }, item.text),
      make('p', { className: 'state' }),
      make('p', { className: 'choice' }, again, ' ', away));
  }, (element, { state }) => {
    const [, told, choice] = element.children;
    if (told.textContent !== STATES[state]) told.textContent = STATES[state];
    choice.hidden = state !== 'failed';
  });
}
