'use strict';
// Several events at once, when the function asks for it (DANBI_CONCURRENCY): for each place a connection that waits for an
// event, as AWS's own clients have it where environments take several. Which event a call belongs to is its asynchronous
// context.

const { AsyncLocalStorage } = require('node:async_hooks');
const { RuntimeApi } = require('./api.cjs');
const { printFor } = require('./console.cjs');
const { one } = require('./invoke.cjs');

const REQUEST_ID = Symbol.for('_AWS_LAMBDA_REQUEST_ID');
const X_RAY_TRACE_ID = Symbol.for('_AWS_LAMBDA_X_RAY_TRACE_ID');
const TENANT_ID = Symbol.for('_AWS_LAMBDA_TENANT_ID');
const PROTECTED = { REQUEST_ID, X_RAY_TRACE_ID, TENANT_ID };

/** What libraries ask for the present event: the interface of the npm package `@aws/lambda-invoke-store`. */
class InvokeStore {
  static PROTECTED_KEYS = PROTECTED;
  storage = new AsyncLocalStorage();

  run(context, call) {
    return this.storage.run(context, call);
  }
  getContext() {
    return this.storage.getStore();
  }
  hasContext() {
    return this.storage.getStore() !== undefined;
  }
  get(key) {
    return this.storage.getStore()?.[key];
  }
  set(key, value) {
    if (this.isProtectedKey(key)) throw new Error(`Cannot modify protected Lambda context field: ${String(key)}`);
    const context = this.storage.getStore();
    if (!context) throw new Error('No context available');
    context[key] = value;
  }
  isProtectedKey(key) {
    return Object.values(PROTECTED).includes(key);
  }
  getRequestId() {
    return this.get(REQUEST_ID) ?? '-';
  }
  getXRayTraceId() {
    return this.get(X_RAY_TRACE_ID);
  }
  getTenantId() {
    return this.get(TENANT_ID);
  }
}

const PLACE = Symbol('place');
const store = new InvokeStore();

/** Before the handler is loaded, so that libraries find it. */
function install() {
  if (['1', 'true'].includes(process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) return;
  globalThis.awslambda = { InvokeStore: store };
}

const never = () => new Promise(() => {});

/** One place. Once it is `leaving`, it ends its event and asks for no other. */
class Place extends RuntimeApi {
  constructor(address) {
    super(address);
    this.hooks = { shared: true, fail: undefined, emptied: undefined };
    this.busy = false;
    this.leaving = false;
    this.left = new Promise((resolve) => (this.leave = resolve));
  }

  async next() {
    this.busy = false;
    return this.leaving ? this.park() : this.await(super.next());
  }

  async answerAndNext(id, text) {
    const body = Buffer.from(text);
    const head = this.post(`invocation/${id}/response`, body.length, 'Content-Type: application/json\r\n');
    this.connect().cork();
    const answered = this.exchange(head, body);
    const next = this.leaving ? never() : this.await(this.event(this.exchange(this.getNext)));
    this.socket.uncork();
    await answered;
    this.busy = false;
    return this.leaving ? this.park() : next;
  }

  /** The next event, or nothing ever when the place is given up meanwhile. */
  await(event) {
    return event.catch((error) => (this.leaving ? never() : Promise.reject(error)));
  }

  /** The platform sees that nobody waits any more, and gives the next event to another environment. */
  park() {
    this.socket?.end();
    this.leave();
    return never();
  }

  /** Asks for nothing more; ready when its event is over. */
  end() {
    this.leaving = true;
    if (!this.busy) this.park();
    return this.left;
  }

  async run(handler, kind) {
    let event = await this.next();
    for (;;) {
      const { headers } = event;
      const context = {
        [REQUEST_ID]: headers['lambda-runtime-aws-request-id'],
        [X_RAY_TRACE_ID]: headers['lambda-runtime-trace-id'],
        [TENANT_ID]: headers['lambda-runtime-aws-tenant-id'],
        [PLACE]: this,
      };
      this.busy = true;
      const present = event;
      event = await store.run(context, () => one(this, handler, kind, this.hooks, present));
    }
  }
}

/** Runs for ever. An error that nobody caught ends its own event, and the process once the others are over. */
async function serve(api, handler, kind, hooks, places) {
  printFor(() => store.get(REQUEST_ID));
  delete process.env._X_AMZN_TRACE_ID;
  const all = Array.from({ length: places }, () => new Place(api.address));
  hooks.crashed = async (error, code) => {
    const own = store.get(PLACE);
    const blamed = own ? [own] : all.filter((place) => place.busy);
    const others = all.filter((place) => !blamed.includes(place));
    await Promise.allSettled([
      ...blamed.map((place) => place.hooks.fail?.(error)),
      ...others.map((place) => place.end()),
    ]);
    process.exit(code);
  };
  hooks.emptied = () => all.forEach((place) => place.hooks.emptied?.());
  await Promise.all(all.map((place) => place.run(handler, kind)));
}

module.exports = { install, serve };
