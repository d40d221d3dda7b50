//! Functions in real sandboxes: what happens to them whatever their language, seen through the public API.

// These are tests, though the harness is their own.
#![allow(clippy::unwrap_used)]

mod support;

use danbi_runtime::{EnvironmentState, FunctionSpec, RuntimeError};
use serde_json::json as value;
use std::sync::Arc;
use std::time::Duration;
use support::{World, eventually, json};

tests![
    provided_runs_any_bootstrap,
    a_function_that_never_returns_is_ended,
    a_function_that_exits_is_reported,
    a_function_over_its_memory_is_killed,
    an_answer_of_seven_megabytes_is_refused,
    a_hundred_megabytes_of_output_cost_nothing,
    an_environment_is_reused_and_frozen_between_events,
    more_events_than_environments_scale_out,
    reserved_concurrency_and_capacity_are_refused,
    a_retired_environment_is_replaced,
    an_idle_environment_ends,
    unknown_runtimes_say_what_to_do,
    the_nearest_interpreter_runs_with_a_warning,
    the_runtime_api_refuses_what_is_out_of_order,
    an_exec_wrapper_is_given_the_command,
    a_large_event_goes_both_ways,
    draining_ends_everything,
    functions_run_without_namespaces_too,
    a_function_reaches_the_platform_and_resolves_names,
];

/// A bootstrap in shell and curl-free: Python as a raw client of the Runtime API.
const RAW_CLIENT: &str = r#"#!/usr/bin/python3
import http.client, json, os
api = os.environ["AWS_LAMBDA_RUNTIME_API"]
BASE = "/2018-06-01/runtime/"
def call(method, path, body=None, headers={}):
    connection = http.client.HTTPConnection(api)
    connection.request(method, path if path.startswith("/") else BASE + path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), {k.lower(): v for k, v in answer.getheaders()}
"#;

fn raw(world: &World, code: &str) -> Arc<FunctionSpec> {
    Arc::new(world.function(
        "provided.al2023",
        "any.thing",
        &[("bootstrap", &format!("{RAW_CLIENT}{code}"))],
    ))
}

async fn provided_runs_any_bootstrap(world: World) {
    let spec = raw(
        &world,
        "while True:\n    s, body, h = call('GET', 'invocation/next')\n    call('POST', 'invocation/%s/response' % h['lambda-runtime-aws-request-id'], json.dumps([body, os.environ['_HANDLER'], h['lambda-runtime-deadline-ms']]))\n",
    );
    let seen = json(&world.invoke(&spec, "\"x\"").await.payload);
    assert_eq!((&seen[0], &seen[1]), (&value!("\"x\""), &value!("any.thing")));

    let none = Arc::new(world.function("provided.al2023", "h", &[("main.py", "")]));
    let document = json(&world.invoke(&none, "{}").await.payload);
    assert_eq!(document["errorType"], "Runtime.InvalidEntrypoint");
    assert!(
        document["errorMessage"]
            .as_str()
            .unwrap()
            .ends_with("Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]")
    );

    let garbage = Arc::new(world.function("provided.al2023", "h", &[("bootstrap", "garbage")]));
    let document = json(&world.invoke(&garbage, "{}").await.payload);
    assert_eq!(document["errorType"], "Runtime.InvalidEntrypoint", "{document}");
}

async fn a_function_that_never_returns_is_ended(world: World) {
    let mut spec = world.function(
        "python3.11",
        "app.handler",
        &[(
            "app.py",
            "import time\ndef handler(e, c):\n    print('waiting')\n    time.sleep(600)\n",
        )],
    );
    spec.timeout = Duration::from_secs(1);
    let spec = Arc::new(spec);
    let outcome = world.invoke(&spec, "{}").await;
    let document = json(&outcome.payload);
    assert_eq!(
        (outcome.function_error, &document["errorType"]),
        (Some("Unhandled"), &value!("Sandbox.Timedout"))
    );
    assert!(
        document["errorMessage"]
            .as_str()
            .unwrap()
            .ends_with(" Error: Task timed out after 1.00 seconds"),
        "{document}"
    );
    let log = world.log(&spec);
    assert!(log.iter().any(|line| line == "waiting"), "{log:?}");
    assert!(
        log.iter()
            .any(|line| line.contains(" Task timed out after 1.00 seconds")),
        "{log:?}"
    );
    assert!(
        log.last().unwrap().contains("\tDuration: 1000.00 ms\t") && log.last().unwrap().ends_with("Status: timeout"),
        "{log:?}"
    );
    eventually("the environment's end", || world.runtime.environments().is_empty()).await;
    world
        .invoke(
            &Arc::new(FunctionSpec {
                revision: "2".into(),
                timeout: Duration::from_secs(1),
                ..(*spec).clone()
            }),
            "{}",
        )
        .await;
}

