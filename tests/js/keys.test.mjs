// Calls with a key run once, whenever the server is killed; and what is left of a session that was
// destroyed: nothing.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { assertError, Connection } from './connection.mjs';
import { Server } from './server.mjs';

after(() => Server.killAll());

const KILLS = 10;
const WRITERS = 16;
const RAISE = "UPDATE t SET data = json_set(data, '$.n', data->>'n' + 1) WHERE id = 'counter'";

test('a repeat gets the first answer, over HTTP as well, and another call with its key none', async () => {
  const server = await Server.start();
  const connection = await Connection.join(server, 'keys');
  await connection.result('table.create', 't', {});
  const key = randomUUID();
  const first = await connection.callWith({ key }, 'table.push', 't', { n: 1 });
  const { id, ...told } = first;
  assert.equal(told.t, 'result', JSON.stringify(first));
  const { id: other, ...repeated } = await connection.callWith({ key, age_ms: 5 }, 'table.push', 't', { n: 1 });
  assert.notEqual(other, id);
  assert.deepEqual(repeated, told);
  assertError(await connection.callWith({ key }, 'table.push', 't', { n: 2 }), 'KONTRACT_INVALID_REQUEST');
  assertError(await connection.callWith({ key: 'no space' }, 'table.push', 't', {}), 'KONTRACT_INVALID_REQUEST');
  const http = await fetch(`${server.http}/rpc/table.push`, {
    method: 'POST',
    headers: { 'X-Session-Id': 'keys', 'Idempotency-Key': key },
    body: JSON.stringify(['t', { n: 1 }]),
  });
  assert.equal(http.status, 200);
  assert.deepEqual(await http.json(), { result: told.result, txid: told.txid });
  assert.equal((await connection.result('table.query', 't')).rows.length, 1);
  await server.stop();
});

test('no call is lost and none runs twice over many kills', async () => {
  let server = await Server.start();
  let up = Promise.resolve(server);
  const setup = await Connection.join(server, 'kills');
  await setup.result('table.create', 't', {});
  await setup.result('table.set', 't', 'counter', { n: 0 });
  let answered = 0;
  let enough = false;
  let onAnswer = () => {};
  const made = { raises: 0, pushes: 0 };

  // Repeats one call, on ever new connections, until it is answered.
  const writer = async (name) => {
    let connection;
    for (let n = 0; !enough; n++) {
      const key = randomUUID();
      const args = n % 2 === 0 ? ['table.exec', 't', RAISE] : ['table.push', 't', { who: `${name}-${n}` }];
      for (;;) {
        const now = await up;
        try {
          connection ??= await Connection.join(now, 'kills');
          const frame = await connection.callWith({ key }, ...args);
          assert.equal(frame.t, 'result', JSON.stringify(frame));
          break;
        } catch (error) {
          if (error.code === 'ERR_ASSERTION') throw error;
          connection = undefined; // the server is gone
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
      made[n % 2 === 0 ? 'raises' : 'pushes']++;
      answered++;
      onAnswer();
    }
  };
  const writers = Promise.all(Array.from({ length: WRITERS }, (_, n) => writer(`w${n}`)));
  for (let kill = 0; kill < KILLS; kill++) {
    const until = answered + 1 + Math.floor(Math.random() * 400);
    const reached = new Promise((resolve) => {
      onAnswer = () => answered >= until && resolve();
    });
    await Promise.race([reached, writers]);
    await server.stop('SIGKILL');
    up = Server.start(server.data);
    server = await up;
  }
  enough = true;
  await writers;

  const witness = await Connection.join(server, 'kills');
  assert.deepEqual(await witness.result('table.get', 't', 'counter'), { n: made.raises });
  const { rows } = await witness.result(
    'table.exec', 't',
    "SELECT count(*) AS pushes, count(DISTINCT data->>'who') AS different FROM t WHERE id <> 'counter'");
  assert.deepEqual(rows, [{ pushes: made.pushes, different: made.pushes }]);
  await server.stop();
});

test('a destroyed session is gone, its connections are told, and one of its name is new', async () => {
  let server = await Server.start();
  const connection = await Connection.join(server, 'gone');
  const watcher = await Connection.join(server, 'gone');
  const { sid } = connection.welcome;
  await connection.result('table.create', 't', {});
  for (let n = 0; n < 5; n++) {
    await connection.result('table.batch', Array.from({ length: 1000 }, (_, i) => ['table.push', 't', { i }]));
  }
  await connection.result('session.destroy');
  for (const one of [connection, watcher]) {
    const goodbye = await one.next();
    assert.deepEqual([goodbye.t, goodbye.code], ['close', 'KONTRACT_NOT_FOUND']);
    assert.equal((await one.closing()).code, 1008);
  }
  await server.stop('SIGKILL'); // most of its rows are still there
  server = await Server.start(server.data);
  const late = await Connection.open(server.ws('gone'));
  assert.equal((await late.hello({ resume: { sid } })).code, 'KONTRACT_NOT_FOUND');
  const fresh = await Connection.join(server, 'gone');
  assert.notEqual(fresh.welcome.sid, sid);
  assert.deepEqual(await fresh.result('table.list'), []);
  let listed; // what is told is what LMDB has, which follows
  while (listed?.status !== 200) listed = await fetch(`${server.http}/sessions/gone`);
  assert.equal((await listed.json()).sid, fresh.welcome.sid);
  await server.stop();
});
