/** The little that is needed to build elements. Text is only ever put in as text. */

/** The element with this id in the page. */
export function byId(id) {
  return document.getElementById(id);
}

/** A new element with properties and children, which are elements or strings. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === 'data') Object.assign(element.dataset, value);
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** One of the icons in index.html. */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  return svg;
}

/**
 * Makes a list show these items. Elements stay those of their item, so that focus stays where it
 * is. `create` makes an element, `update` fills it.
 */
export function reconcile(list, items, keyOf, create, update) {
  const old = new Map([...list.children].map((element) => [element.dataset.key, element]));
  const wanted = new Set(items.map(keyOf));
  for (const [itemKey, element] of old) {
    if (!wanted.has(itemKey)) element.remove();
  }
  let at = list.firstElementChild;
  for (const item of items) {
    const element = old.get(keyOf(item)) ?? create(item);
    element.dataset.key = keyOf(item);
    if (element === at) at = at.nextElementSibling;
    else list.insertBefore(element, at);
    update(element, item);
  }
}
