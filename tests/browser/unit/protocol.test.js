import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { BYE_RECONNECTS, ERROR_SUBJECTS, SUBPROTOCOL } from '../../../web/protocol.js';
import { schema } from '../support/protocol.js';

/** The words that the schema lists for a property of a message. */
function listed(type, property) {
  const [shape] = schema.$defs.told.oneOf.filter((it) => it.properties.type.const === type);
  return shape.properties[property].enum;
}

test('the page knows the errors and endings that there are, and no others', () => {
  assert.deepEqual(Object.keys(ERROR_SUBJECTS), listed('error', 'code').toSorted());
  assert.deepEqual(Object.keys(BYE_RECONNECTS), listed('bye', 'reason').toSorted());
  assert.equal(SUBPROTOCOL, schema.$id);
});

test('the page of the protocol explains the same errors', async () => {
  const page = await readFile(new URL('../../../docs/protocol.md', import.meta.url), 'utf8');
  const [, table] = /\n\| error \|.*\n\|---\|---\|\n((?:\|.*\n)+)/.exec(page);
  const codes = table.split('\n').flatMap((row) => (
    [...row.split('|')[1]?.matchAll(/`([a-z0-9-]+)`/g) ?? []].map(([, code]) => code)));
  assert.deepEqual(codes.toSorted(), Object.keys(ERROR_SUBJECTS));
});
