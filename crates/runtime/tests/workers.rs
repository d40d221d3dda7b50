//! What is started before anybody asks: Node.js workers, kept environments, templates made on purpose.

// These are tests, though the harness is their own.
#![allow(clippy::unwrap_used)]

mod support;

use danbi_runtime::{
    EnvironmentChoice, EnvironmentState, FunctionSpec, Invocation, ProvisionFailure, Provisioned, Snapshot,
};
use serde_json::{Value, json as value};
use std::sync::Arc;
use std::time::Duration;
use support::{World, eventually, invocation, json};

tests![
    a_worker_becomes_one_functions_process,
    a_worker_serves_no_second_function,
    what_a_process_reads_at_its_start_is_started_anew,
    workers_end_when_nothing_asks_for_them,
    handlers_of_every_kind_run_in_workers,
    kept_environments_are_there_before_their_events,
    what_cannot_initialise_is_not_kept,
    a_version_is_warmed_ahead,
    a_snapshot_is_taken_when_it_is_asked_for,
    a_measured_environment_takes_one_event,
];

const TELL: &str = "
const fs = require('fs');
const secret = Math.random();
exports.handler = async (event) => {
  fs.writeFileSync('/tmp/mine', event.mark ?? '');
  return {
    env: process.env, cwd: process.cwd(), argv: process.argv, code: fs.readdirSync('/var/task'),
    tmp: fs.readdirSync('/tmp'), random: [secret, Math.random(), require('crypto').randomUUID()],
    pids: fs.readdirSync('/proc').filter((name) => /^\\d+$/.test(name)).length, mounts: fs.readFileSync('/proc/self/mounts', 'utf8'),
  };
};
";

/// A function whose environment leaves a worker behind for the next one.
async fn primed(world: &World) {
    let first = world.node("exports.handler = async () => 1");
    assert_eq!(json(&world.invoke(&first, "{}").await.payload), 1);
    eventually("a worker waits", || world.runtime.workers() > 0).await;
}

fn told(spec: &FunctionSpec, mark: &str) -> Invocation {
    invocation(spec, &value!({ "mark": mark }).to_string())
}

async fn a_worker_becomes_one_functions_process(world: World) {
    if !is_root() {
        return;
    }
    primed(&world).await;
    let mut spec = FunctionSpec::clone(&world.node(TELL));
    spec.environment.insert("COLOUR".into(), "blue".into());
    let spec = Arc::new(spec);
    let by_worker = world.runtime.invoke(spec.clone(), told(&spec, "a")).await.unwrap();
    assert_eq!(world.runtime.counts().assigned, 1);
    assert!(
        by_worker.usage.init_ms.is_some(),
        "loading the handler is its initialisation"
    );
    let fresh = Invocation {
        environment: EnvironmentChoice::New,
        ..told(&spec, "b")
    };
    let by_itself = json(&world.runtime.invoke(spec.clone(), fresh).await.unwrap().payload);
    assert_eq!(world.runtime.counts().assigned, 1);
    let mut by_worker = json(&by_worker.payload);
    for said in [&by_worker, &by_itself] {
        assert_eq!(said["env"]["COLOUR"], "blue");
        assert_eq!(
            (&said["code"], &said["cwd"]),
            (&value!(["app.js"]), &value!("/var/task"))
        );
        assert_eq!(said["tmp"], value!(["mine"]));
        assert_eq!(said["env"]["DANBI_WORKER"], Value::Null);
    }
    let mut by_itself = by_itself;
    // What differs between two environments of any kind.
    for said in [&mut by_worker, &mut by_itself] {
        for name in ["AWS_SESSION_TOKEN", "AWS_LAMBDA_LOG_STREAM_NAME", "_X_AMZN_TRACE_ID"] {
            said["env"].as_object_mut().unwrap().remove(name);
        }
    }
    assert_eq!(
        by_worker["env"], by_itself["env"],
        "a handler cannot tell by its variables"
    );
    assert_eq!(by_worker["argv"], by_itself["argv"]);
    assert_eq!(by_worker["pids"], by_itself["pids"]);
}

