// The built-in functions that need neither SQL nor transactions: results, errors and permissions.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Connection } from './connection.mjs';
import { Server } from './server.mjs';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

let server;
let number = 0;
before(async () => {
  server = await Server.start();
});
after(() => server?.stop());

// A connection to a new session with one empty table, t.
async function newSession() {
  const session = await Connection.join(server, `functions-${++number}`);
  await session.result('table.create', 't', {});
  return session;
}

const ids = ({ rows }) => rows.map((row) => row.id);

test('table.create registers a table under a physical name and table.list shows it', async () => {
  const session = await newSession();
  const { ptr } = await session.result('table.create', 'users', { permissions: 6 });
  assert.match(ptr, /^[A-Za-z0-9_]+$/);
  await session.result('table.set', 'users', 'u1', {});
  const list = await session.result('table.list');
  const byId = Object.fromEntries(list.map((table) => [table.id, table]));
  assert.deepEqual(Object.keys(byId).sort(), ['t', 'users']);
  assert.equal(byId.users.permissions, 6);
  assert.equal(byId.users.records, 1);
  assert.equal(byId.t.permissions, 7);
  assert.equal(byId.t.records, 0);
});

test('table.drop removes the table with its records', async () => {
  const session = await newSession();
  await session.result('table.set', 't', 'a', { n: 1 });
  assert.equal(await session.result('table.drop', 't'), true);
  assert.deepEqual(await session.result('table.list'), []);
  await session.fails('KONTRACT_STORAGE_PTR_NOT_FOUND', 'table.get', 't', 'a');
  await session.result('table.create', 't', {});
  assert.equal(await session.result('table.get', 't', 'a'), null);
});

test('a table that is not registered is named, with a hint', async (t) => {
  const session = await newSession();
  const calls = [
    ['table.get', 'users', 'a'],
    ['table.set', 'users', 'a', {}],
    ['table.update', 'users', 'a', {}],
    ['table.delete', 'users', 'a'],
    ['table.push', 'users', {}],
    ['table.pop', 'users'],
    ['table.shift', 'users'],
    ['table.query', 'users'],
    ['table.drop', 'users'],
    ['table.batch', [['table.get', 'users', 'a']]],
  ];
  for (const call of calls) {
    await t.test(call[0], async () => {
      const error = await session.fails('KONTRACT_STORAGE_PTR_NOT_FOUND', ...call);
      assert.equal(error.message, 'Table users not found');
      assert.match(error.hint, /kontract sql .*INSERT INTO storage/);
    });
  }
});

test('table.set replaces, table.get gives what was set, or null', async () => {
  const session = await newSession();
  assert.equal(await session.result('table.get', 't', 'a'), null);
  const text = 'Grüße \u0001 "q" \\ 🙂';
  const data = { text, list: [1, 2.5, -0.125, null, true], deep: { a: {} } };
  assert.equal(await session.result('table.set', 't', 'a', data), true);
  assert.deepEqual(await session.result('table.get', 't', 'a'), data);
  await session.result('table.set', 't', 'a', { other: 1 });
  assert.deepEqual(await session.result('table.get', 't', 'a'), { other: 1 });
});

test('a record id may have 400 bytes of any text', async () => {
  const session = await newSession();
  for (const id of ['a', 'x'.repeat(400), 'ü'.repeat(200), '\u0001', ' ']) {
    await session.result('table.set', 't', id, { id });
    assert.deepEqual(await session.result('table.get', 't', id), { id });
  }
});

test('table.update merges the top level and creates what is absent', async () => {
  const session = await newSession();
  assert.equal(await session.result('table.update', 't', 'a', { n: 1, o: { x: 1 } }), true);
  assert.equal(await session.result('table.update', 't', 'a', { m: 2, o: { y: 2 } }), true);
  assert.deepEqual(await session.result('table.get', 't', 'a'), { n: 1, m: 2, o: { y: 2 } });
});

test('table.delete says whether the record was there', async () => {
  const session = await newSession();
  await session.result('table.set', 't', 'a', {});
  assert.equal(await session.result('table.delete', 't', 'a'), true);
  assert.equal(await session.result('table.delete', 't', 'a'), false);
  assert.equal(await session.result('table.get', 't', 'a'), null);
  assert.deepEqual(await session.result('table.query', 't'), { rows: [], next: null });
});

test('push appends under a new id; pop takes the last and shift the first', async () => {
  const session = await newSession();
  const pushed = [];
  for (let n = 1; n <= 4; n++) pushed.push(await session.result('table.push', 't', { n }));
  for (const id of pushed) assert.match(id, UUID_V7);
  assert.deepEqual(ids(await session.result('table.query', 't')), pushed);
  assert.deepEqual(await session.result('table.pop', 't'), { n: 4 });
  assert.deepEqual(await session.result('table.shift', 't'), { n: 1 });
  assert.deepEqual(await session.result('table.shift', 't'), { n: 2 });
  assert.deepEqual(await session.result('table.pop', 't'), { n: 3 });
  assert.equal(await session.result('table.pop', 't'), null);
  assert.equal(await session.result('table.shift', 't'), null);
});

