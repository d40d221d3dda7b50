'use strict';
// Finds the handler that `_HANDLER` names: CommonJS and ES modules, folders, nested properties.

const fs = require('node:fs');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const {
  HandlerNotFound,
  ImportModuleError,
  MalformedHandlerName,
  MalformedStreamingHandler,
  UserCodeSyntaxError,
} = require('./errors.cjs');

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');

class HttpResponseStream {
  /** Makes a stream begin with status, headers and cookies: JSON and eight NULs before the body. */
  static from(stream, prelude) {
    stream.setContentType('application/vnd.awslambda.http-integration-response');
    const head = JSON.stringify(prelude);
    stream._onBeforeFirstWrite = (write) => {
      write(head);
      write(new Uint8Array(8));
    };
    return stream;
  }
}

function installGlobals() {
  if (['1', 'true'].includes(process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) return;
  globalThis.awslambda = {
    ...globalThis.awslambda,
    streamifyResponse(handler, options) {
      handler[STREAMING] = 'response';
      if (typeof options?.highWaterMark === 'number') handler[HIGH_WATER_MARK] = Math.trunc(options.highWaterMark);
      return handler;
    },
    HttpResponseStream,
  };
}

async function load(root, name) {
  if (name.includes('..')) {
    throw new MalformedHandlerName(
      `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const last = path.basename(name);
  const folder = name.slice(0, name.indexOf(last));
  const match = /^([^.]*)\.(.*)$/.exec(last);
  if (!match) throw new MalformedHandlerName('Bad handler');
  installGlobals();
  const loaded = await loadModule(root, folder, match[1]);
  const handler = match[2].split('.').reduce((nested, key) => nested && nested[key], loaded);
  if (!handler) throw new HandlerNotFound(`${name} is undefined or not exported`);
  if (typeof handler !== 'function') throw new HandlerNotFound(`${name} is not a function`);
  return handler;
}

async function loadModule(root, folder, name) {
  try {
    return await find(root, folder, name);
  } catch (error) {
    if (error instanceof SyntaxError) throw new UserCodeSyntaxError(error);
    if (error?.code === 'MODULE_NOT_FOUND' || error?.code === 'ERR_MODULE_NOT_FOUND') throw new ImportModuleError(error);
    throw error;
  }
}

async function find(root, folder, name) {
  const file = path.resolve(root, folder, name);
  const isFile = (candidate) => fs.statSync(candidate, { throwIfNoEntry: false })?.isFile() ?? false;
  const asModule = (candidate) => import(pathToFileURL(candidate).href);
  if (isFile(file)) return require(file);
  if (isFile(`${file}.js`)) return isModuleFolder(path.dirname(file)) ? asModule(`${file}.js`) : require(`${file}.js`);
  if (isFile(`${file}.mjs`)) return asModule(`${file}.mjs`);
  if (isFile(`${file}.cjs`)) return require(`${file}.cjs`);
  // A package, from the function's own folders: `require` alone would look beside this file.
  return require(require.resolve(name, { paths: [root, path.resolve(root, folder)] }));
}

/** Whether the nearest package.json says `"type": "module"`. */
function isModuleFolder(folder) {
  if (folder.endsWith('/node_modules')) return false;
  const file = path.join(folder, 'package.json');
  if (fs.existsSync(file)) {
    try {
      return JSON.parse(fs.readFileSync(file)).type === 'module';
    } catch (error) {
      console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, error);
      return false;
    }
  }
  return folder === '/' ? false : isModuleFolder(path.dirname(folder));
}

/** Whether it streams its answer, and how much it buffers. */
function kind(handler) {
  const mark = handler[STREAMING];
  if (mark && mark !== 'response') throw new MalformedStreamingHandler('Only response streaming is supported.');
  return {
    streaming: mark === 'response',
    highWaterMark: handler[HIGH_WATER_MARK],
    isAsync: handler.constructor?.name === 'AsyncFunction',
  };
}

module.exports = { load, kind };
