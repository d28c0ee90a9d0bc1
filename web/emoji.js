/** A small choice of emoji, made to be used with the arrow keys. */

import { byId, make } from './dom.js';

const EMOJI = [
  ...'😀😄😂🤣😊😉😍😘😎🤔🤨😏😴😢😭😡🤯😱🥳🤗🙄😬🤝👋👍👎👏🙏💪🫶👀🧠',
  '❤️', ...'💔🔥✨🎉🎂🌈🌞🌙⭐☕🍕🍺🐛🚀💡📌✅❌❓❗💯🎵🐧🦀',
];
/** How many stand in a row; `style.css` knows it too. */
const COLUMNS = 8;

/** Lets `button` open the choice; `insert` gets what is chosen. */
export function setUpEmoji(button, insert) {
  const panel = byId('emoji-panel');
  const open = () => {
    if (panel.childElementCount === 0) panel.append(...EMOJI.map((it, i) => choice(it, i)));
    toggle(true);
    panel.querySelector('[tabindex="0"]').focus();
  };
  const toggle = (shown) => {
    panel.hidden = !shown;
    button.ariaExpanded = String(shown);
  };
  const choice = (it, index) => {
    const made = make('button', { type: 'button', tabIndex: index === 0 ? 0 : -1 }, it);
    made.addEventListener('click', () => {
      toggle(false);
      insert(it);
    });
    return made;
  };
  button.addEventListener('click', () => (panel.hidden ? open() : toggle(false)));
  panel.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') {
      event.stopPropagation();
      toggle(false);
      button.focus();
    } else if (move(panel, event.key)) {
      event.preventDefault();
    }
  });
  panel.addEventListener('focusout', ({ relatedTarget: to }) => {
    if (to && to !== button && !panel.contains(to)) toggle(false);
  });
  document.addEventListener('pointerdown', ({ target }) => {
    if (!panel.contains(target) && !button.contains(target)) toggle(false);
  });
}

/** Moves the focus by a key, and gives whether it was one that moves. */
function move(panel, pressed) {
  const all = [...panel.children];
  const from = all.indexOf(document.activeElement);
  const to = {
    ArrowLeft: from - 1,
    ArrowRight: from + 1,
    ArrowUp: from - COLUMNS,
    ArrowDown: from + COLUMNS,
    Home: 0,
    End: all.length - 1,
  }[pressed];
  if (to === undefined) return false;
  if (all[to]) {
    all[from].tabIndex = -1;
    all[to].tabIndex = 0;
    all[to].focus();
  }
  return true;
}