test('order is given at insert, kept by changes and given anew after a delete', async () => {
  const session = await newSession();
  for (const id of ['c', 'a', 'b']) await session.result('table.set', 't', id, { n: 0 });
  await session.result('table.set', 't', 'c', { n: 1 });
  await session.result('table.update', 't', 'a', { n: 2 });
  assert.deepEqual(ids(await session.result('table.query', 't')), ['c', 'a', 'b']);
  await session.result('table.delete', 't', 'c');
  await session.result('table.set', 't', 'c', { n: 3 });
  assert.deepEqual(ids(await session.result('table.query', 't')), ['a', 'b', 'c']);
});

test('table.query filters by containment', async (t) => {
  const session = await newSession();
  const ann = { age: 30, tags: ['x', 'y'], at: { zip: 1, no: 2 } };
  await session.result('table.set', 't', 'ann', ann);
  await session.result('table.set', 't', 'ben', { age: 40, tags: ['y'], at: { zip: 1 } });
  await session.result('table.set', 't', 'cid', { age: 30, tags: [] });
  const cases = [
    [{}, ['ann', 'ben', 'cid']],
    [{ age: 30 }, ['ann', 'cid']],
    [{ age: '30' }, []],
    [{ tags: ['y'] }, ['ann', 'ben']],
    [{ tags: ['y', 'x'] }, ['ann']],
    [{ tags: [] }, ['ann', 'ben', 'cid']],
    [{ tags: 'y' }, []],
    [{ at: { zip: 1 } }, ['ann', 'ben']],
    [{ at: { zip: 1, no: 2 } }, ['ann']],
    [{ age: 30, at: {} }, ['ann']],
    [{ none: null }, []],
  ];
  for (const [filter, expected] of cases) {
    await t.test(JSON.stringify(filter), async () => {
      assert.deepEqual(ids(await session.result('table.query', 't', filter)), expected);
    });
  }
});

test('table.query pages through all rows once, in either order', async () => {
  const session = await newSession();
  const all = Array.from({ length: 7 }, (_, n) => `r${n}`);
  for (const id of all) await session.result('table.set', 't', id, { id });
  for (const order of ['asc', 'desc']) {
    const seen = [];
    let after;
    do {
      const options = { limit: 3, order, ...(after && { after }) };
      const page = await session.result('table.query', 't', {}, options);
      assert.ok(page.rows.length <= 3);
      for (const row of page.rows) assert.deepEqual(row.data, { id: row.id });
      seen.push(...ids(page));
      after = page.next;
      assert.ok(seen.length <= all.length, 'a row came twice');
    } while (after !== null);
    assert.deepEqual(seen, order === 'asc' ? all : all.toReversed());
  }
});

test('table.batch answers each function, in order, in one transaction', async () => {
  const session = await newSession();
  const frame = await session.call('table.batch', [
    ['table.set', 't', 'a', { n: 1 }],
    ['table.get', 't', 'a'],
    ['table.update', 't', 'a', { m: 2 }],
    ['table.push', 't', { p: 1 }],
    ['table.pop', 't'],
    ['table.delete', 't', 'none'],
    ['table.get', 't', 'a'],
  ]);
  assert.equal(frame.t, 'result', JSON.stringify(frame));
  const [set, get, update, push, pop, gone, last] = frame.result;
  assert.deepEqual([set, get, update, pop, gone], [true, { n: 1 }, true, { p: 1 }, false]);
  assert.match(push, UUID_V7);
  assert.deepEqual(last, { n: 1, m: 2 });
});

test('a batch of which one function fails changes nothing', async () => {
  const session = await newSession();
  await session.result('table.create', 'shut', { permissions: 4 });
  const set = ['table.set', 't', 'a', { n: 1 }];
  const cases = {
    KONTRACT_STORAGE_PTR_NOT_FOUND: ['table.set', 'nowhere', 'a', {}],
    KONTRACT_PERMISSION_DENIED: ['table.set', 'shut', 'a', {}],
    KONTRACT_INVALID_REQUEST: ['table.set', 't', 'b', 5],
  };
  for (const [code, bad] of Object.entries(cases)) {
    await session.fails(code, 'table.batch', [set, bad]);
    assert.equal(await session.result('table.get', 't', 'a'), null, code);
  }
});

