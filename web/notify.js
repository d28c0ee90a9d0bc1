/** Notifications, for who wants them: when our name is said and nobody looks. */

import { keep } from './store.js';

/** Lets `button` turn them on and off, and gives a function that notifies of a message. */
export function setUpNotifications(button, wanted, tell) {
  // Only pages from a safe origin may notify.
  if (!('Notification' in window) || !isSecureContext) return () => {};
  let on = wanted && Notification.permission === 'granted';
  const show = () => {
    button.ariaPressed = String(on);
    button.title = on ? 'You are notified when your name is said'
      : 'Notify me when my name is said';
  };
  button.hidden = false;
  button.addEventListener('click', async () => {
    on = !on && await Notification.requestPermission() === 'granted';
    if (Notification.permission === 'denied') {
      tell('This browser does not allow notifications here; its settings for this page do.');
    }
    keep({ notify: on });
    show();
  });
  show();
  return (title, text, onClick) => {
    if (!on) return;
    try {
      const notification = new Notification(title, { body: text, tag: title });
      notification.onclick = () => {
        window.focus();
        notification.close();
        onClick();
      };
    } catch {
      // Some phones have the interface and refuse to construct one.
    }
  };
}
