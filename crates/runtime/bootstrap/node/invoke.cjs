'use strict';
// One event after another: promise, callback and streaming handlers.

const { NodeJsExit } = require('./errors.cjs');
const { logError, setRequestId } = require('./console.cjs');

/**
 * Runs for ever. `hooks` are how an event is failed from outside (`uncaughtException`, `unhandledRejection`), and what
 * happens on `beforeExit`, at the moment.
 */
async function serve(api, handler, kind, hooks) {
  let event = await api.next();
  for (;;) event = await one(api, handler, kind, hooks, event);
}

/** Runs one event and settles with the next one. */
const one = (api, handler, kind, hooks, event) =>
  (kind.streaming ? stream : buffered)(api, handler, kind, hooks, event);

function begin(api, hooks, { headers }) {
  const id = headers['lambda-runtime-aws-request-id'];
  hooks.fail = (error) => api.fail(id, error);
  // With several events at once nothing of one is the process's.
  if (hooks.shared) return id;
  setRequestId(id);
  const trace = headers['lambda-runtime-trace-id'];
  if (trace) process.env._X_AMZN_TRACE_ID = trace;
  else delete process.env._X_AMZN_TRACE_ID;
  return id;
}

function contextFrom({ headers }) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  return {
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parse(headers['lambda-runtime-client-context'], 'ClientContext'),
    identity: parse(headers['lambda-runtime-cognito-identity'], 'CognitoIdentity'),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    tenantId: headers['lambda-runtime-aws-tenant-id'],
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

function parse(text, name) {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot parse ${name} as json: ${error}`);
  }
}

const isPromise = (value) => value && typeof value.then === 'function';

function stringify(result) {
  try {
    return JSON.stringify(result === undefined ? null : result) ?? 'null';
  } catch {
    throw new Error('Unable to stringify response body');
  }
}

/** Calls the handler and settles with the next event. */
function buffered(api, handler, kind, hooks, event) {
  const id = begin(api, hooks, event);
  return new Promise((resolve, reject) => {
    let over = false;
    const post = (text) => api.answerAndNext(id, text).then(resolve, reject);
    const fail = (error) => {
      over = true;
      hooks.emptied = undefined;
      logError('Invoke Error', error);
      api
        .fail(id, error)
        .then(() => api.next())
        .then(resolve, reject);
    };
    const succeed = (result) => {
      // An answer that cannot be written is the handler's error.
      const text = stringify(result);
      over = true;
      hooks.emptied = undefined;
      post(text);
    };
    const given = (value) => value !== undefined && value !== null;
    const once = (settle) => (...values) => {
      if (!over) settle(...values);
    };
    let waits = true;
    const callback = once((error, result) => {
      if (given(error)) return fail(error);
      // The event loop of several events is never empty.
      if (!waits || hooks.shared) return succeed(result);
      over = true;
      hooks.emptied = () => {
        hooks.emptied = undefined;
        setImmediate(() => {
          try {
            post(stringify(result));
          } catch (unwritable) {
            fail(unwritable);
          }
        });
      };
    });
    const done = once((error, result) => (given(error) ? fail(error) : succeed(result)));
    const context = {
      get callbackWaitsForEmptyEventLoop() {
        return waits;
      },
      set callbackWaitsForEmptyEventLoop(value) {
        waits = value;
      },
      succeed: (result) => done(null, result),
      fail: (error) => done(given(error) ? error : 'handled'),
      done,
    };
    // Nothing is left to run and nothing was answered: a promise that is never settled, or a callback never called.
    hooks.emptied = () => {
      hooks.emptied = undefined;
      if (over) return;
      if (kind.isAsync) fail(new NodeJsExit());
      else succeed(null);
    };
    try {
      const result = handler(JSON.parse(event.body), Object.assign(context, contextFrom(event)), callback);
      if (isPromise(result)) result.then(context.succeed).catch(once(fail));
    } catch (error) {
      if (over) logError('Invoke Error', error);
      else fail(error);
    }
  });
}

async function stream(api, handler, kind, hooks, event) {
  const id = begin(api, hooks, event);
  const response = api.responseStream(id, kind.highWaterMark);
  // The error of a stream is the handler's to see; without a listener it would end the process.
  response.on('error', () => {});
  const ended = new Promise((resolve) => response.once('finish', resolve));
  const fail = async (error) => {
    hooks.emptied = undefined;
    logError('Invoke Error', error);
    if (response.writableFinished) return;
    if (response.started) await response.fail(error);
    else await api.fail(id, error);
  };
  hooks.fail = (error) => (response.started ? response.fail(error) : api.fail(id, error));
  const emptied = new Promise((_, reject) => {
    hooks.emptied = () => reject(new NodeJsExit());
  });
  let waits = true;
  const context = {
    get callbackWaitsForEmptyEventLoop() {
      return waits;
    },
    set callbackWaitsForEmptyEventLoop(value) {
      waits = value;
    },
  };
  try {
    const result = handler(JSON.parse(event.body), response, Object.assign(context, contextFrom(event)));
    if (!isPromise(result)) throw 'Streaming does not support non-async handlers.';
    const value = await Promise.race([result, emptied]);
    if (value !== undefined) console.warn('Streaming handlers ignore return values.');
    if (response.writableEnded) await ended;
    else throw 'Response stream is not finished.';
  } catch (error) {
    await fail(error);
  }
  hooks.emptied = undefined;
  return api.next();
}

module.exports = { serve, one };
