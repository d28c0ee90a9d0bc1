/** Pure functions on names and texts. */

/** How many colours names have; `style.css` has a rule for each. */
export const HUES = 12;

/** Whether this may name a user or a room. */
export function isName(it) {
  return typeof it === 'string' && /^[\w-]{2,20}$/.test(it);
}

/** The form in which names are compared: case does not tell them apart. */
export function key(name) {
  return name.toLowerCase();
}

/** Whether two names are of the same user or room. */
export function same(one, other) {
  return key(one) === key(other);
}

/** The colour of a name, the same on every page and every day. */
export function hue(name) {
  let hash = 0x811c9dc5;
  for (const char of key(name)) {
    hash = Math.imul(hash ^ char.codePointAt(0), 0x01000193) >>> 0;
  }
  return ((hash ^ (hash >>> 15)) >>> 0) % HUES;
}

/** How many characters the server counts. */
export function length(text) {
  return [...text].length;
}

/** What ends a line, in any system. */
const LINE_END = /\r\n|[\n\v\f\r\u0085\u2028\u2029]/u;

/** The lines of a text that say something; other control characters but tabs become blanks. */
export function linesOf(text) {
  const lines = text.split(LINE_END).map((line) => line.replace(/[^\P{Cc}\t]+/gu, ' ').trimEnd());
  const said = lines.filter((line) => line !== '');
  // Several lines may be indented for a reason.
  return said.length === 1 ? [said[0].trim()] : said;
}

/** A text without what the server may have taken out or replaced. */
export function comparable(text) {
  return text.replace(/[\p{C}\p{Z}]+/gu, '');
}

/** The room that is meant by what was typed: many write a `#` in front. */
export function roomName(text) {
  return text.trim().replace(/^#+/, '');
}

/** Whether a text speaks of somebody by name. */
export function mentions(text, name) {
  return isName(name) && new RegExp(`(?<![\\w-])${name}(?![\\w-])`, 'i').test(text);
}

/** Whether a text is nothing but a few emoji, which may then be large. */
export function isEmoji(text) {
  const one = '(?:\\p{RI}\\p{RI}|(?![\\d#*])\\p{Emoji}[\\p{EMod}\\uFE0F]*' +
    '(?:\\u200D\\p{Emoji}[\\p{EMod}\\uFE0F]*)*)';
  return new RegExp(`^(?:${one}\\s*){1,3}$`, 'u').test(text);
}

/** A text as pieces, `{ text }` or `{ text, href }`; only `http` and `https` become links. */
export function pieces(text) {
  const found = [];
  let done = 0;
  for (const match of text.matchAll(/\bhttps?:\/\/[^\s<>"]+/gi)) {
    const shown = withoutTail(match[0]);
    const href = safeHref(shown);
    if (href === null) continue;
    if (match.index > done) found.push({ text: text.slice(done, match.index) });
    found.push({ text: shown, href });
    done = match.index + shown.length;
  }
  if (done < text.length) found.push({ text: text.slice(done) });
  return found;
}

/** Leaves the full stop or bracket to the sentence around a link, unless it opened in the link. */
function withoutTail(url) {
  for (;;) {
    const last = url.at(-1);
    const opening = { ')': '(', ']': '[', '}': '{' }[last];
    const count = (char) => url.split(char).length;
    const belongs = opening ? count(opening) >= count(last) : !/[.,;:!?'*_~]/.test(last);
    if (belongs) return url;
    url = url.slice(0, -1);
  }
}

/** Where a link leads, or null if it should not be one. */
function safeHref(url) {
  if (!URL.canParse(url)) return null;
  const parsed = new URL(url);
  // A user name in front of the host is there to look like another host.
  const plain = parsed.username === '' && parsed.password === '';
  return plain && /^https?:$/.test(parsed.protocol) ? parsed.href : null;
}

/** `one`, `one and two`, `one, two and 3 others`: at most `max` names, and how many there are. */
export function listed(names, more = 0, max = 3) {
  const shown = names.slice(0, max);
  const others = names.length - shown.length + more;
  if (others > 0) shown.push(shown.length > 0 ? plural(others, 'other') : people(others));
  const last = shown.pop();
  return shown.length > 0 ? `${shown.join(', ')} and ${last}` : last;
}

/** A number with its noun. */
export function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** A number of people. */
export function people(count) {
  return count === 1 ? '1 person' : `${count} people`;
}
