// Frames: hello and welcome, calls and their answers, heartbeats, closing, and all that is refused.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertError, Connection, refused } from './connection.mjs';
import { Server } from './server.mjs';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const FRAME_BYTES_MAX = 1024 * 1024;
const JSON_DEPTH_MAX = 64;

let server;
before(async () => {
  server = await Server.start();
});
after(() => server?.stop());

test('welcome says which session was joined, as whom and under which limits', async () => {
  const { welcome } = await Connection.join(server, 'room-1');
  assert.equal(welcome.t, 'welcome');
  assert.equal(welcome.v, 1);
  assert.equal(welcome.session, 'room-1');
  assert.match(welcome.sid, UUID_V7);
  assert.equal(welcome.owner, 'dev');
  assert.equal(welcome.perm, 7);
  assert.ok(Number.isSafeInteger(welcome.txid) && welcome.txid >= 0);
  assert.equal(welcome.resumed, false);
  assert.equal(welcome.heartbeat_ms, 60000);
  assert.equal(typeof welcome.limits, 'object');
});

test('a session keeps its sid, and two sessions have two', async () => {
  const first = await Connection.join(server, 'room-2');
  const again = await Connection.join(server, 'room-2');
  const other = await Connection.join(server, 'room-3');
  assert.equal(first.welcome.sid, again.welcome.sid);
  assert.notEqual(first.welcome.sid, other.welcome.sid);
});

test('the subprotocol kontract.v1+json is agreed on when it is asked for', async () => {
  const connection = await Connection.open(server.ws('room-1'), ['kontract.v1+json']);
  assert.equal(connection.protocol, 'kontract.v1+json');
  assert.equal((await connection.hello()).t, 'welcome');
});

test('every character that a session name may have is taken', async () => {
  for (const name of ['a', 'A-Z_a.z:0-9', 'x'.repeat(128)]) {
    assert.equal((await Connection.join(server, name)).welcome.session, name);
  }
});

test('a call before hello is refused and not run', async () => {
  const connection = await Connection.open(server.ws('early'));
  connection.send({ t: 'call', id: 1, fn: 'table.create', args: ['t', {}] });
  const frame = await connection.next();
  assert.ok(frame.t === 'error' || frame.t === 'close', JSON.stringify(frame));
  assert.ok(['KONTRACT_UNAUTHORIZED', 'KONTRACT_INVALID_REQUEST'].includes(frame.code), frame.code);
  const later = await Connection.join(server, 'early');
  assert.deepEqual(await later.result('table.list'), []);
});

test('unknown fields are ignored', async () => {
  const connection = await Connection.open(server.ws('room-1'));
  assert.equal((await connection.hello({ colour: 'red' })).t, 'welcome');
  connection.send({ t: 'call', id: 1, fn: 'session.info', args: [], shape: ['round'] });
  assert.equal((await connection.next()).t, 'result');
});

test('a heartbeat is echoed with the time of the server', async () => {
  const connection = await Connection.join(server, 'room-1');
  connection.send({ t: 'heartbeat', timestamp: 1700000000000 });
  const beat = await connection.next();
  assert.equal(beat.t, 'heartbeat');
  assert.equal(beat.timestamp, 1700000000000);
  assert.ok(Math.abs(beat.server_time - Date.now()) < 60_000, `server_time ${beat.server_time}`);
});

test('close ends the connection, and the session goes on', async () => {
  const leaving = await Connection.join(server, 'room-4');
  await leaving.result('table.create', 't', {});
  leaving.send({ t: 'close' });
  assert.equal((await leaving.closing()).code, 1000);
  const staying = await Connection.join(server, 'room-4');
  assert.equal((await staying.result('table.list')).length, 1);
});

test('an unknown kind of message is an error, and the connection goes on', async () => {
  const connection = await Connection.join(server, 'room-1');
  connection.send({ t: 'dance', id: 5 });
  assertError(await connection.next(), 'KONTRACT_INVALID_REQUEST');
  await connection.result('session.info');
});

test('frames that are no message are refused', async (t) => {
  const deep = JSON_DEPTH_MAX + 1;
  const call = (args) => `{"t":"call","id":1,"fn":"table.set","args":${args}}`;
  const cases = {
    'no JSON': '{"t":"call",',
    'nothing at all': '',
    'text after the value': '{"t":"heartbeat","timestamp":1} x',
    'not an object': '[1,2]',
    'no kind': '{"id":1}',
    'a kind that is no text': '{"t":7}',
    'a member twice': '{"t":"heartbeat","timestamp":1,"timestamp":2}',
    'a number that is no JSON': '{"t":"heartbeat","timestamp":NaN}',
    'half a surrogate pair': call('["t","a",{"x":"\\ud800"}]'),
    'too deep': call('["t","a",{"x":' + '['.repeat(deep) + ']'.repeat(deep) + '}]'),
  };
  for (const [name, text] of Object.entries(cases)) {
    await t.test(name, async () => {
      const connection = await Connection.join(server, 'room-1');
      connection.sendRaw(text);
      await refused(connection, 'KONTRACT_INVALID_REQUEST');
    });
  }
});