test('the permissions of a table bound what may be done in it', async (t) => {
  const session = await newSession();
  const calls = {
    read: [['table.get', 'a'], ['table.query']],
    write: [['table.set', 'b', {}], ['table.update', 'b', {}], ['table.push', {}]],
    remove: [['table.delete', 'a']],
    take: [['table.pop'], ['table.shift']],
  };
  const allowed = {
    0: [],
    1: ['remove'],
    2: ['write'],
    3: ['write', 'remove'],
    4: ['read'],
    5: ['read', 'remove', 'take'],
    6: ['read', 'write'],
    7: ['read', 'write', 'remove', 'take'],
  };
  for (const [permissions, kinds] of Object.entries(allowed)) {
    await t.test(`permissions ${permissions}`, async () => {
      const table = `p${permissions}`;
      await session.result('table.create', table, { permissions: Number(permissions) });
      for (const [kind, list] of Object.entries(calls)) {
        for (const [fn, ...args] of list) {
          if (kinds.includes(kind)) {
            await session.result(fn, table, ...args);
          } else {
            const error = await session.fails('KONTRACT_PERMISSION_DENIED', fn, table, ...args);
            assert.equal(error.message, 'Insufficient permissions');
          }
        }
      }
    });
  }
});

test('session.info tells of the session, session.allocateTxid gives ever new txids', async () => {
  const session = await newSession();
  const info = await session.result('session.info');
  assert.equal(info.sid, session.welcome.sid);
  assert.equal(info.owner, 'dev');
  assert.ok(Number.isSafeInteger(info.txid) && Number.isSafeInteger(info.minActiveTxid));
  assert.ok('tables' in info);
  const txids = [info.txid];
  for (let i = 0; i < 10; i++) txids.push(await session.result('session.allocateTxid'));
  for (let i = 1; i < txids.length; i++) assert.ok(txids[i] > txids[i - 1], txids.join(' '));
});

test('a function that is not there is not found', async () => {
  const session = await newSession();
  const names = ['table.nope', 'nope', '', 'table', 'TABLE.GET', 'table.get ', 'table.sql'];
  for (const name of [...names, 'tx.end']) {
    await session.fails('KONTRACT_NOT_FOUND', name, 't', 'SELECT 1');
  }
});

test('arguments that a function cannot take are refused', async (t) => {
  const session = await newSession();
  const calls = [
    ['table.get'],
    ['table.get', 't'],
    ['table.get', 't', 5],
    ['table.get', 5, 'a'],
    ['table.get', null, 'a'],
    ['table.get', 't', ''],
    ['table.get', 't', 'a\u0000b'],
    ['table.set', 't', 'a'],
    ['table.set', 't', 'a', 5],
    ['table.set', 't', 'a', 'text'],
    ['table.set', 't', 'a', null],
    ['table.set', 't', 'a', [1]],
    ['table.set', 't', '', {}],
    ['table.update', 't', 'a', [1]],
    ['table.update', 't', 'a'],
    ['table.delete', 't'],
    ['table.delete', 't', {}],
    ['table.push', 't'],
    ['table.push', 't', 5],
    ['table.pop'],
    ['table.shift', 5],
    ['table.query', 't', 5],
    ['table.query', 't', {}, 5],
    ['table.query', 't', {}, { limit: -1 }],
    ['table.query', 't', {}, { limit: 'x' }],
    ['table.query', 't', {}, { order: 'sideways' }],
    ['table.query', 't', {}, { after: 5 }],
    ['table.query', 't', {}, { after: 'no cursor of ours' }],
    ['table.create'],
    ['table.create', ''],
    ['table.create', 'a/b', {}],
    ['table.create', 'p', { permissions: 8 }],
    ['table.create', 'p', { permissions: 'all' }],
    ['table.create', 'p', 5],
    ['table.drop'],
    ['table.batch'],
    ['table.batch', 5],
    ['table.batch', [5]],
    ['table.batch', [[]]],
    ['table.batch', [[5]]],
  ];
  for (const call of calls) {
    await t.test(JSON.stringify(call), async () => {
      await session.fails('KONTRACT_INVALID_REQUEST', ...call);
    });
  }
  assert.deepEqual(await session.result('table.query', 't'), { rows: [], next: null });
});

test('a record id or a record over its limit is refused', async () => {
  const session = await newSession();
  const long = await session.call('table.set', 't', 'x'.repeat(401), {});
  assert.ok(['KONTRACT_INVALID_REQUEST', 'KONTRACT_TOO_LARGE'].includes(long.code), long.code);
  const data = { text: 'x'.repeat(256 * 1024) };
  await session.fails('KONTRACT_TOO_LARGE', 'table.set', 't', 'a', data);
  await session.result('table.set', 't', 'a', { text: 'x'.repeat(256 * 1024 - 100) });
});