async fn a_worker_serves_no_second_function(world: World) {
    if !is_root() {
        return;
    }
    let mut seen = std::collections::HashSet::new();
    for account in ["111111111111", "222222222222"] {
        primed(&world).await;
        let mut spec = FunctionSpec::clone(&world.node(TELL));
        spec.function_arn = format!("arn:aws:lambda:us-east-1:{account}:function:{}:1", spec.name)
            .parse()
            .unwrap();
        spec.environment.insert("SECRET".into(), account.into());
        let spec = Arc::new(spec);
        let before = world.runtime.counts().assigned;
        let said = json(
            &world
                .runtime
                .invoke(spec.clone(), told(&spec, account))
                .await
                .unwrap()
                .payload,
        );
        assert_eq!(world.runtime.counts().assigned, before + 1);
        assert_eq!(said["env"]["SECRET"], account);
        assert_eq!(said["tmp"], value!(["mine"]), "its own /tmp");
        for random in said["random"].as_array().unwrap() {
            assert!(seen.insert(random.to_string()), "{random} was seen before");
        }
        assert!(
            seen.insert(said["env"]["AWS_SESSION_TOKEN"].to_string()),
            "its own credentials"
        );
        // The next revision of the same function has another process.
        let changed = Arc::new(FunctionSpec {
            revision: "2".into(),
            ..FunctionSpec::clone(&spec)
        });
        let again = json(
            &world
                .runtime
                .invoke(changed.clone(), told(&changed, "x"))
                .await
                .unwrap()
                .payload,
        );
        assert!(seen.insert(again["random"][0].to_string()));
    }
}

async fn what_a_process_reads_at_its_start_is_started_anew(world: World) {
    primed_anywhere(&world).await;
    for name in [
        "NODE_OPTIONS",
        "UV_THREADPOOL_SIZE",
        "LD_PRELOAD",
        "TZ",
        "AWS_LAMBDA_EXEC_WRAPPER",
    ] {
        let mut spec = FunctionSpec::clone(&world.node("exports.handler = async () => 1"));
        spec.environment.insert(
            name.into(),
            match name {
                "NODE_OPTIONS" => "--no-warnings",
                "UV_THREADPOOL_SIZE" => "8",
                "TZ" => "Asia/Seoul",
                "AWS_LAMBDA_EXEC_WRAPPER" => "/usr/bin/env",
                _ => "",
            }
            .into(),
        );
        let spec = Arc::new(spec);
        assert_eq!(json(&world.invoke(&spec, "{}").await.payload), 1, "{name}");
        assert_eq!(world.runtime.counts().assigned, 0, "{name}");
    }
}

async fn primed_anywhere(world: &World) {
    if is_root() {
        primed(world).await;
    }
}

async fn workers_end_when_nothing_asks_for_them(world: World) {
    primed_anywhere(&world).await;
    world.runtime.drain(Duration::from_secs(20)).await;
    assert_eq!(world.runtime.workers(), 0);
    assert!(world.runtime.environments().is_empty());
}

