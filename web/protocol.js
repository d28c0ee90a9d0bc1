/** Words of `hubbub.v1.json`: the same as in docs/protocol.schema.json, which a test checks. */

/** The subprotocol, as a WebSocket names it. */
export const SUBPROTOCOL = 'hubbub.v1.json';
/** How many rooms one `resume` may name, and one session may be in. */
export const SESSION_ROOMS_MAX = 64;

/**
 * What each `code` of an `error` is about:
 * - `name`: a name was not given
 * - `room`: a room is not entered, and will not be
 * - `later`: a room is not entered now, but may be after a while
 * - `text`: a message was rejected
 * - `resume`: the session of a resume token is gone
 * - `joined`: the room is entered already, as was asked for twice
 * - `other`: none of these, so its text is shown and that is all
 */
export const ERROR_SUBJECTS = {
  'already-in-room': 'joined',
  'bad-json': 'other',
  'name-invalid': 'name',
  'name-taken': 'name',
  'not-in-room': 'other',
  'not-utf8': 'other',
  'resume-failed': 'resume',
  'room-invalid': 'room',
  'server-full-of-rooms': 'later',
  'too-long': 'text',
  'too-many-new-rooms': 'later',
  'too-many-rooms': 'room',
  'unknown-type': 'other',
};

/** Whether the page connects again by itself after a `bye` with this `reason`. */
export const BYE_RECONNECTS = {
  drain: true,
  idle: false,
  'internal-error': true,
  replaced: false,
};