async fn a_function_that_exits_is_reported(world: World) {
    let spec = world.python(
        "import os, sys, signal\ndef handler(e, c):\n    print('bye')\n    if e == 'signal': os.kill(os.getpid(), signal.SIGSEGV)\n    os._exit(e)\n",
    );
    for (event, reason) in [
        ("3", "with error: exit status 3"),
        ("0", "without providing a reason"),
        ("\"signal\"", "with error: signal: segmentation fault"),
    ] {
        let outcome = world.invoke(&spec, event).await;
        let document = json(&outcome.payload);
        assert_eq!(document["errorType"], "Runtime.ExitError");
        let message = document["errorMessage"].as_str().unwrap();
        assert!(
            message.starts_with("RequestId: ") && message.ends_with(&format!(" Error: Runtime exited {reason}")),
            "{message}"
        );
    }
    let log = world.log(&spec);
    assert!(
        log.iter()
            .any(|line| line.ends_with("Error: Runtime exited with error: exit status 3\nRuntime.ExitError")),
        "{log:?}"
    );
    assert!(
        log.iter()
            .any(|line| line.ends_with("Status: error\tError Type: Runtime.ExitError")),
        "{log:?}"
    );
    assert_eq!(
        world.streams(&spec).len(),
        3,
        "each environment has a stream of its own"
    );
}

async fn a_function_over_its_memory_is_killed(world: World) {
    let spec = world.python("def handler(e, c):\n    return len(bytearray(1024 * 1024 * 1024))\n");
    let outcome = world.invoke(&spec, "{}").await;
    let document = json(&outcome.payload);
    // Without a memory cgroup the limit is the address space's, and Python says so itself.
    assert!(
        ["Runtime.OutOfMemory", "MemoryError"].contains(&document["errorType"].as_str().unwrap()),
        "{document}"
    );
    if document["errorType"] == "Runtime.OutOfMemory" {
        assert!(
            document["errorMessage"]
                .as_str()
                .unwrap()
                .ends_with("Error: Runtime exited with error: signal: killed")
        );
        assert!(outcome.usage.max_memory_mib >= 250, "{:?}", outcome.usage);
    }
}

async fn an_answer_of_seven_megabytes_is_refused(world: World) {
    let spec = world.python("def handler(e, c):\n    return 'x' * e\n");
    let outcome = world.invoke(&spec, "7340032").await;
    assert_eq!(outcome.function_error, Some("Unhandled"));
    assert_eq!(
        json(&outcome.payload),
        value!({ "errorType": "Function.ResponseSizeTooLarge", "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes)." })
    );
    assert_eq!(
        world.invoke(&spec, "3").await.payload,
        "\"xxx\"",
        "the environment goes on"
    );
    assert_eq!(world.invoke(&spec, "6291454").await.payload.len(), 6_291_456);
}

async fn a_hundred_megabytes_of_output_cost_nothing(world: World) {
    let code = "import sys\ndef handler(e, c):\n    for _ in range(100):\n        sys.stdout.write(('y' * 1023 + '\\n') * 1024)\n    sys.stdout.write('z' * 1000000)\n    return 'done'\n";
    let spec = world.python(code);
    let outcome = world.invoke(&spec, "{}").await;
    assert_eq!(outcome.payload, "\"done\"");
    assert!(world.logged_bytes() > 100 * 1024 * 1024);
    assert!(outcome.log_tail.unwrap().len() <= 4096);
}