async fn handlers_of_every_kind_run_in_workers(world: World) {
    if !is_root() {
        return;
    }
    let module = ("app.mjs", "export const handler = async (event) => event.x + 1;");
    let typed = [
        ("package.json", r#"{"type":"module"}"#),
        ("app.js", "export const handler = async (event) => event.x + 1;"),
    ];
    let nested = [
        (
            "lib/app.js",
            "const { x } = require('dep'); exports.a = { handler: async () => x };",
        ),
        ("node_modules/dep/index.js", "exports.x = 2;"),
    ];
    for (files, handler) in [
        (&[module][..], "app.handler"),
        (&typed[..], "app.handler"),
        (&nested[..], "lib/app.a.handler"),
    ] {
        primed(&world).await;
        let spec = Arc::new(world.function("nodejs20.x", handler, files));
        let before = world.runtime.counts().assigned;
        let outcome = world.invoke(&spec, r#"{"x": 1}"#).await;
        assert_eq!(json(&outcome.payload), 2, "{files:?}");
        assert_eq!(world.runtime.counts().assigned, before + 1);
    }
    // An initialisation that fails says so, and its second attempt is a process of its own.
    primed(&world).await;
    let broken = world.node("throw new Error('no');");
    let outcome = world.invoke(&broken, "{}").await;
    assert_eq!(json(&outcome.payload)["errorMessage"], "no");
    let mut logs = FunctionSpec::clone(&world.node("exports.handler = async () => { console.log('said'); }"));
    logs.log_format = danbi_runtime::LogFormat::Json;
    primed(&world).await;
    let logs = Arc::new(logs);
    world.invoke(&logs, "{}").await;
    assert!(
        world.log(&logs).iter().any(|line| line.contains(r#""message":"said""#)),
        "{:?}",
        world.log(&logs)
    );
}

fn arn(spec: &FunctionSpec) -> String {
    spec.function_arn.to_string()
}

async fn kept_environments_are_there_before_their_events(world: World) {
    let world = world.with(|options| {
        options.idle_timeout = Duration::from_millis(50);
        options.freeze_after = Duration::from_millis(5);
    });
    let spec = world.python("import os\nkind = os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']\ndef handler(event, context):\n    if event == 'exit':\n        os._exit(3)\n    return kind\n");
    let ready = |count| {
        let (world, spec) = (&world, &spec);
        move || {
            world.runtime.kept(&arn(spec))
                == Some(Provisioned {
                    requested: count,
                    allocated: count,
                    failure: None,
                })
        }
    };
    world.runtime.keep(vec![(spec.clone(), 2)]);
    eventually("two are kept", ready(2)).await;
    eventually("they are frozen, and stay", || {
        let all = world.runtime.environments();
        all.len() == 2 && all.iter().all(|one| one.state == EnvironmentState::Frozen)
    })
    .await;
    let outcome = world.invoke(&spec, "1").await;
    assert_eq!(json(&outcome.payload), "provisioned-concurrency");
    assert_eq!(
        (outcome.usage.init_ms, outcome.usage.restore_ms),
        (None, None),
        "nobody waited"
    );
    assert!(world.invoke(&spec, "\"exit\"").await.function_error.is_some());
    eventually("what ended is replaced", ready(2)).await;
    world.runtime.keep(vec![(spec.clone(), 1)]);
    eventually("one goes when it is idle", || world.runtime.environments().len() == 1).await;
    world.runtime.keep(Vec::new());
    eventually("nothing is kept", || world.runtime.environments().is_empty()).await;
    assert_eq!(world.runtime.kept(&arn(&spec)), None);
}

async fn what_cannot_initialise_is_not_kept(world: World) {
    let spec = world.python("raise ValueError('never')\n");
    world.runtime.keep(vec![(spec.clone(), 3)]);
    eventually("it has failed", || {
        world
            .runtime
            .kept(&arn(&spec))
            .is_some_and(|kept| kept.allocated == 0 && kept.failure == Some(ProvisionFailure::Init))
    })
    .await;
}

async fn a_version_is_warmed_ahead(world: World) {
    let spec = world.python("def handler(event, context):\n    return event\n");
    assert!(!world.runtime.is_warm(&arn(&spec)));
    world.runtime.anticipate(spec.clone());
    eventually("it waits", || {
        let all = world.runtime.environments();
        all.iter().any(|one| one.state != EnvironmentState::Starting)
    })
    .await;
    assert!(world.runtime.is_warm(&arn(&spec)));
    let outcome = world.invoke(&spec, "1").await;
    assert_eq!(outcome.usage.init_ms, None);
    assert_eq!(world.runtime.environments().len(), 1);
}

async fn a_snapshot_is_taken_when_it_is_asked_for(world: World) {
    let quick = world.python("def handler(event, context):\n    return event\n");
    assert_eq!(world.runtime.snapshot(quick.clone()).await, Snapshot::Taken);
    assert!(world.runtime.is_warm(&arn(&quick)));
    let outcome = world.invoke(&quick, "1").await;
    assert!(outcome.usage.restore_ms.is_some() && outcome.usage.init_ms.is_none());
    assert_eq!(world.runtime.counts().restored, 1);

    let threads = world.python("import threading, time\nthreading.Thread(target=lambda: time.sleep(60), daemon=True).start()\ndef handler(event, context):\n    return event\n");
    match world.runtime.snapshot(threads.clone()).await {
        Snapshot::Unfit(reason) => assert!(reason.contains("thread"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.invoke(&threads, "1").await.function_error, None);
    let broken = world.python("raise ValueError('never')\n");
    assert!(matches!(world.runtime.snapshot(broken).await, Snapshot::InitFailed(_)));
    let node = world.node("exports.handler = async () => 1");
    assert!(matches!(world.runtime.snapshot(node).await, Snapshot::Unavailable(_)));
    let counts = world.runtime.counts();
    assert_eq!((counts.templates_made, counts.templates_unfit), (1, 2));
}

async fn a_measured_environment_takes_one_event(world: World) {
    let spec =
        world.python("import os\ndef handler(event, context):\n    return os.environ['AWS_LAMBDA_LOG_STREAM_NAME']\n");
    world.invoke(&spec, "1").await;
    let mut streams = std::collections::HashSet::new();
    for environment in [EnvironmentChoice::New, EnvironmentChoice::Fresh, EnvironmentChoice::New] {
        let measured = Invocation {
            environment,
            ..invocation(&spec, "1")
        };
        let outcome = world.runtime.invoke(spec.clone(), measured).await.unwrap();
        // On a busy machine the import is slow enough for a template, which a fresh environment may come from.
        let restored = environment == EnvironmentChoice::Fresh && outcome.usage.restore_ms.is_some();
        assert!(outcome.usage.init_ms.is_some() || restored);
        assert!(streams.insert(json(&outcome.payload).to_string()));
    }
    eventually("the first one alone is left", || {
        world.runtime.environments().len() == 1
    })
    .await;
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
