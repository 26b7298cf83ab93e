// HTTP: /rpc, /health, /.well-known/kontract, and addresses that lead nowhere.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Connection } from './connection.mjs';
import { Server } from './server.mjs';

let server;
before(async () => {
  server = await Server.start();
});
after(() => server?.stop());

async function rpc(fn, args, headers = { 'X-Session-Id': 'http' }) {
  const body = typeof args === 'string' ? args : JSON.stringify(args);
  const response = await fetch(`${server.http}/rpc/${fn}`, { method: 'POST', headers, body });
  return { status: response.status, body: await response.json() };
}

function assertHttpError({ status, body }, expectedStatus, code) {
  assert.equal(status, expectedStatus, JSON.stringify(body));
  assert.equal(body.error, code);
  assert.equal(typeof body.message, 'string');
  assert.equal(typeof body.hint, 'string');
}

// The status with which an upgrade at `path` is refused.
async function refusedUpgrade(path) {
  try {
    const connection = await Connection.open(`ws://127.0.0.1:${server.port}${path}`);
    await connection.leave();
  } catch (error) {
    const status = /Unexpected server response: (\d+)/.exec(error.message)?.[1];
    assert.ok(status, error.message);
    return Number(status);
  }
  assert.fail(`${path} was upgraded`);
}

test('a call over HTTP runs in the session that the header names', async () => {
  const created = await rpc('table.create', ['t', {}]);
  assert.equal(created.status, 200, JSON.stringify(created.body));
  const set = await rpc('table.set', ['t', 'a', { n: 1 }]);
  assert.equal(set.status, 200);
  assert.equal(set.body.result, true);
  assert.ok(set.body.txid > created.body.txid);
  assert.deepEqual((await rpc('table.get', ['t', 'a'])).body.result, { n: 1 });
  const connection = await Connection.join(server, 'http');
  assert.deepEqual(await connection.result('table.get', 't', 'a'), { n: 1 });
});

test('an error over HTTP has its status, its code and a hint', async () => {
  assertHttpError(await rpc('table.get', ['nope', 'a']), 404, 'KONTRACT_STORAGE_PTR_NOT_FOUND');
  assertHttpError(await rpc('table.nope', []), 404, 'KONTRACT_NOT_FOUND');
  assertHttpError(await rpc('table.get', ['t']), 400, 'KONTRACT_INVALID_REQUEST');
});

test('a body that is no array of arguments is refused', async (t) => {
  for (const body of ['{}', '5', '[', 'null', '"t"', '[1] 2']) {
    await t.test(body, async () => {
      assertHttpError(await rpc('session.info', body), 400, 'KONTRACT_INVALID_REQUEST');
    });
  }
});

test('a body over the limit is refused', async () => {
  const body = JSON.stringify(['t', 'a', { text: 'x'.repeat(1024 * 1024) }]);
  assertHttpError(await rpc('table.set', body), 413, 'KONTRACT_TOO_LARGE');
});

test('a call needs a session with a good name', async (t) => {
  for (const name of [undefined, '', 'a b', 'a/b', 'ä', 'x'.repeat(129)]) {
    await t.test(String(name).slice(0, 20), async () => {
      const headers = name === undefined ? {} : { 'X-Session-Id': name };
      assertHttpError(await rpc('session.info', [], headers), 400, 'KONTRACT_INVALID_REQUEST');
    });
  }
});

test('a WebSocket needs a session with a good name', async (t) => {
  for (const name of ['a%20b', 'a$b', '%C3%A4', 'x'.repeat(129), '', 'a/b']) {
    await t.test(name.slice(0, 20), async () => {
      assert.ok([400, 404].includes(await refusedUpgrade(`/ws/${name}`)));
    });
  }
});

test('an address that leads nowhere is not found', async () => {
  for (const path of ['/nope', '/', '/rpc', '/wsx/a', '/.well-known/other']) {
    const response = await fetch(server.http + path);
    const body = await response.json();
    assertHttpError({ status: response.status, body }, 404, 'KONTRACT_NOT_FOUND');
  }
  assert.equal(await refusedUpgrade('/nope'), 404);
});

test('/health is ok while the server serves', async () => {
  const response = await fetch(`${server.http}/health`);
  assert.equal(response.status, 200);
  assert.equal((await response.json()).status, 'ok');
});

test('/.well-known/kontract names the protocols and limits', async () => {
  const response = await fetch(`${server.http}/.well-known/kontract`);
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type'), /^application\/json/);
  const body = await response.json();
  assert.ok(body.protocols.includes('kontract.v1+json'), JSON.stringify(body));
  assert.equal(typeof body.limits, 'object');
});

test('one connection carries many calls', async () => {
  const { Agent, request } = await import('node:http');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const sockets = new Set();
  const once = () =>
    new Promise((resolve, reject) => {
      const sent = request(`${server.http}/rpc/session.info`, {
        agent,
        method: 'POST',
        headers: { 'X-Session-Id': 'http' },
      });
      sent.on('socket', (socket) => sockets.add(socket));
      sent.on('error', reject);
      sent.on('response', (response) => response.resume().on('end', () => resolve(response)));
      sent.end('[]');
    });
  for (let i = 0; i < 5; i++) assert.equal((await once()).statusCode, 200);
  assert.equal(sockets.size, 1);
  agent.destroy();
});