async fn an_environment_is_reused_and_frozen_between_events(world: World) {
    let code = "import threading, time\nticks = []\ndef tick():\n    while True:\n        ticks.append(time.monotonic())\n        time.sleep(0.005)\nthreading.Thread(target=tick, daemon=True).start()\ndef handler(e, c):\n    all = ticks + [time.monotonic()]\n    gaps = [b - a for a, b in zip(all, all[1:])]\n    return [id(ticks), max(gaps, default=0)]\n";
    let spec = world.python(code);
    let first = json(&world.invoke(&spec, "{}").await.payload);
    eventually("the freeze", || {
        world.runtime.environments()[0].state == EnvironmentState::Frozen
    })
    .await;
    // Not to wait for anything: the time that its threads must not notice.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let second = json(&world.invoke(&spec, "{}").await.payload);
    assert_eq!(first[0], second[0]);
    assert!(second[1].as_f64().unwrap() > 0.2, "its threads stood still: {second}");
    assert_eq!(
        (
            world.runtime.environments().len(),
            world.runtime.environments()[0].events
        ),
        (1, 2)
    );
    assert_eq!(
        world
            .log(&spec)
            .iter()
            .filter(|line| line.contains("Init Duration"))
            .count(),
        1
    );
}

async fn more_events_than_environments_scale_out(world: World) {
    let spec = world
        .python("import time, uuid\nme = str(uuid.uuid4())\ndef handler(e, c):\n    time.sleep(0.5)\n    return me\n");
    let (a, b, c) = tokio::join!(
        world.invoke(&spec, "{}"),
        world.invoke(&spec, "{}"),
        world.invoke(&spec, "{}")
    );
    let mut seen = [a.payload, b.payload, c.payload];
    seen.sort();
    assert!(seen[0] != seen[1] && seen[1] != seen[2], "{seen:?}");
    assert_eq!(world.runtime.environments().len(), 3);
    assert!(seen.contains(&world.invoke(&spec, "{}").await.payload));
}

async fn reserved_concurrency_and_capacity_are_refused(world: World) {
    let world = world.with(|options| options.max_environments = 1);
    let code = "import time\ndef handler(e, c):\n    time.sleep(e)\n";
    let reserved = Arc::new(FunctionSpec {
        max_concurrency: Some(1),
        ..(*world.python(code)).clone()
    });
    let (first, second) = tokio::join!(world.try_invoke(&reserved, "1"), world.try_invoke(&reserved, "0"));
    assert!(
        first.is_ok() && matches!(second, Err(RuntimeError::ConcurrencyLimit { limit: 1 })),
        "{second:?}"
    );

    let other = world.python(code);
    let (first, second) = tokio::join!(world.try_invoke(&other, "1"), world.try_invoke(&reserved, "0"));
    assert!(first.is_ok(), "the idle environment gives way: {first:?}");
    assert!(matches!(second, Err(RuntimeError::NoCapacity { .. })), "{second:?}");
    world.invoke(&reserved, "0").await;
}

async fn a_retired_environment_is_replaced(world: World) {
    let spec = world.python("import uuid\nme = str(uuid.uuid4())\ndef handler(e, c):\n    return me\n");
    let first = world.invoke(&spec, "{}").await.payload;
    let arn = spec.function_arn.to_string();
    world.runtime.retire(arn.strip_suffix(":$LATEST").unwrap());
    eventually("its end", || world.runtime.environments().is_empty()).await;
    assert_ne!(first, world.invoke(&spec, "{}").await.payload);
}

async fn an_idle_environment_ends(world: World) {
    let world = world.with(|options| options.idle_timeout = Duration::from_millis(200));
    let spec = world.python("def handler(e, c):\n    return 1\n");
    world.invoke(&spec, "{}").await;
    eventually("its end", || world.runtime.environments().is_empty()).await;
    assert_eq!(world.invoke(&spec, "{}").await.payload, "1");
}

async fn unknown_runtimes_say_what_to_do(world: World) {
    for (runtime, advice) in [
        ("java21", "provided.al2023"),
        ("go1.x", "bootstrap"),
        ("dotnet8", "provided.al2023"),
        ("ruby3.3", "aws_lambda_ric"),
    ] {
        let spec = Arc::new(world.function(runtime, "h", &[("x", "")]));
        let error = world.try_invoke(&spec, "{}").await.unwrap_err();
        assert!(
            matches!(&error, RuntimeError::Unsupported { .. }) && error.to_string().contains(advice),
            "{error}"
        );
    }
}