test('calls whose own fields are wrong are refused', async (t) => {
  const good = { t: 'call', id: 1, fn: 'session.info', args: [] };
  const cases = {
    'no id': { id: undefined },
    'id 0': { id: 0 },
    'id -1': { id: -1 },
    'id 2^53': { id: 2 ** 53 },
    'id 1.5': { id: 1.5 },
    'id as text': { id: '1' },
    'no function': { fn: undefined },
    'function as number': { fn: 5 },
    'arguments as object': { args: {} },
    'arguments as text': { args: 'users' },
  };
  for (const [name, change] of Object.entries(cases)) {
    await t.test(name, async () => {
      const connection = await Connection.join(server, 'room-1');
      connection.send({ ...good, ...change });
      await refused(connection, 'KONTRACT_INVALID_REQUEST');
    });
  }
});

test('the largest id is taken', async () => {
  const connection = await Connection.join(server, 'room-1');
  connection.send({ t: 'call', id: Number.MAX_SAFE_INTEGER, fn: 'session.info', args: [] });
  const frame = await connection.next();
  assert.equal(frame.t, 'result');
  assert.equal(frame.id, Number.MAX_SAFE_INTEGER);
});

test('an id that is in use is refused, and can be used again once it was answered', async () => {
  const connection = await Connection.join(server, 'room-5');
  await connection.result('table.create', 't', {});
  const call = { t: 'call', id: 900, fn: 'table.push', args: ['t', { n: 1 }] };
  const sent = 20;
  connection.together(() => {
    for (let i = 0; i < sent; i++) connection.send(call);
  });
  const frames = [];
  for (let i = 0; i < sent; i++) frames.push(await connection.next());
  const refusals = frames.filter((frame) => frame.t === 'error');
  assert.ok(refusals.length > 0, 'a durable write outlasts the reading of the next frame');
  for (const frame of refusals) assertError(frame, 'KONTRACT_INVALID_REQUEST');
  const [{ records }] = await connection.result('table.list');
  assert.equal(records, sent - refusals.length);
  connection.send(call);
  assert.equal((await connection.next()).t, 'result');
});

test('a frame over the limit ends the connection with 1009', async () => {
  const connection = await Connection.join(server, 'room-1');
  const data = { text: 'x'.repeat(FRAME_BYTES_MAX) };
  connection.send({ t: 'call', id: 1, fn: 'table.set', args: ['t', 'a', data] });
  const { code, reason } = await connection.closing();
  assert.equal(code, 1009);
  assert.ok(['', 'KONTRACT_TOO_LARGE'].includes(reason), reason);
});

test('a binary frame is refused on kontract.v1+json', async () => {
  const connection = await Connection.join(server, 'room-1');
  connection.sendRaw(Buffer.from('{"t":"heartbeat","timestamp":1}'));
  await refused(connection, 'KONTRACT_INVALID_REQUEST');
});

test('calls of one connection to one table take effect in the order they were sent', async () => {
  const connection = await Connection.join(server, 'room-6');
  await connection.result('table.create', 't', {});
  const answers = [];
  connection.together(() => {
    for (let n = 0; n < 100; n++) {
      answers.push(connection.call('table.set', 't', 'a', { n }));
      answers.push(connection.call('table.get', 't', 'a'));
    }
  });
  const frames = await Promise.all(answers);
  for (let n = 0; n < 100; n++) assert.deepEqual(frames[2 * n + 1].result, { n });
  const txids = frames.map((frame) => frame.txid);
  assert.deepEqual(txids, [...new Set(txids)].sort((a, b) => a - b));
});

test('two connections of one session see what the other wrote', async () => {
  const [ann, ben] = [await Connection.join(server, 'pair'), await Connection.join(server, 'pair')];
  await ann.result('table.create', 't', {});
  await ann.result('table.set', 't', 'a', { by: 'ann' });
  assert.deepEqual(await ben.result('table.get', 't', 'a'), { by: 'ann' });
  await ben.result('table.update', 't', 'a', { too: 'ben' });
  assert.deepEqual(await ann.result('table.get', 't', 'a'), { by: 'ann', too: 'ben' });
});

test('two sessions share no table', async () => {
  const here = await Connection.join(server, 'island-1');
  const there = await Connection.join(server, 'island-2');
  await here.result('table.create', 't', {});
  await there.fails('KONTRACT_STORAGE_PTR_NOT_FOUND', 'table.get', 't', 'a');
});
