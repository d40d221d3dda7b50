//! Functions that take several events at once in one environment, seen through the public API.

// These are tests, though the harness is their own.
#![allow(clippy::unwrap_used)]

mod support;

use danbi_runtime::{EnvironmentState, FunctionSpec, Outcome};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use support::{World, eventually, invocation, json};
use tokio::task::JoinHandle;

tests![
    twenty_events_of_an_async_python_handler_overlap_in_one_environment,
    twenty_events_of_a_node_handler_overlap_in_one_environment,
    a_bootstrap_may_ask_for_several_events,
    a_default_function_takes_one,
    a_handler_that_cannot_takes_one_and_says_so,
    events_that_come_while_an_environment_starts_wait_for_it,
    lines_and_tails_are_each_events_own,
    an_error_of_one_event_is_its_alone,
    an_exception_that_node_did_not_catch_lets_the_others_end,
    a_time_out_of_one_event_lets_the_others_end,
    a_process_that_exits_fails_every_event,
    reserved_concurrency_counts_events,
    it_is_frozen_only_when_no_event_runs,
    forks_of_a_template_take_several_too,
    workers_take_several_too,
];

const EVENTS: usize = 20;

/// Waits until as many events are here as it is told, so that it only returns when they overlap.
const MEETING: &str = "
import asyncio, os
here = set()
async def handler(event, context):
    here.add(event['n'])
    while len(here) < event['all']:
        await asyncio.sleep(0.005)
    return [event['n'], os.getpid(), context.aws_request_id, context.get_remaining_time_in_millis(),
            os.environ['AWS_LAMBDA_MAX_CONCURRENCY']]
";

const NODE_MEETING: &str = "
const here = new Set();
exports.handler = async (event, context) => {
  here.add(event.n);
  while (here.size < event.all) await new Promise((resolve) => setTimeout(resolve, 5));
  return [event.n, process.pid, context.awsRequestId, context.getRemainingTimeInMillis(),
          process.env.AWS_LAMBDA_MAX_CONCURRENCY];
};
";

fn with(mut spec: FunctionSpec, places: usize) -> Arc<FunctionSpec> {
    spec.environment.insert("DANBI_CONCURRENCY".into(), places.to_string());
    Arc::new(spec)
}

fn python(world: &World, places: usize, code: &str) -> Arc<FunctionSpec> {
    with(Arc::unwrap_or_clone(world.python(code)), places)
}

fn node(world: &World, places: usize, code: &str) -> Arc<FunctionSpec> {
    with(Arc::unwrap_or_clone(world.node(code)), places)
}

/// Sends an event, and gives its request id and what comes of it.
fn send(world: &World, spec: &Arc<FunctionSpec>, payload: &str) -> (String, JoinHandle<Outcome>) {
    let (runtime, spec) = (world.runtime.clone(), spec.clone());
    let invocation = invocation(&spec, payload);
    let id = invocation.request_id.clone();
    (
        id,
        tokio::spawn(async move { runtime.invoke(spec, invocation).await.unwrap() }),
    )
}

