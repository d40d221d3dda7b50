//! Python and Node.js handlers in real sandboxes: what AWS's own runtimes do, seen through the public API.

// These are tests, though the harness is their own.
#![allow(clippy::unwrap_used)]

mod support;

use danbi_runtime::{FunctionSpec, LogFormat};
use http_body_util::BodyExt;
use serde_json::json as value;
use std::sync::Arc;
use support::{World, invocation, json};

tests![
    python_answers_and_logs,
    python_errors_are_awslambdarics,
    python_init_errors_are_reported,
    python_logging_is_preconfigured,
    python_json_logs,
    python_context_has_all_fields,
    node_answers_every_way,
    node_errors,
    node_modules_of_every_kind,
    node_console_is_lambdas,
    node_streams_its_answer,
];

async fn python_answers_and_logs(world: World) {
    let spec = world.python(
        "def handler(event, context):\n    print('hello')\n    print('two\\nlines')\n    return {'got': event, 'é': 1.5}\n",
    );
    let outcome = world.invoke(&spec, r#"{"a": [1, null]}"#).await;
    assert_eq!(outcome.function_error, None, "{:?}", outcome.payload);
    assert_eq!(json(&outcome.payload), value!({ "got": { "a": [1, null] }, "é": 1.5 }));
    assert!(outcome.usage.init_ms.is_some() && outcome.usage.billed_ms >= 1 && outcome.usage.max_memory_mib > 0);

    let log = world.log(&spec);
    let id = log[1]
        .strip_prefix("START RequestId: ")
        .unwrap()
        .strip_suffix(" Version: $LATEST")
        .unwrap();
    assert!(log[0].starts_with("INIT_START Runtime Version: python:3.11"), "{log:?}");
    assert_eq!(log[2..6], ["hello", "two", "lines", &format!("END RequestId: {id}")]);
    assert!(
        log[6].starts_with(&format!("REPORT RequestId: {id}\tDuration: ")),
        "{log:?}"
    );
    assert!(log[6].contains("\tMemory Size: 256 MB\tMax Memory Used: ") && log[6].contains("\tInit Duration: "));
    let tail = String::from_utf8(outcome.log_tail.unwrap().to_vec()).unwrap();
    assert!(
        tail.starts_with("START RequestId: ") && tail.contains("\nhello\n") && tail.contains("REPORT"),
        "{tail}"
    );
}

async fn python_errors_are_awslambdarics(world: World) {
    let code = "def handler(event, context):\n    if event == 'raise':\n        raise ValueError('no good')\n    return {'x': object()}\n";
    let spec = world.python(code);
    let outcome = world.invoke(&spec, "\"raise\"").await;
    assert_eq!(outcome.function_error, Some("Unhandled"));
    let document = json(&outcome.payload);
    assert_eq!(document["errorMessage"], "no good");
    assert_eq!(document["errorType"], "ValueError");
    assert_eq!(
        document["stackTrace"],
        value!(["  File \"/var/task/app.py\", line 3, in handler\n    raise ValueError('no good')\n"])
    );
    let line = world
        .log(&spec)
        .into_iter()
        .find(|line| line.starts_with("[ERROR]"))
        .unwrap();
    assert!(
        line.starts_with("[ERROR] ValueError: no good\nTraceback (most recent call last):\n\u{a0}\u{a0}File"),
        "{line}"
    );

    let document = json(&world.invoke(&spec, "1").await.payload);
    assert_eq!(document["errorType"], "Runtime.MarshalError");
    assert_eq!(
        document["errorMessage"],
        "Unable to marshal response: Object of type object is not JSON serializable"
    );
    assert_eq!(
        world.runtime.environments().len(),
        1,
        "an exception does not end the environment"
    );
}

async fn python_init_errors_are_reported(world: World) {
    let cases = [
        (
            "def handler(event, context):\n    pass\n",
            "app.missing",
            "Runtime.HandlerNotFound",
            "Handler 'missing' missing on module 'app'",
        ),
        (
            "import nothing_here\n",
            "app.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'nothing_here'",
        ),
        (
            "def handler(:\n",
            "app.handler",
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module 'app': invalid syntax (app.py, line 1)",
        ),
        (
            "",
            "handler",
            "Runtime.MalformedHandlerName",
            "Bad handler 'handler': not enough values to unpack (expected 2, got 1)",
        ),
        ("1 / 0\n", "app.handler", "ZeroDivisionError", "division by zero"),
    ];
    for (code, handler, error_type, message) in cases {
        let spec = Arc::new(world.function("python3.11", handler, &[("app.py", code)]));
        let outcome = world.invoke(&spec, "{}").await;
        let document = json(&outcome.payload);
        assert_eq!(
            (&document["errorType"], &document["errorMessage"]),
            (&value!(error_type), &value!(message))
        );
        let log = world.log(&spec);
        assert!(
            log.iter()
                .any(|line| line.starts_with("INIT_REPORT Init Duration: ")
                    && line.contains("Phase: init\tStatus: error")),
            "{log:?}"
        );
        assert!(
            log.iter().any(|line| line.contains("Phase: invoke\tStatus: error")),
            "it is tried again: {log:?}"
        );
        assert!(log.last().unwrap().starts_with("REPORT "), "{log:?}");
    }
}

async fn python_logging_is_preconfigured(world: World) {
    let code = "import logging\nlog = logging.getLogger()\nlog.setLevel('INFO')\ndef handler(event, context):\n    log.info('one\\ntwo')\n    log.debug('no')\n    return context.aws_request_id\n";
    let spec = world.python(code);
    let id = json(&world.invoke(&spec, "{}").await.payload)
        .as_str()
        .unwrap()
        .to_owned();
    let log = world.log(&spec);
    let line = log.iter().find(|line| line.starts_with("[INFO]\t")).unwrap();
    let parts: Vec<&str> = line.splitn(4, '\t').collect();
    assert!(
        parts[1].ends_with('Z') && parts[2] == id && parts[3] == "one\ntwo",
        "{line:?}"
    );
    assert!(!log.iter().any(|line| line.contains("\tno")));
}

async fn python_json_logs(world: World) {
    let code = "import logging\ndef handler(event, context):\n    logging.warning('careful', extra={'who': 'me'})\n    logging.info('quiet')\n    1 / 0\n";
    let mut spec = world.function("python3.11", "app.handler", &[("app.py", code)]);
    spec.log_format = LogFormat::Json;
    spec.application_log_level = Some("WARN".parse().unwrap());
    let spec = Arc::new(spec);
    world.invoke(&spec, "{}").await;
    let log: Vec<serde_json::Value> = world.log(&spec).iter().map(|line| json(line.as_bytes())).collect();
    let types: Vec<&str> = log.iter().filter_map(|line| line["type"].as_str()).collect();
    assert_eq!(types, ["platform.initStart", "platform.start", "platform.report"]);
    let warning = log.iter().find(|line| line["message"] == "careful").unwrap();
    assert_eq!(
        (&warning["level"], &warning["who"]),
        (&value!("WARNING"), &value!("me"))
    );
    assert!(warning["requestId"].is_string() && !log.iter().any(|line| line["message"] == "quiet"));
    let error = log.iter().find(|line| line["log_level"] == "ERROR").unwrap();
    assert_eq!(error["errorType"], "ZeroDivisionError");
    assert!(log.last().unwrap()["record"]["metrics"]["billedDurationMs"].is_u64());
}

async fn python_context_has_all_fields(world: World) {
    let code = "import os\ndef handler(event, context):\n    c = context\n    return {'name': c.function_name, 'version': c.function_version, 'memory': c.memory_limit_in_mb,\n 'arn': c.invoked_function_arn, 'left': c.get_remaining_time_in_millis(), 'group': c.log_group_name, 'stream': c.log_stream_name,\n 'custom': c.client_context.custom, 'client': c.client_context.client.app_title, 'identity': c.identity.cognito_identity_id,\n 'trace': os.environ['_X_AMZN_TRACE_ID'], 'env': dict(os.environ), 'cwd': os.getcwd()}\n";
    let mut spec = world.function("python3.11", "app.handler", &[("app.py", code)]);
    spec.environment.insert("COLOUR".into(), "blue".into());
    let spec = Arc::new(spec);
    let mut event = invocation(&spec, "{}");
    event.client_context = Some(r#"{"custom":{"k":"v"},"client":{"app_title":"t"}}"#.into());
    event.cognito_identity = Some(r#"{"cognitoIdentityId":"i","cognitoIdentityPoolId":"p"}"#.into());
    event.trace_id = Some("Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=1".into());
    let outcome = world.runtime.invoke(spec.clone(), event).await.unwrap();
    let seen = json(&outcome.payload);
    assert_eq!(seen["name"], value!(spec.name), "{seen}");
    assert_eq!(
        (&seen["memory"], &seen["version"]),
        (&value!("256"), &value!("$LATEST"))
    );
    assert_eq!(seen["arn"], spec.function_arn.to_string());
    assert!((1..=20_000).contains(&seen["left"].as_i64().unwrap()));
    assert_eq!(
        (&seen["custom"]["k"], &seen["client"], &seen["identity"]),
        (&value!("v"), &value!("t"), &value!("i"))
    );
    assert!(seen["trace"].as_str().unwrap().ends_with("Sampled=1"));
    assert_eq!(seen["stream"], value!(world.streams(&spec)[0]));
    let env = &seen["env"];
    assert_eq!(
        (&env["COLOUR"], &env["AWS_REGION"], &env["TZ"]),
        (&value!("blue"), &value!("us-east-1"), &value!(":UTC"))
    );
    assert_eq!(
        (&env["LAMBDA_TASK_ROOT"], &seen["cwd"]),
        (&value!("/var/task"), &value!("/var/task"))
    );
    assert_eq!(env["AWS_ACCESS_KEY_ID"], format!("ASIA{}", spec.name));
    assert_eq!(env["AWS_EXECUTION_ENV"], "AWS_Lambda_python3.11");
}

async fn node_answers_every_way(world: World) {
    let code = "exports.handler = (event, context, callback) => {\n  switch (event.way) {\n    case 'callback': setTimeout(() => callback(null, 'later'), 5); break;\n    case 'promise': return Promise.resolve({ id: context.awsRequestId, left: context.getRemainingTimeInMillis() });\n    case 'succeed': context.succeed('old'); break;\n    case 'open': context.callbackWaitsForEmptyEventLoop = false; setInterval(() => {}, 1000).ref(); callback(null, 'now'); break;\n    case 'forget': break;\n  }\n};\nexports.sleepy = async () => new Promise(() => {});\n";
    let spec = world.node(code);
    assert_eq!(world.invoke(&spec, r#"{"way":"callback"}"#).await.payload, "\"later\"");
    let seen = json(&world.invoke(&spec, r#"{"way":"promise"}"#).await.payload);
    assert!(
        seen["id"].as_str().unwrap().len() == 36 && seen["left"].as_i64().unwrap() > 0,
        "{seen}"
    );
    assert_eq!(world.invoke(&spec, r#"{"way":"succeed"}"#).await.payload, "\"old\"");
    assert_eq!(world.invoke(&spec, r#"{"way":"forget"}"#).await.payload, "null");
    assert_eq!(world.invoke(&spec, r#"{"way":"open"}"#).await.payload, "\"now\"");
    let never = Arc::new(FunctionSpec {
        handler: "app.sleepy".into(),
        revision: "2".into(),
        ..(*spec).clone()
    });
    let outcome = world.invoke(&never, "{}").await;
    assert_eq!(json(&outcome.payload)["errorType"], "Runtime.NodeJsExit");
}

async fn node_errors(world: World) {
    let code = "class Mine extends Error { constructor(m) { super(m); this.name = 'Mine'; this.extra = 7; } }\nexports.handler = async (event) => {\n  if (event === 'throw') throw new Mine('no good');\n  if (event === 'text') throw 'plain';\n  if (event === 'reject') { Promise.reject(new Error('lost')); await new Promise((r) => setTimeout(r, 50)); }\n  if (event === 'both') { Promise.reject(new Error('lost')); await new Promise(setImmediate); }\n  if (event === 'crash') { setTimeout(() => { throw new Error('boom'); }, 1); await new Promise((r) => setTimeout(r, 1000)); }\n  if (event === 'bigint') return 1n;\n};\n";
    let spec = world.node(code);
    let document = json(&world.invoke(&spec, "\"throw\"").await.payload);
    assert_eq!(
        (&document["errorType"], &document["errorMessage"]),
        (&value!("Mine"), &value!("no good"))
    );
    assert!(
        document["trace"][0] == "Mine: no good"
            && document["trace"][1].as_str().unwrap().contains("/var/task/app.js:3"),
        "{document}"
    );
    let line = world
        .log(&spec)
        .into_iter()
        .find(|line| line.contains("Invoke Error"))
        .unwrap();
    assert!(
        line.contains("\tERROR\tInvoke Error \t{\"errorType\":\"Mine\"") && line.contains("\"extra\":7"),
        "{line}"
    );
    assert_eq!(
        json(&world.invoke(&spec, "\"text\"").await.payload),
        value!({ "errorType": "string", "errorMessage": "plain", "trace": [] })
    );
    assert_eq!(
        json(&world.invoke(&spec, "\"bigint\"").await.payload)["errorMessage"],
        "Unable to stringify response body"
    );
    let document = json(&world.invoke(&spec, "\"reject\"").await.payload);
    assert_eq!(
        (&document["errorType"], &document["errorMessage"]),
        (&value!("Runtime.UnhandledPromiseRejection"), &value!("Error: lost"))
    );
    // A handler that ends while its event is failed is given no other: its process is about to end.
    for _ in 0..10 {
        let document = json(&world.invoke(&spec, "\"both\"").await.payload);
        assert_eq!(document["errorType"], "Runtime.UnhandledPromiseRejection");
        assert_eq!(world.invoke(&spec, "0").await.payload, "null");
    }
    let document = json(&world.invoke(&spec, "\"crash\"").await.payload);
    assert_eq!(
        (&document["errorType"], &document["errorMessage"]),
        (&value!("Error"), &value!("boom"))
    );

    let cases = [
        ("app.missing", "", "Runtime.HandlerNotFound"),
        ("gone.handler", "", "Runtime.ImportModuleError"),
        ("app.handler", "exports.handler = (;", "Runtime.UserCodeSyntaxError"),
        ("../app.handler", "", "Runtime.MalformedHandlerName"),
        ("app.handler", "throw new TypeError('at load')", "TypeError"),
    ];
    for (handler, code, error_type) in cases {
        let spec = Arc::new(world.function("nodejs20.x", handler, &[("app.js", code)]));
        let document = json(&world.invoke(&spec, "{}").await.payload);
        assert_eq!(document["errorType"], error_type, "{document}");
    }
}

async fn node_modules_of_every_kind(world: World) {
    let cases: [(&str, &[(&str, &str)]); 5] = [
        (
            "app.handler",
            &[(
                "app.mjs",
                "const x = await Promise.resolve(1);\nexport const handler = async () => x;",
            )],
        ),
        (
            "app.handler",
            &[
                ("app.js", "export const handler = async () => 1;"),
                ("package.json", r#"{"type":"module"}"#),
            ],
        ),
        (
            "app.handler",
            &[
                ("app.cjs", "exports.handler = async () => 1;"),
                ("package.json", r#"{"type":"module"}"#),
            ],
        ),
        (
            "src/deep/app.handler",
            &[("src/deep/app.js", "exports.handler = async () => 1;")],
        ),
        (
            "app.a.b.handler",
            &[("app.js", "exports.a = { b: { handler: async () => 1 } };")],
        ),
    ];
    for (handler, files) in cases {
        let spec = Arc::new(world.function("nodejs20.x", handler, files));
        let outcome = world.invoke(&spec, "{}").await;
        assert_eq!(outcome.payload, "1", "{files:?}");
    }
}

async fn node_console_is_lambdas(world: World) {
    let code = "exports.handler = async (event, context) => { console.log('a %s\\nb', 'x'); console.error(new Error('bad').message); return context.awsRequestId; };";
    let spec = world.node(code);
    let id = json(&world.invoke(&spec, "{}").await.payload)
        .as_str()
        .unwrap()
        .to_owned();
    let log = world.log(&spec);
    assert!(
        log.iter().any(|line| line.ends_with(&format!("\t{id}\tINFO\ta x\nb"))),
        "{log:?}"
    );
    assert!(
        log.iter().any(|line| line.ends_with(&format!("\t{id}\tERROR\tbad"))),
        "{log:?}"
    );

    let mut spec = world.function("nodejs20.x", "app.handler", &[("app.js", code)]);
    spec.log_format = LogFormat::Json;
    spec.application_log_level = Some("ERROR".parse().unwrap());
    let spec = Arc::new(spec);
    world.invoke(&spec, "{}").await;
    let lines: Vec<serde_json::Value> = world.log(&spec).iter().map(|line| json(line.as_bytes())).collect();
    let own: Vec<&serde_json::Value> = lines.iter().filter(|line| line["type"].is_null()).collect();
    assert_eq!(own.len(), 1, "{lines:?}");
    assert_eq!(
        (&own[0]["level"], &own[0]["message"]),
        (&value!("ERROR"), &value!("bad"))
    );
}

async fn node_streams_its_answer(world: World) {
    let code = "exports.handler = awslambda.streamifyResponse(async (event, stream) => {\n  if (event === 'early') throw new Error('early');\n  stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { 'x-a': 'b' } });\n  stream.write('one ');\n  await new Promise((r) => setTimeout(r, 20));\n  if (event === 'late') throw new Error('late');\n  stream.write('two');\n  stream.end();\n});\n";
    let spec = world.node(code);
    let outcome = world
        .runtime
        .invoke_streaming(spec.clone(), invocation(&spec, "{}"))
        .await
        .unwrap();
    assert_eq!(
        outcome.content_type,
        "application/vnd.awslambda.http-integration-response"
    );
    assert_eq!(
        json(&outcome.prelude.unwrap()),
        value!({ "statusCode": 201, "headers": { "x-a": "b" } })
    );
    assert_eq!(outcome.body.collect().await.unwrap().to_bytes(), "one two");
    let end = outcome.end.await.unwrap();
    assert_eq!(end.error_code, None);
    assert!(end.usage.duration_ms > 0.0 && end.log_tail.is_some());

    let outcome = world
        .runtime
        .invoke_streaming(spec.clone(), invocation(&spec, "\"late\""))
        .await
        .unwrap();
    assert_eq!(outcome.body.collect().await.unwrap().to_bytes(), "one ");
    let end = outcome.end.await.unwrap();
    assert_eq!(end.error_code.as_deref(), Some("Error"));
    assert_eq!(json(end.error_details.unwrap().as_bytes())["errorMessage"], "late");

    let outcome = world
        .runtime
        .invoke_streaming(spec.clone(), invocation(&spec, "\"early\""))
        .await
        .unwrap();
    assert!(outcome.failed);
    assert_eq!(
        json(outcome.end.await.unwrap().error_details.unwrap().as_bytes())["errorMessage"],
        "early"
    );

    let whole = world.invoke(&spec, "{}").await;
    assert!(whole.payload.ends_with(b"one two") && whole.function_error.is_none());
    assert_eq!(
        world.runtime.environments().len(),
        1,
        "none of this ended the environment"
    );
}
