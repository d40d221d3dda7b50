'use strict';
// `console` as Lambda has it: time, request id and level before each message, or one JSON object for each.

const fs = require('node:fs');
const { format } = require('node:util');
const { intoError, toLogText } = require('./errors.cjs');

const REQUEST_ID = Symbol.for('aws.lambda.runtime.requestId');
const LEVELS = { TRACE: 1, DEBUG: 2, INFO: 3, WARN: 4, ERROR: 5, FATAL: 6 };
// Known when the function is: a worker is started before.
let jsonFormat = false;
// Which event prints; where events come several at once, by the context of the call.
let requestId = () => globalThis[REQUEST_ID];
// Before a line where there are several, for the platform.
let mark = () => '';

/**
 * One event of the log, whatever lines it has: the mark before a line end tells the platform that it goes on. Written
 * at once, so that nothing is lost when the process is ended.
 */
function writeRecord(text) {
  const bytes = Buffer.from(mark() + text.replaceAll('\n', '\x1f\n') + '\n');
  let done = 0;
  while (done < bytes.length) {
    try {
      done += fs.writeSync(1, bytes, done);
    } catch (error) {
      if (error.code !== 'EAGAIN') return;
    }
  }
}

function errorAsObject(_key, value) {
  if (!(value instanceof Error)) return value;
  const stackTrace = typeof value.stack === 'string' ? value.stack.split('\n') : value.stack;
  return { errorType: value.constructor?.name ?? 'UnknownError', errorMessage: value.message, stackTrace, ...value };
}

function jsonLine(level, params) {
  const line = { timestamp: new Date().toISOString(), level, requestId: requestId() };
  if (params.length === 1) {
    line.message = params[0];
    try {
      return JSON.stringify(line, errorAsObject);
    } catch {
      line.message = format(params[0]);
      return JSON.stringify(line);
    }
  }
  line.message = format(...params);
  const error = params.find((param) => param instanceof Error);
  if (error) {
    line.errorType = error.constructor?.name ?? 'UnknownError';
    line.errorMessage = error.message;
    line.stackTrace = typeof error.stack === 'string' ? error.stack.split('\n') : [];
  }
  return JSON.stringify(line);
}

const textLine = (level, params) =>
  `${new Date().toISOString()}\t${requestId()}\t${level}\t${format(...params)}`;

/** Replaces the methods of `console`; those below `AWS_LAMBDA_LOG_LEVEL` do nothing. */
function patch() {
  const least = LEVELS[(process.env.AWS_LAMBDA_LOG_LEVEL ?? '').toUpperCase()] ?? LEVELS.TRACE;
  jsonFormat = (process.env.AWS_LAMBDA_LOG_FORMAT ?? '').toUpperCase() === 'JSON';
  const line = jsonFormat ? jsonLine : textLine;
  const methods = { trace: 'TRACE', debug: 'DEBUG', info: 'INFO', log: 'INFO', warn: 'WARN', error: 'ERROR', fatal: 'FATAL' };
  for (const [method, level] of Object.entries(methods)) {
    console[method] = LEVELS[level] >= least ? (...params) => writeRecord(line(level, params)) : () => {};
  }
}

function logError(title, error) {
  if (jsonFormat) console.error(intoError(error));
  else console.error(title, toLogText(intoError(error)));
}

function setRequestId(id) {
  globalThis[REQUEST_ID] = id;
}

/** From here on `current` says whose a line is. */
function printFor(current) {
  requestId = current;
  mark = () => (current() ? `\x1d${current()}\x1d` : '');
}

module.exports = { patch, logError, setRequestId, printFor };