async fn meet(world: &World, spec: &Arc<FunctionSpec>, count: usize) -> Vec<(String, Outcome)> {
    let sent: Vec<_> = (0..count)
        .map(|n| send(world, spec, &format!(r#"{{"n": {n}, "all": {count}}}"#)))
        .collect();
    let mut outcomes = Vec::new();
    for (id, outcome) in sent {
        outcomes.push((id, outcome.await.unwrap()));
    }
    outcomes
}

async fn twenty_events_overlap(world: &World, spec: &Arc<FunctionSpec>) {
    let met = meet(world, spec, EVENTS).await;
    let mut processes = HashSet::new();
    for (n, (id, outcome)) in met.iter().enumerate() {
        let said = json(&outcome.payload);
        assert_eq!(outcome.function_error, None, "{said}");
        assert_eq!(said[0], n);
        assert_eq!(said[2], id.as_str(), "the context is the event's own");
        assert!(said[3].as_i64().unwrap() > 0);
        assert_eq!(said[4], EVENTS.to_string());
        processes.insert(said[1].to_string());
    }
    assert_eq!(processes.len(), 1);
    assert_eq!(world.runtime.environments().len(), 1);
    let log = world.log(spec);
    for (id, _) in &met {
        for begin in ["START", "END", "REPORT"] {
            let whole = format!("{begin} RequestId: {id}");
            assert_eq!(log.iter().filter(|line| line.starts_with(&whole)).count(), 1, "{whole}");
        }
    }
    // And again in the same one, which is warm now.
    let again = send(world, spec, r#"{"n": 100, "all": 1}"#).1.await.unwrap();
    assert!(again.function_error.is_none() && again.usage.init_ms.is_none());
    assert_eq!(world.runtime.environments().len(), 1);
}

async fn twenty_events_of_an_async_python_handler_overlap_in_one_environment(world: World) {
    let spec = python(&world, EVENTS, MEETING);
    twenty_events_overlap(&world, &spec).await;
}

async fn twenty_events_of_a_node_handler_overlap_in_one_environment(world: World) {
    let spec = node(&world, EVENTS, NODE_MEETING);
    twenty_events_overlap(&world, &spec).await;
}

async fn workers_take_several_too(world: World) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let first = node(&world, EVENTS, NODE_MEETING);
    assert_eq!(world.invoke(&first, r#"{"n": 0, "all": 1}"#).await.function_error, None);
    eventually("a worker waits", || world.runtime.workers() > 0).await;
    world.runtime.retire(&first.function_arn.to_string());
    eventually("it is ended", || world.runtime.environments().is_empty()).await;
    let spec = node(&world, EVENTS, NODE_MEETING);
    twenty_events_overlap(&world, &spec).await;
    assert_eq!(world.runtime.counts().assigned, 1);
}

async fn a_bootstrap_may_ask_for_several_events(world: World) {
    // As AWS's clients for Go, Rust and .NET do it: a connection for each place.
    let bootstrap = r#"#!/usr/bin/python3
import http.client, json, os, threading, time
api, places = os.environ["AWS_LAMBDA_RUNTIME_API"], int(os.environ["AWS_LAMBDA_MAX_CONCURRENCY"])
here = set()
def take():
    connection = http.client.HTTPConnection(api)
    while True:
        connection.request("GET", "/2018-06-01/runtime/invocation/next")
        answer = connection.getresponse()
        event, id = json.loads(answer.read()), answer.getheader("Lambda-Runtime-Aws-Request-Id")
        here.add(event["n"])
        while len(here) < event["all"]:
            time.sleep(0.005)
        connection.request("POST", "/2018-06-01/runtime/invocation/%s/response" % id,
                           json.dumps([event["n"], os.getpid(), id, 1, str(places)]))
        connection.getresponse().read()
for _ in range(places):
    threading.Thread(target=take).start()
"#;
    let spec = world.function("provided.al2023", "any", &[("bootstrap", bootstrap)]);
    let spec = with(spec, EVENTS);
    twenty_events_overlap(&world, &spec).await;
}

async fn a_default_function_takes_one(world: World) {
    let code = "
import os, time
running = 0
def handler(event, context):
    global running
    running += 1
    most = running
    time.sleep(0.1)
    running -= 1
    return [most, os.getpid(), os.environ.get('AWS_LAMBDA_MAX_CONCURRENCY')]
";
    let spec = world.python(code);
    let mut processes = HashSet::new();
    for (_, outcome) in meet(&world, &spec, 3).await {
        let said = json(&outcome.payload);
        assert_eq!((&said[0], said[2].is_null()), (&1.into(), true), "{said}");
        processes.insert(said[1].to_string());
    }
    assert_eq!(
        world.runtime.environments().len(),
        3,
        "each in an environment of its own"
    );
}

async fn a_handler_that_cannot_takes_one_and_says_so(world: World) {
    let code = "
import time
running = 0
def handler(event, context):
    global running
    running += 1
    most = running
    time.sleep(0.05)
    running -= 1
    return most
";
    let spec = python(&world, 4, code);
    for (_, outcome) in meet(&world, &spec, 4).await {
        assert_eq!(json(&outcome.payload), 1);
    }
    let log = world.log(&spec);
    assert!(
        log.iter()
            .any(|line| line.contains("DANBI_CONCURRENCY is 4, but the handler is no `async def`"))
    );
}

async fn events_that_come_while_an_environment_starts_wait_for_it(world: World) {
    let spec = python(&world, 8, &format!("import time\ntime.sleep(0.3)\n{MEETING}"));
    let met = meet(&world, &spec, 8).await;
    assert_eq!(world.runtime.environments().len(), 1);
    let began = met
        .iter()
        .filter(|(_, outcome)| outcome.usage.init_ms.is_some())
        .count();
    assert_eq!(began, 1, "one event started it");
}

async fn lines_and_tails_are_each_events_own(world: World) {
    let code = "
import asyncio, logging
here = set()
async def handler(event, context):
    print('begin', event['n'], end='')
    here.add(event['n'])
    while len(here) < event['all']:
        await asyncio.sleep(0.005)
    print(' of', event['n'])
    logging.warning('logged %d\\nin two lines', event['n'])
    await asyncio.create_task(child(event['n']))
async def child(n):
    print('child', n)
";
    let spec = python(&world, 6, code);
    let met = meet(&world, &spec, 6).await;
    let log = world.log(&spec);
    for (n, (id, outcome)) in met.iter().enumerate() {
        assert_eq!(outcome.function_error, None, "{:?}", outcome.payload);
        let tail = String::from_utf8(outcome.log_tail.clone().unwrap().to_vec()).unwrap();
        let printed = format!("{id}\tbegin {n} of {n}");
        assert!(log.contains(&printed) && tail.contains(&printed), "{tail}\n{log:?}");
        assert!(log.contains(&format!("{id}\tchild {n}")));
        let logged = format!("\t{id}\tlogged {n}\nin two lines");
        assert!(
            log.iter().any(|line| line.ends_with(&logged)) && tail.contains(&logged),
            "{tail}\n{log:?}"
        );
        let others = met
            .iter()
            .filter(|(other, _)| other != id && tail.contains(other.as_str()));
        assert_eq!(others.count(), 0, "another event's line in {tail}");
    }
}

async fn an_error_of_one_event_is_its_alone(world: World) {
    let code = "
import asyncio, sys
here = set()
async def handler(event, context):
    here.add(event['n'])
    while len(here) < event['all']:
        await asyncio.sleep(0.005)
    if event['n'] == 0:
        raise ValueError('no good')
    if event['n'] == 1:
        sys.exit(3)
    if event['n'] == 2:
        return object()
    if event['n'] == 3:
        asyncio.current_task().cancel()
        await asyncio.sleep(1)
    await asyncio.sleep(0.05)
    return 'well'
";
    let spec = python(&world, 6, code);
    let met = meet(&world, &spec, 6).await;
    let types = ["ValueError", "SystemExit", "Runtime.MarshalError", "CancelledError"];
    for (n, error_type) in types.into_iter().enumerate() {
        let said = json(&met[n].1.payload);
        assert_eq!(
            (&said["errorType"], &said["requestId"]),
            (&error_type.into(), &met[n].0.as_str().into())
        );
    }
    for (_, outcome) in &met[4..] {
        assert_eq!(json(&outcome.payload), "well");
    }
    assert_eq!(world.runtime.environments().len(), 1);
}

async fn an_exception_that_node_did_not_catch_lets_the_others_end(world: World) {
    let code = "
const here = new Set();
exports.handler = async (event) => {
  here.add(event.n);
  while (here.size < event.all) await new Promise((resolve) => setTimeout(resolve, 5));
  if (event.n === 0) {
    setTimeout(() => { throw new RangeError('nobody catches this'); });
    await new Promise(() => {});
  }
  await new Promise((resolve) => setTimeout(resolve, 200));
  console.log('done', event.n);
  return event.n;
};
";
    let spec = node(&world, 4, code);
    let met = meet(&world, &spec, 4).await;
    let said = json(&met[0].1.payload);
    assert_eq!(
        (&said["errorType"], &said["errorMessage"]),
        (&"RangeError".into(), &"nobody catches this".into())
    );
    for (n, (id, outcome)) in met.iter().enumerate().skip(1) {
        assert_eq!(json(&outcome.payload), n, "{:?}", outcome.payload);
        let log = world.log(&spec);
        assert!(
            log.iter().any(|line| line.contains(&format!("{id}\tINFO\tdone {n}"))),
            "{log:?}"
        );
    }
    eventually("the process ends", || world.runtime.environments().is_empty()).await;
    let again = send(&world, &spec, r#"{"n": 9, "all": 1}"#).1.await.unwrap();
    assert_eq!(json(&again.payload), 9);
}

async fn a_time_out_of_one_event_lets_the_others_end(world: World) {
    let code = "
import asyncio
hanging = None
async def handler(event, context):
    global hanging
    if event == 'hang':
        hanging = context
        await asyncio.sleep(60)
    if event == 'outlive':
        while hanging.get_remaining_time_in_millis() > 0:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)
        return 'well'
    return hanging.get_remaining_time_in_millis() if hanging else None
";
    let mut spec = Arc::unwrap_or_clone(python(&world, 4, code));
    spec.timeout = Duration::from_secs(4);
    let spec = Arc::new(spec);
    world.invoke(&spec, "\"\"").await;
    let (_, hanging) = send(&world, &spec, "\"hang\"");
    // The other one begins when the first has used up a part of its time, and so outlives it.
    while json(&world.invoke(&spec, "\"\"").await.payload)
        .as_i64()
        .is_none_or(|left| left > 2_000)
    {
        tokio::task::yield_now().await;
    }
    let (_, other) = send(&world, &spec, "\"outlive\"");
    let hanging = hanging.await.unwrap();
    assert_eq!(json(&hanging.payload)["errorType"], "Sandbox.Timedout");
    let next = send(&world, &spec, "\"\"").1.await.unwrap();
    // Made of a template when the first one was slow to import.
    let made = next.usage.init_ms.or(next.usage.restore_ms);
    assert!(made.is_some(), "the one with the lost event takes no more");
    let other = other.await.unwrap();
    assert_eq!((other.function_error, json(&other.payload)), (None, "well".into()));
    eventually("the process ends", || world.runtime.environments().len() == 1).await;
}

async fn a_process_that_exits_fails_every_event(world: World) {
    let code = "
import asyncio, os
here = set()
async def handler(event, context):
    here.add(event['n'])
    while len(here) < event['all']:
        await asyncio.sleep(0.005)
    os._exit(7)
";
    let spec = python(&world, 3, code);
    for (id, outcome) in meet(&world, &spec, 3).await {
        let said = json(&outcome.payload);
        assert_eq!(said["errorType"], "Runtime.ExitError");
        assert_eq!(
            said["errorMessage"],
            format!("RequestId: {id} Error: Runtime exited with error: exit status 7")
        );
    }
}

async fn reserved_concurrency_counts_events(world: World) {
    let mut spec = Arc::unwrap_or_clone(python(&world, 8, MEETING));
    spec.max_concurrency = Some(2);
    let spec = Arc::new(spec);
    // The first waits for a second one, which both stay until then.
    let (_, first) = send(&world, &spec, r#"{"n": 0, "all": 3}"#);
    let (_, second) = send(&world, &spec, r#"{"n": 1, "all": 3}"#);
    eventually("both run", || {
        world.log(&spec).iter().filter(|line| line.starts_with("START")).count() == 2
    })
    .await;
    let third = world.try_invoke(&spec, r#"{"n": 2, "all": 3}"#).await;
    assert!(matches!(
        third,
        Err(danbi_runtime::RuntimeError::ConcurrencyLimit { limit: 2 })
    ));
    let mut more = (*spec).clone();
    more.max_concurrency = None;
    let (_, third) = send(&world, &Arc::new(more), r#"{"n": 2, "all": 3}"#);
    for outcome in [first, second, third] {
        assert_eq!(outcome.await.unwrap().function_error, None);
    }
    assert_eq!(world.runtime.environments().len(), 1);
}

async fn it_is_frozen_only_when_no_event_runs(world: World) {
    let code = "
import asyncio
async def handler(event, context):
    await asyncio.sleep(event)
    return event
";
    let spec = python(&world, 2, code);
    let (_, long) = send(&world, &spec, "0.6");
    eventually("it runs", || {
        world.log(&spec).iter().any(|line| line.starts_with("START"))
    })
    .await;
    let (_, short) = send(&world, &spec, "0.01");
    assert_eq!(json(&short.await.unwrap().payload), 0.01);
    let state = world.runtime.environments()[0].state;
    assert!(!long.is_finished() && state == EnvironmentState::Busy, "{state:?}");
    assert_eq!(json(&long.await.unwrap().payload), 0.6);
    eventually("it is frozen", || {
        world.runtime.environments()[0].state == EnvironmentState::Frozen
    })
    .await;
    assert_eq!(json(&send(&world, &spec, "0").1.await.unwrap().payload), 0);
    assert_eq!(world.runtime.environments().len(), 1);
}

async fn forks_of_a_template_take_several_too(world: World) {
    let spec = python(&world, 3, &format!("import time\ntime.sleep(0.1)\n{MEETING}"));
    let mut primed = (*spec).clone();
    primed
        .environment
        .insert("DANBI_PRIMING_EVENT".into(), r#"{"n": -1, "all": 1}"#.into());
    let spec = Arc::new(primed);
    assert_eq!(world.invoke(&spec, r#"{"n": -2, "all": 1}"#).await.function_error, None);
    eventually("a template is made", || world.runtime.templates() == 1).await;
    // Three fill the first environment and more go on in forks, as soon as eight are there.
    let sent: Vec<_> = (0..3)
        .map(|n| send(&world, &spec, &format!(r#"{{"n": {n}, "all": 5}}"#)))
        .collect();
    eventually("the first is full", || {
        world.log(&spec).iter().filter(|line| line.starts_with("START")).count() == 4
    })
    .await;
    // The fork has the priming event in its set; two more make three of it.
    let more: Vec<_> = (10..12)
        .map(|n| send(&world, &spec, &format!(r#"{{"n": {n}, "all": 3}}"#)))
        .collect();
    let mut restored = 0;
    for (_, outcome) in more {
        let outcome = outcome.await.unwrap();
        assert_eq!(outcome.function_error, None, "{:?}", outcome.payload);
        restored += usize::from(outcome.usage.restore_ms.is_some());
    }
    assert_eq!((restored, world.runtime.environments().len()), (1, 2));
    // The first one has its own warm-up and three: one more than three may not be there, so it is told to end.
    for (_, waiting) in sent {
        waiting.abort();
    }
}