async fn the_nearest_interpreter_runs_with_a_warning(world: World) {
    let spec = Arc::new(world.function(
        "python3.99",
        "app.handler",
        &[("app.py", "import sys\ndef handler(e, c):\n    return sys.version\n")],
    ));
    let outcome = world.invoke(&spec, "{}").await;
    assert!(json(&outcome.payload).as_str().unwrap().starts_with("3."));
    let log = world.log(&spec);
    assert!(
        log.iter()
            .any(|line| line.starts_with("[WARN] python3.99 is not installed on this machine: running on Python 3.")),
        "{log:?}"
    );
}

async fn the_runtime_api_refuses_what_is_out_of_order(world: World) {
    let code = r#"
seen = []
def note(*arguments, **keywords):
    status, body, _ = call(*arguments, **keywords)
    seen.append([status, body])
_, _, h = call("GET", "invocation/next")
me = h["lambda-runtime-aws-request-id"]
note("POST", "invocation/wrong/response", "1")
note("GET", "invocation/next")
note("POST", "init/error", "{}")
note("GET", "restore/next")
note("POST", "/2020-01-01/extension/register", "{}")
note("PUT", "/2022-07-01/telemetry", "{}")
note("GET", "/2018-06-01/nonsense")
note("DELETE", "invocation/next")
note("POST", "invocation/%s/response" % me, "1", {"Lambda-Runtime-Function-Response-Mode": "bogus"})
note("POST", "invocation/%s/response" % me, "1")
_, _, h = call("GET", "invocation/next")
call("POST", "invocation/%s/response" % h["lambda-runtime-aws-request-id"], json.dumps(seen))
call("GET", "invocation/next")
"#;
    let spec = raw(&world, code);
    let failed = json(&world.invoke(&spec, "{}").await.payload);
    assert_eq!(failed["errorType"], "Runtime.InvalidResponseModeHeader");
    let seen = json(&world.invoke(&spec, "{}").await.payload);
    let kinds: Vec<(i64, String)> = seen
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| {
            (
                pair[0].as_i64().unwrap(),
                json(pair[1].as_str().unwrap().as_bytes())["errorType"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
            )
        })
        .collect();
    let expected = [
        (400, "InvalidRequestID"),
        (403, "InvalidStateTransition"),
        (403, "InvalidStateTransition"),
        (404, "InvalidStateTransition"),
        (403, "Extension.NotSupported"),
        (202, "Telemetry.NotSupported"),
        (404, "NotFound"),
        (405, "MethodNotAllowed"),
        (400, "InvalidFunctionResponseMode"),
        (403, "InvalidStateTransition"),
    ];
    assert_eq!(kinds, expected.map(|(status, kind)| (status, kind.to_owned())));
}

async fn an_exec_wrapper_is_given_the_command(world: World) {
    let app = (
        "app.py",
        "import os\ndef handler(e, c):\n    return os.environ.get('WRAPPED')\n",
    );
    let mut spec = world.function(
        "python3.11",
        "app.handler",
        &[app, ("bootstrap", "#!/bin/sh\nexport WRAPPED=yes\nexec \"$@\"\n")],
    );
    spec.environment
        .insert("AWS_LAMBDA_EXEC_WRAPPER".into(), "/var/task/bootstrap".into());
    let spec = Arc::new(spec);
    assert_eq!(world.invoke(&spec, "{}").await.payload, "\"yes\"");
    let mut missing = (*spec).clone();
    missing.revision = "2".into();
    missing
        .environment
        .insert("AWS_LAMBDA_EXEC_WRAPPER".into(), "/var/task/none".into());
    let document = json(&world.invoke(&Arc::new(missing), "{}").await.payload);
    assert!(
        document["errorMessage"]
            .as_str()
            .unwrap()
            .ends_with("Runtime exited with error: exit status 127"),
        "{document}"
    );
}

