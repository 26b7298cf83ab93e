// A connection of one session over raystream.v1, which can also send what is not right.

import assert from 'node:assert/strict';
import WebSocket from 'ws';
import { Handshake } from './raystream.mjs';
import { within } from './within.mjs';

const WAIT_MS = 120_000; // longer than any machine is busy

export class RaystreamConnection {
  #socket;
  #frames = []; // arrived, nobody has asked for them yet
  #taker; // who waits for the next one
  #ended = false;
  #lastId = 0;

  // The upgrade alone.
  static async open(url, protocols = ['raystream.v1']) {
    const socket = new WebSocket(url, protocols, { perMessageDeflate: false });
    const connection = new RaystreamConnection(socket);
    const opened = new Promise((resolve, reject) => {
      socket.on('open', resolve);
      socket.on('error', reject);
    });
    await within(WAIT_MS, opened, () => `no upgrade at ${url}`);
    return connection;
  }

  // With the handshake; `setup` as Handshake takes it.
  static async shake(url, setup) {
    const connection = await RaystreamConnection.open(url);
    const handshake = new Handshake(setup);
    connection.sendFrame(handshake.hello);
    const frame = await connection.nextFrame();
    assert.ok(frame, 'the server answers the handshake');
    connection.channel = handshake.finish(frame);
    return connection;
  }

  // And with the hello, which is welcome.
  static async join(url, setup) {
    const connection = await RaystreamConnection.shake(url, setup);
    connection.send({ t: 'hello', v: 1 });
    connection.welcome = await connection.next();
    assert.equal(connection.welcome.t, 'welcome', JSON.stringify(connection.welcome));
    return connection;
  }

  constructor(socket) {
    this.#socket = socket;
    socket.on('message', (bytes, isBinary) => {
      assert.equal(isBinary, true, 'raystream.v1 has binary frames only');
      this.#frames.push(bytes);
      this.#taker?.();
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        this.#ended = true;
        this.#taker?.();
        resolve({ code, reason: reason.toString() });
      });
    });
    socket.on('error', () => {}); // the close that follows says enough
  }

  get protocol() {
    return this.#socket.protocol;
  }

  sendFrame(bytes) {
    this.#socket.send(bytes, { binary: true });
  }

  sendText(text) {
    this.#socket.send(text, { binary: false });
  }

  send(message, how) {
    this.sendFrame(this.channel.seal(message, how));
  }

  // The next frame; undefined when the connection was closed.
  async nextFrame() {
    const there = () => this.#frames.length > 0 || this.#ended;
    if (!there()) {
      const came = new Promise((resolve) => {
        this.#taker = () => there() && resolve();
      });
      await within(WAIT_MS, came, () => 'no frame came');
    }
    return this.#frames.shift();
  }

  async next() {
    const frame = await this.nextFrame();
    assert.ok(frame, 'the connection was closed');
    return this.channel.open(frame);
  }

  async call(fn, ...args) {
    const id = ++this.#lastId;
    this.send({ t: 'call', id, fn, args });
    const answer = await this.next();
    assert.equal(answer.id, id, JSON.stringify(answer));
    return answer;
  }

  async result(fn, ...args) {
    const answer = await this.call(fn, ...args);
    assert.equal(answer.t, 'result', JSON.stringify(answer));
    return answer.result;
  }

  // {code, reason} once the server has closed the connection.
  closing() {
    return within(WAIT_MS, this.closed, () => 'the server did not close');
  }

  // Ends the connection without a word.
  async cut() {
    this.#socket.terminate();
    await this.closing();
  }
}
