'use strict';
// The Runtime API over one kept-alive connection. It holds the event loop only while an answer is awaited, so that an
// empty event loop means that the handler has nothing left to do.

const net = require('node:net');
const { Writable } = require('node:stream');
const { toDocument, toCause, InvalidStreamingOperation } = require('./errors.cjs');

const PREFIX = '/2018-06-01/runtime/';
const header = (text) => String(text).replace(/[^\x20-\x7e]/g, '?');

class RuntimeApi {
  constructor(address) {
    const colon = address.lastIndexOf(':');
    this.address = address;
    this.host = address.slice(0, colon);
    this.port = Number(address.slice(colon + 1));
    this.socket = undefined;
    this.received = Buffer.alloc(0);
    this.waiting = [];
    this.getNext = `GET ${PREFIX}invocation/next HTTP/1.1\r\nHost: ${address}\r\n\r\n`;
  }

  /** What a worker is to be: the variables of its function. */
  async assignment() {
    const { status, body } = await this.exchange(`GET /danbi/assignment HTTP/1.1\r\nHost: ${this.address}\r\n\r\n`);
    if (status !== 200) throw new Error(`no assignment: ${status}`);
    return JSON.parse(body);
  }

  /** The next event: `{ headers, body }`, header names in lower case. */
  async next() {
    return this.event(this.exchange(this.getNext));
  }

  /** Answers one event and asks for the next in the same breath. */
  async answerAndNext(id, text) {
    const body = Buffer.from(text);
    const head = this.post(`invocation/${id}/response`, body.length, 'Content-Type: application/json\r\n');
    this.connect().cork();
    const answered = this.exchange(head, body);
    const next = this.exchange(this.getNext);
    this.socket.uncork();
    await answered;
    return this.event(next);
  }

  /** From here on no event is asked for: one that came to a process that is about to end would be lost. */
  askNoMore() {
    this.next = this.answerAndNext = () => new Promise(() => {});
  }

  async fail(id, error) {
    const document = toDocument(error);
    const cause = toCause(error);
    const extra =
      `Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: ${header(document.errorType)}\r\n` +
      (cause ? `Lambda-Runtime-Function-XRay-Error-Cause: ${cause}\r\n` : '');
    const body = Buffer.from(JSON.stringify(document));
    await this.exchange(this.post(`invocation/${id}/error`, body.length, extra), body);
  }

  async failInit(error) {
    const document = toDocument(error);
    const extra = `Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: ${header(document.errorType)}\r\n`;
    const body = Buffer.from(JSON.stringify(document));
    await this.exchange(this.post('init/error', body.length, extra), body);
  }

  /** A stream whose bytes are the answer. */
  responseStream(id, highWaterMark) {
    return new ResponseStream(this, id, highWaterMark);
  }

  post(path, length, extra) {
    return `POST ${PREFIX}${path} HTTP/1.1\r\nHost: ${this.address}\r\nContent-Length: ${length}\r\n${extra}\r\n`;
  }

  async event(exchange) {
    const { status, headers, body } = await exchange;
    if (status !== 200) throw new Error(`the Runtime API answered ${status}: ${body}`);
    return { headers, body };
  }

  exchange(...parts) {
    const socket = this.connect();
    for (const part of parts) socket.write(part);
    return this.response();
  }

