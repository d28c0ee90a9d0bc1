/** Messages of `hubbub.v1.json`, held against its schema. */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import Ajv from 'ajv/dist/2020.js';

const FILE = new URL('../../../docs/protocol.schema.json', import.meta.url);

/** The schema itself. */
export const schema = JSON.parse(await readFile(FILE, 'utf8'));

const ajv = new Ajv({ strict: false });
ajv.addSchema(schema);
const [isRequest, isTold] = ['request', 'told'].map((part) => (
  ajv.getSchema(`${schema.$id}#/$defs/${part}`)));

/** A message as the server sends it; fails if it never sends one like that. */
export function told(type, fields = {}) {
  const it = { type, ...fields };
  assert.ok(isTold(it), `${JSON.stringify(it)}: ${ajv.errorsText(isTold.errors)}`);
  return it;
}

/** The message that a page sends, if the server takes one like that. */
export function request(it) {
  assert.ok(isRequest(it), `${JSON.stringify(it)}: ${ajv.errorsText(isRequest.errors)}`);
  return it;
}

/** An `error` of this code. */
export function error(code, fields = {}) {
  return told('error', { code, text: `a sentence about ${code}`, ...fields });
}

/** The epoch of a room's first life, second, and so on. */
export function epoch(life) {
  return life.toString(16).padStart(16, '0');
}

/** A `message` in a room. */
export function said(room, seq, text = `text ${seq}`, name = 'bob') {
  return told('message', { room, seq, time: 1_796_040_000_000 + seq, name, text });
}

/** A `history` with these messages. */
export function history(room, life, messages = [], gap = false) {
  const bare = messages.map(({ seq, time, name, text }) => ({ seq, time, name, text }));
  return told('history', { room, epoch: epoch(life), gap, messages: bare });
}

/** An `entered`. */
export function entered(room, life, seq) {
  return told('entered', { room, epoch: epoch(life), seq });
}

/** A `welcome` under this name, with the resume token of this number. */
export function welcome(name = 'CalmOtter', token = 1, lobby = 'main') {
  return told('welcome', { name, lobby, message_chars: 400, resume: tokenOf(token) });
}

/** The resume token of this number. */
export function tokenOf(number) {
  return number.toString(16).padStart(52, '0');
}
