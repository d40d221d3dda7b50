'use strict';
// What inline code of a custom resource answers its stack with: `require('cfn-response')`, as AWS has it for such code.

const https = require('node:https');
const http = require('node:http');

exports.SUCCESS = 'SUCCESS';
exports.FAILED = 'FAILED';

/** Sends the answer and ends the event. */
exports.send = (event, context, responseStatus, responseData, physicalResourceId, noEcho, reason) =>
  new Promise((resolve, reject) => {
    const body = JSON.stringify({
      Status: responseStatus,
      Reason: reason || `See the details in CloudWatch Log Stream: ${context.logStreamName}`,
      PhysicalResourceId: physicalResourceId || context.logStreamName,
      StackId: event.StackId,
      RequestId: event.RequestId,
      LogicalResourceId: event.LogicalResourceId,
      NoEcho: noEcho || false,
      Data: responseData,
    });
    const url = new URL(event.ResponseURL);
    const headers = { 'content-type': '', 'content-length': Buffer.byteLength(body) };
    const request = (url.protocol === 'http:' ? http : https).request(url, { method: 'PUT', headers }, (response) => {
      response.resume();
      console.log(`Status code: ${response.statusCode}`);
      context.done?.();
      resolve(response.statusCode);
    });
    request.on('error', (error) => {
      console.log(`The answer could not be sent: ${error.message}`);
      context.done?.();
      reject(error);
    });
    request.end(body);
  });