async fn a_large_event_goes_both_ways(world: World) {
    let event = serde_json::to_string(&"é🙂x".repeat(250_000)).unwrap();
    for spec in [
        world.python("def handler(e, c):\n    return e\n"),
        world.node("exports.handler = async (e) => e;"),
    ] {
        for _ in 0..2 {
            let outcome = world.invoke(&spec, &event).await;
            assert!(
                outcome.function_error.is_none(),
                "{}",
                String::from_utf8_lossy(&outcome.payload[..200.min(outcome.payload.len())])
            );
            assert_eq!(json(&outcome.payload), json(event.as_bytes()));
        }
    }
}

async fn draining_ends_everything(world: World) {
    let spec = world.python("import time\ndef handler(e, c):\n    time.sleep(e)\n    return 'done'\n");
    world.invoke(&spec, "0").await;
    let (outcome, ()) = tokio::join!(world.invoke(&spec, "0.5"), async {
        eventually("the event", || world.runtime.environments()[0].events == 2).await;
        world.runtime.drain(Duration::from_secs(20)).await;
    });
    assert_eq!(outcome.payload, "\"done\"");
    assert!(world.runtime.environments().is_empty());
    assert!(matches!(
        world.try_invoke(&spec, "0").await,
        Err(RuntimeError::Draining)
    ));
}

async fn functions_run_without_namespaces_too(world: World) {
    let world = world.without_namespaces();
    let code =
        "import os, helper\ndef handler(e, c):\n    return [os.getcwd(), os.environ['LAMBDA_TASK_ROOT'], helper.x]\n";
    let spec = Arc::new(world.function(
        "python3.11",
        "app.handler",
        &[("app.py", code), ("helper.py", "x = 1\n")],
    ));
    let seen = json(&world.invoke(&spec, "{}").await.payload);
    let here = spec.code_dir.display().to_string();
    assert_eq!(seen, value!([here, here, 1]));
    let spec = world.node("exports.handler = async (e) => e;");
    assert_eq!(world.invoke(&spec, "7").await.payload, "7");
}

/// A platform that says on each connection who opened it.
struct Door;

impl danbi_runtime::PlatformDoor for Door {
    fn accept(&self, mut connection: tokio::net::TcpStream, function_arn: &str) {
        let text = function_arn.to_owned();
        tokio::spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut request = [0; 1024];
            assert!(connection.read(&mut request).await.unwrap() > 0);
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
                text.len()
            );
            connection.write_all(answer.as_bytes()).await.unwrap();
        });
    }

    fn certificates(&self) -> Option<&str> {
        Some("what to trust")
    }

    fn accept_tls(&self, connection: tokio::net::TcpStream, _: &str) {
        self.accept(connection, "over TLS");
    }
}

async fn a_function_reaches_the_platform_and_resolves_names(world: World) {
    let world = world.with(|options| options.platform = Some(Arc::new(Door)));
    let code = "
import os, urllib.request
from http.client import HTTPConnection

def ask(port):
    # Whether it is TLS is said by the port alone.
    connection = HTTPConnection('s3.us-east-1.amazonaws.com', port)
    connection.request('GET', '/')
    return connection.getresponse().read().decode()

def handler(e, c):
    answers = [urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL']).read().decode(), ask(80), ask(443)]
    return answers + [open(os.environ['AWS_CA_BUNDLE']).read(), os.environ['SSL_CERT_FILE']]
";
    let mut spec = Arc::unwrap_or_clone(world.python(code));
    spec.environment.insert("SSL_CERT_FILE".into(), "its own".into());
    let spec = Arc::new(spec);
    let seen = json(&world.invoke(&spec, "{}").await.payload);
    let arn = spec.function_arn.to_string();
    assert_eq!(seen, value!([arn, arn, "over TLS", "what to trust", "its own"]));
    let code = r#"#!/usr/bin/python3
import http.client, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    answer = api.getresponse()
    answer.read()
    id = answer.getheader("Lambda-Runtime-Aws-Request-Id")
    api.request("POST", f"/2018-06-01/runtime/invocation/{id}/response", open(os.environ["SSL_CERT_FILE"]).read())
    api.getresponse().read()
"#;
    let spec = Arc::new(world.function("provided.al2023", "any", &[("bootstrap", code)]));
    assert_eq!(world.invoke(&spec, "{}").await.payload, "what to trust");
}
