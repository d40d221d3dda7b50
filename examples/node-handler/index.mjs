/** A Lambda handler: answers HTTP requests, and any other event with what it is made of. */
export const handler = async (event, context) => {
  console.log(`request ${context.awsRequestId}`);
  if (!event.requestContext) {
    return { keys: Object.keys(event).sort(), function: context.functionName };
  }
  const name = event.queryStringParameters?.name ?? 'world';
  return {
    statusCode: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ message: `Hello, ${name}!` }),
  };
};
