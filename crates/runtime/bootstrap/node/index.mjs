// Runs a Node.js handler on the Lambda Runtime API, the way AWS's own client does.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { RuntimeApi } = require('./api.cjs');
const { patch, logError } = require('./console.cjs');
const { UnhandledPromiseRejection } = require('./errors.cjs');
const { load, kind } = require('./handler.cjs');
const { serve } = require('./invoke.cjs');

const api = new RuntimeApi(process.env.AWS_LAMBDA_RUNTIME_API);
if (process.env.DANBI_WORKER) await require('./worker.cjs').becomeAssigned(api);
patch();
const hooks = {
  fail: (error) => api.failInit(error),
  crashed: (error, code) => {
    // The handler may come to its end while its event is failed.
    api.askNoMore();
    hooks.fail(error).finally(() => process.exit(code));
  },
  emptied: undefined,
};
process.on('uncaughtException', (error) => {
  logError('Uncaught Exception', error);
  hooks.crashed(error, 129);
});
process.on('unhandledRejection', (reason, promise) => {
  const error = new UnhandledPromiseRejection(reason, promise);
  logError('Unhandled Promise Rejection', error);
  hooks.crashed(error, 128);
});
process.on('beforeExit', () => hooks.emptied?.());

const places = Number(process.env.AWS_LAMBDA_MAX_CONCURRENCY ?? 0);
if (places) require('./concurrent.cjs').install();
let handler;
try {
  handler = await load(process.env.LAMBDA_TASK_ROOT ?? '/var/task', process.env._HANDLER ?? '');
} catch (error) {
  logError('Uncaught Exception', error);
  await api.failInit(error).catch(() => {});
  process.exit(129);
}
// Not awaited: an await at the top level that waits for ever would end the process when the event loop is empty.
const serving = places
  ? require('./concurrent.cjs').serve(api, handler, kind(handler), hooks, places)
  : serve(api, handler, kind(handler), hooks);
serving.catch((error) => {
  logError('Unexpected Top Level Error', error);
  process.exit(1);
});
