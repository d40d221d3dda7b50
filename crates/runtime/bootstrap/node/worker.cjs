'use strict';
// A worker: a process that was started before anybody knew for which function, and becomes that of one when it is told.

// What most handlers and SDKs ask for first is loaded while there is time.
const AHEAD = ['http', 'https', 'crypto', 'zlib', 'tls', 'url', 'querystring', 'util', 'os', 'child_process', 'timers/promises'];

/** Waits for the assignment and takes the function's variables; its code is in its place by then. */
async function becomeAssigned(api) {
  for (const name of AHEAD) require(`node:${name}`);
  const variables = await api.assignment();
  for (const name of Object.keys(process.env)) if (!(name in variables)) delete process.env[name];
  Object.assign(process.env, variables);
  // The folder that the process was started in lies under the code now.
  process.chdir(variables.LAMBDA_TASK_ROOT);
}

module.exports = { becomeAssigned };
