'use strict';
// How errors look in answers and in the log, as AWS's Node.js client has them.

const { isNativeError } = require('node:util').types;

class ImportModuleError extends Error {}
class HandlerNotFound extends Error {}
class MalformedHandlerName extends Error {}
class UserCodeSyntaxError extends Error {}
class MalformedStreamingHandler extends Error {}
class InvalidStreamingOperation extends Error {}
class NodeJsExit extends Error {
  constructor() {
    super(
      'The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise ' +
        'that was never settled. For more information, see ' +
        'https://nodejs.org/docs/latest/api/process.html#exit-codes',
    );
  }
}
class UnhandledPromiseRejection extends Error {
  constructor(reason, promise) {
    super(reason);
    this.reason = reason;
    this.promise = promise;
  }
}

const classes = {
  ImportModuleError,
  HandlerNotFound,
  MalformedHandlerName,
  UserCodeSyntaxError,
  MalformedStreamingHandler,
  InvalidStreamingOperation,
  NodeJsExit,
  UnhandledPromiseRejection,
};
for (const [name, type] of Object.entries(classes)) type.prototype.name = `Runtime.${name}`;

const looksLikeError = (value) =>
  value && ['name', 'message', 'stack'].every((key) => typeof value[key] === 'string' && value[key]);

const clean = (text) => (typeof text === 'string' ? text.replaceAll('\x7F', '%7F') : text);

/** The document that the caller gets. */
function toDocument(error) {
  try {
    if (isNativeError(error) || looksLikeError(error)) {
      return {
        errorType: clean(error.name),
        errorMessage: clean(error.message),
        trace: clean(String(error.stack)).split('\n'),
      };
    }
    return { errorType: typeof error, errorMessage: error.toString(), trace: [] };
  } catch {
    return {
      errorType: 'handled',
      errorMessage:
        'callback called with Error argument, but there was a problem while retrieving one or more of its message, ' +
        'name, and stack',
    };
  }
}

const intoError = (value) => (value instanceof Error ? value : new Error(value));

/** Name, message and stack are not enumerable; this writes them with everything that is. */
function withOwnProperties(_key, value) {
  if (!(value instanceof Error)) return value;
  const all = { errorType: value.name, errorMessage: value.message, code: value.code, ...value };
  if (typeof value.stack === 'string') all.stack = value.stack.split('\n');
  return all;
}

/** The JSON of an error in a text log; AWS's begins with a tab. */
function toLogText(error) {
  try {
    return `\t${JSON.stringify(error, withOwnProperties)}`;
  } catch {
    return `\t${JSON.stringify(toDocument(error))}`;
  }
}

/** What X-Ray gets, in one header: ASCII. */
function toCause(error) {
  try {
    const stack = String(error.stack)
      .split('\n')
      .slice(1)
      .map((line) => {
        const match = /^\s*at (?:(.*) \()?(.*?):(\d+)(?::\d+)?\)?$/.exec(line);
        return match && { path: match[2], line: Number(match[3]), label: match[1] || 'anonymous' };
      })
      .filter(Boolean);
    const cause = {
      working_directory: process.cwd(),
      exceptions: [{ type: clean(error.name), message: clean(error.message), stack }],
      paths: [...new Set(stack.map((frame) => frame.path))],
    };
    const text = JSON.stringify(cause);
    return text.length < 1024 * 1024 ? text.replace(/[^\x20-\x7e]/g, escape) : '';
  } catch {
    return '';
  }
}

const escape = (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;

module.exports = { ...classes, toDocument, toLogText, toCause, intoError };
