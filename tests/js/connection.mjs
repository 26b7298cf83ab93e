// A client of one session, written from docs/protocol.md alone. It shares no code with kontract.

import assert from 'node:assert/strict';
import WebSocket from 'ws';
import { within } from './within.mjs';

const WAIT_MS = 120_000; // longer than any machine is busy

// Every code of the protocol that a call can be answered with here: HTTP status, and whether the
// same call can succeed later.
export const ERRORS = {
  KONTRACT_STORAGE_PTR_NOT_FOUND: { status: 404, retry: false },
  KONTRACT_PERMISSION_DENIED: { status: 403, retry: false },
  KONTRACT_UNAUTHORIZED: { status: 401, retry: false },
  KONTRACT_FORBIDDEN: { status: 403, retry: false },
  KONTRACT_NOT_FOUND: { status: 404, retry: false },
  KONTRACT_INVALID_REQUEST: { status: 400, retry: false },
  KONTRACT_EXEC_CROSS_TABLE: { status: 403, retry: false },
  KONTRACT_EXEC_FAILED: { status: 400, retry: false },
  KONTRACT_EXEC_LIMIT: { status: 413, retry: false },
  KONTRACT_TOO_LARGE: { status: 413, retry: false },
  KONTRACT_RATE_LIMITED: { status: 429, retry: true },
  KONTRACT_OVERLOADED: { status: 503, retry: true },
  KONTRACT_TIMEOUT: { status: 504, retry: true },
};

// Checks that `frame` is a whole error frame with this code, and returns it.
export function assertError(frame, code) {
  assert.equal(frame.t, 'error', `expected ${code}, got ${JSON.stringify(frame)}`);
  assert.equal(frame.code, code, frame.message);
  assert.equal(frame.status, ERRORS[code].status);
  assert.equal(frame.retry, ERRORS[code].retry);
  assert.equal(typeof frame.message, 'string');
  assert.notEqual(frame.message, '');
  assert.equal(typeof frame.hint, 'string');
  assert.notEqual(frame.hint, '');
  return frame;
}

export class Connection {
  #socket;
  #frames = []; // arrived, nobody has asked for them yet
  #takers = []; // asked for, not yet arrived
  #answers = new Map(); // by the id of the call
  #lastId = 0;

  // Resolves once the upgrade is done; no hello is sent.
  static async open(url, protocols = []) {
    const socket = new WebSocket(url, protocols, { perMessageDeflate: false });
    const connection = new Connection(socket);
    const opened = new Promise((resolve, reject) => {
      socket.on('open', resolve);
      socket.on('error', reject);
    });
    await within(WAIT_MS, opened, () => `no upgrade at ${url}`);
    return connection;
  }

  // Opens, says hello and keeps the welcome in `welcome`.
  static async join(server, session) {
    const connection = await Connection.open(server.ws(session));
    connection.welcome = await connection.hello();
    return connection;
  }

  constructor(socket) {
    this.#socket = socket;
    socket.on('message', (bytes, isBinary) => {
      assert.equal(isBinary, false, 'kontract.v1+json has text frames only');
      this.#take(JSON.parse(bytes.toString('utf8')));
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        const end = { code, reason: reason.toString() };
        this.#fail(new Error(`closed: ${code} ${end.reason}`));
        resolve(end);
      });
    });
    socket.on('error', (error) => this.#fail(error));
  }

  get protocol() {
    return this.#socket.protocol;
  }

  #take(frame) {
    const answer = this.#answers.get(frame.id);
    if (answer && (frame.t === 'result' || frame.t === 'error')) {
      this.#answers.delete(frame.id);
      answer.resolve(frame);
    } else if (this.#takers.length > 0) {
      this.#takers.shift().resolve(frame);
    } else {
      this.#frames.push(frame);
    }
  }

  #fail(error) {
    for (const taker of this.#takers.splice(0)) taker.reject(error);
    for (const answer of this.#answers.values()) answer.reject(error);
    this.#answers.clear();
  }

  // Sends text or bytes as they are.
  sendRaw(payload) {
    this.#socket.send(payload);
  }

  send(message) {
    this.sendRaw(JSON.stringify(message));
  }

  // Sends what `send` sends in as few packets as possible.
  together(send) {
    this.#socket._socket.cork();
    send();
    this.#socket._socket.uncork();
  }

  // The next frame that is not the answer to a `call`.
  next() {
    if (this.#frames.length > 0) return Promise.resolve(this.#frames.shift());
    const frame = new Promise((resolve, reject) => this.#takers.push({ resolve, reject }));
    return within(WAIT_MS, frame, () => 'no frame came');
  }

  hello(fields = {}) {
    this.send({ t: 'hello', v: 1, ...fields });
    return this.next();
  }

  // Resolves with the frame that answers the call, be it a result or an error.
  call(fn, ...args) {
    return this.callWith({}, fn, ...args);
  }

  // The same, with more fields in the message.
  callWith(fields, fn, ...args) {
    const id = ++this.#lastId;
    const answer = new Promise((resolve, reject) => this.#answers.set(id, { resolve, reject }));
    this.send({ t: 'call', id, fn, args, ...fields });
    return within(WAIT_MS, answer, () => `no answer to ${fn}`);
  }

  // Resolves with the result alone; an error fails the test.
  async result(fn, ...args) {
    const frame = await this.call(fn, ...args);
    assert.equal(frame.t, 'result', `${fn}: ${JSON.stringify(frame)}`);
    assert.ok(Number.isSafeInteger(frame.txid) && frame.txid > 0, `txid ${frame.txid}`);
    return frame.result;
  }

  async fails(code, fn, ...args) {
    return assertError(await this.call(fn, ...args), code);
  }

  // Resolves with {code, reason} once the server has closed the connection.
  closing() {
    return within(WAIT_MS, this.closed, () => 'the server did not close');
  }

  // Closes from this side and resolves when that is done.
  async leave() {
    this.#socket.close(1000);
    await this.closing();
  }
}

// Waits for an error frame or the close frame of a connection that is closed for cause, and checks
// that either gives this code. The protocol leaves open which of the two a broken frame earns.
export async function refused(connection, code) {
  const frame = await connection.next();
  assert.ok(frame.t === 'error' || frame.t === 'close', JSON.stringify(frame));
  assert.equal(frame.code, code, frame.message);
  return frame;
}
