"""A Lambda handler: answers HTTP requests, and any other event with what it is made of."""

import json


def lambda_handler(event, context):
    print(f"request {context.aws_request_id} with {context.get_remaining_time_in_millis()} ms left")
    if "requestContext" not in event:
        return {"keys": sorted(event), "function": context.function_name, "version": context.function_version}
    name = (event.get("queryStringParameters") or {}).get("name", "world")
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"message": f"Hello, {name}!"}),
    }