  response() {
    this.connect().ref();
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  connect() {
    if (this.socket) return this.socket;
    const socket = net.connect({ host: this.host, port: this.port, noDelay: true });
    const broken = (error) => {
      for (const { reject } of this.waiting.splice(0)) reject(error);
    };
    socket.on('data', (chunk) => this.read(chunk));
    socket.on('error', broken);
    socket.on('close', () => broken(new Error('the Runtime API closed the connection')));
    this.socket = socket;
    return socket;
  }

  read(chunk) {
    this.chunks ??= [];
    this.chunks.push(chunk);
    this.have = (this.have ?? 0) + chunk.length;
    // A large event comes in many pieces: they are joined once it is whole.
    if (this.need && this.have < this.need) return;
    let buffer = this.chunks.length === 1 ? this.chunks[0] : Buffer.concat(this.chunks);
    for (;;) {
      const end = buffer.indexOf('\r\n\r\n');
      if (end < 0) break;
      const [statusLine, ...lines] = buffer.toString('utf8', 0, end).split('\r\n');
      const headers = {};
      for (const line of lines) {
        const colon = line.indexOf(':');
        headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
      }
      const total = end + 4 + Number(headers['content-length'] ?? 0);
      this.need = total;
      if (buffer.length < total) break;
      this.need = 0;
      const body = buffer.toString('utf8', end + 4, total);
      buffer = buffer.subarray(total);
      const waiter = this.waiting.shift();
      if (this.waiting.length === 0) this.socket.unref();
      waiter?.resolve({ status: Number(statusLine.split(' ')[1]), headers, body });
    }
    this.chunks = buffer.length ? [buffer] : [];
    this.have = buffer.length;
  }
}

/** Chunked transfer of an answer, with trailers when the handler fails in the middle of it. */
class ResponseStream extends Writable {
  constructor(api, id, highWaterMark) {
    super({ decodeStrings: true, highWaterMark: highWaterMark ?? 64 * 1024 });
    this.api = api;
    this.id = id;
    this.contentType = 'application/octet-stream';
    this.started = false;
    this.failure = undefined;
    this.posted = undefined;
    this._onBeforeFirstWrite = undefined;
  }

  setContentType(contentType) {
    if (this.started) throw new InvalidStreamingOperation('Cannot set content-type, too late.');
    this.contentType = contentType;
  }

  write(chunk, encoding, callback) {
    // Other values than text and bytes are written as JSON, as AWS's client does.
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) chunk = JSON.stringify(chunk);
    return super.write(chunk, encoding, callback);
  }

  _write(chunk, _encoding, callback) {
    this.start();
    this.send(chunk, callback);
  }

  _final(callback) {
    this.start();
    const trailers = this.failure
      ? `Lambda-Runtime-Function-Error-Type: ${header(this.failure.errorType)}\r\n` +
        `Lambda-Runtime-Function-Error-Body: ${Buffer.from(JSON.stringify(this.failure)).toString('base64')}\r\n`
      : '';
    this.api.socket.write(`0\r\n${trailers}\r\n`);
    this.posted = this.api.response();
    this.posted.then(() => callback(), callback);
  }

  /** Ends the answer with an error. */
  fail(error) {
    this.failure = toDocument(error);
    return new Promise((resolve) => {
      this.once('close', resolve);
      if (this.writableFinished) resolve();
      else if (this.destroyed || this.errored) this.abandon(resolve);
      else this.end();
    });
  }

  /** The handler destroyed the stream: the trailers are sent past it. */
  abandon(resolve) {
    this._final(() => resolve());
  }

  start() {
    if (this.started) return;
    this.started = true;
    this.api
      .connect()
      .write(
        `POST ${PREFIX}invocation/${this.id}/response HTTP/1.1\r\nHost: ${this.api.address}\r\n` +
          `Transfer-Encoding: chunked\r\nContent-Type: ${header(this.contentType)}\r\n` +
          'Lambda-Runtime-Function-Response-Mode: streaming\r\n' +
          'Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n',
      );
    this._onBeforeFirstWrite?.((chunk) => this.send(Buffer.from(chunk)));
  }

  send(chunk, callback) {
    if (chunk.length === 0) {
      callback?.();
      return;
    }
    const { socket } = this.api;
    socket.cork();
    socket.write(`${chunk.length.toString(16)}\r\n`);
    socket.write(chunk);
    socket.write('\r\n', callback);
    socket.uncork();
  }
}

module.exports = { RuntimeApi };
