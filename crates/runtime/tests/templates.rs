//! Environments that are forks of a template: what they share, what they must not, and when there are none.

// These are tests, though the harness is their own.
#![allow(clippy::unwrap_used)]

mod support;

use danbi_runtime::{EnvironmentState, FunctionSpec};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use support::{World, json};

tests![
    a_fork_has_imported_and_shares_nothing,
    clients_made_in_the_template_sign_as_the_fork,
    what_cannot_be_forked_is_started_and_says_why,
    hooks_run_around_the_template,
    a_priming_event_is_handled_once_and_before_the_forks,
    a_template_ends_with_its_version,
    a_fork_that_waits_copies_what_the_one_before_it_wrote_to,
];

/// An import that is worth a template, and a handler that says who it is.
const SLOW: &str = "
import os, random, time, uuid
time.sleep(0.06)
own = random.Random()
born = os.getpid(), time.time()
def handler(event, context):
    if event == 'exit':
        os._exit(3)
    found = os.listdir('/tmp')
    open('/tmp/mine', 'w').write('x')
    time.sleep(0.15)
    return {'pid': os.getpid(), 'imported': born[0], 'random': random.random(), 'own': own.random(), 'tmp': found,
            'uuid': str(uuid.uuid4()), 'stream': os.environ['AWS_LAMBDA_LOG_STREAM_NAME'], 'context': context.log_stream_name,
            'key': os.environ['AWS_ACCESS_KEY_ID'], 'template': os.environ.get('DANBI_TEMPLATE'), 'event': event}
";

/// Invokes once, which makes a template, and waits for it.
async fn with_template(world: &World, code: &str) -> Arc<FunctionSpec> {
    let spec = world.python(code);
    let first = world.invoke(&spec, "0").await;
    assert_eq!(first.function_error, None, "{:?}", first.payload);
    assert!(first.usage.init_ms.is_some() && first.usage.restore_ms.is_none());
    eventually("a template is made", || world.runtime.templates() == 1).await;
    spec
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    waited.unwrap_or_else(|_| panic!("never: {what}"));
}

async fn a_fork_has_imported_and_shares_nothing(world: World) {
    let world = Arc::new(world);
    let spec = with_template(&world, SLOW).await;
    let many = (0..6).map(|number| {
        let (world, spec) = (world.clone(), spec.clone());
        tokio::spawn(async move { world.invoke(&spec, &number.to_string()).await })
    });
    let mut restored = 0;
    let mut seen = HashSet::new();
    for (number, outcome) in many.collect::<Vec<_>>().into_iter().enumerate() {
        let outcome = outcome.await.unwrap();
        let said = json(&outcome.payload);
        assert_eq!(
            (outcome.function_error, &said["event"]),
            (None, &number.into()),
            "{said}"
        );
        for field in ["random", "own", "uuid", "stream"] {
            assert!(
                seen.insert(format!("{field} {}", said[field])),
                "two have the same {field}"
            );
        }
        assert_eq!(said["stream"], said["context"]);
        assert!(said["template"].is_null() && said["key"].is_string());
        if outcome.usage.restore_ms.is_some() {
            restored += 1;
            assert!(outcome.usage.init_ms.is_none());
            assert!(said["tmp"].as_array().unwrap().is_empty());
            assert_ne!(said["pid"], said["imported"], "it was imported in another process");
        }
    }
    assert_eq!(
        restored, 5,
        "the first environment took one event, and the forks the others"
    );
    let log = world.log(&spec);
    assert!(
        log.iter()
            .any(|line| line.starts_with("RESTORE_START Runtime Version: python:3"))
    );
    assert!(
        log.iter()
            .any(|line| line.starts_with("RESTORE_REPORT Restore Duration: "))
    );
    assert!(log.iter().any(|line| line.contains("\tRestore Duration: ")));
    let ended = world.invoke(&spec, "\"exit\"").await;
    assert!(
        String::from_utf8_lossy(&ended.payload).contains("exit status 3"),
        "{:?}",
        ended.payload
    );
    assert_eq!(world.invoke(&spec, "9").await.function_error, None);
}

async fn clients_made_in_the_template_sign_as_the_fork(world: World) {
    let code = "
import json, os, time, urllib.request
time.sleep(0.06)
def fetch():
    request = urllib.request.Request(os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI'],
                                     headers={'Authorization': os.environ['AWS_CONTAINER_AUTHORIZATION_TOKEN']})
    return json.load(urllib.request.urlopen(request))
at_import = fetch() if os.environ.get('DANBI_TEMPLATE') else None
def handler(event, context):
    if at_import is None:
        time.sleep(0.3)
        return None
    try:
        urllib.request.urlopen(os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI'])
        refused = False
    except urllib.error.HTTPError as error:
        refused = error.code == 403
    now = fetch()
    return [at_import['Expiration'] < now['Expiration'], at_import['Token'] != now['Token'],
            now['AccessKeyId'] == os.environ['AWS_ACCESS_KEY_ID'], refused]
";
    let world = Arc::new(world);
    let spec = with_template(&world, code).await;
    let busy = {
        let (world, spec) = (world.clone(), spec.clone());
        tokio::spawn(async move { world.invoke(&spec, "1").await })
    };
    eventually("the first environment is busy", || {
        world
            .runtime
            .environments()
            .iter()
            .any(|one| one.state == danbi_runtime::EnvironmentState::Busy)
    })
    .await;
    let outcome = world.invoke(&spec, "2").await;
    assert_eq!(json(&outcome.payload), serde_json::json!([true, true, true, true]));
    busy.await.unwrap();
}

async fn what_cannot_be_forked_is_started_and_says_why(world: World) {
    let reasons = [
        (
            "import threading, time\nthreading.Thread(target=lambda: time.sleep(60), daemon=True, name='poller').start()",
            "poller",
        ),
        ("import socket\ns = socket.socket()", "a socket is open"),
        ("open('/tmp/cache', 'w').write('x')", "left cache in /tmp"),
        ("f = open('/etc/passwd')", "/etc/passwd is open"),
        (
            "import subprocess\np = subprocess.Popen(['sleep', '60'])",
            "a child process runs",
        ),
    ];
    for (left, reason) in reasons {
        let code = format!("import time\ntime.sleep(0.06)\n{left}\ndef handler(event, context):\n    return event\n");
        let spec = world.python(&code);
        assert_eq!(world.invoke(&spec, "1").await.function_error, None);
        eventually(reason, || {
            let log = world.log(&spec);
            log.iter()
                .any(|line| line.starts_with("[INFO] environments of this version") && line.contains(reason))
        })
        .await;
        assert_eq!(world.runtime.templates(), 0);
        world.runtime.retire(&spec.function_arn.to_string());
    }
}

async fn hooks_run_around_the_template(world: World) {
    let code = "
import time
from snapshot_restore_py import register_before_snapshot, register_after_restore
time.sleep(0.06)
ran = []
@register_before_snapshot
def first():
    ran.append('before 1')
register_before_snapshot(ran.append, 'before 2')
register_after_restore(ran.append, 'after 1')
register_after_restore(ran.append, 'after 2')
def handler(event, context):
    time.sleep(0.2)
    return ran
";
    let world = Arc::new(world);
    let spec = with_template(&world, code).await;
    let both = [1, 2].map(|_| {
        let (world, spec) = (world.clone(), spec.clone());
        tokio::spawn(async move { world.invoke(&spec, "1").await })
    });
    let mut said = Vec::new();
    for one in both {
        said.push(json(&one.await.unwrap().payload).to_string());
    }
    said.sort();
    assert_eq!(said, [r#"["before 2","before 1","after 1","after 2"]"#, "[]"]);
}

async fn a_priming_event_is_handled_once_and_before_the_forks(world: World) {
    let code = "
import os, time
time.sleep(0.06)
seen = []
def handler(event, context):
    seen.append(event)
    if event == 'exit':
        os._exit(3)
    if event == {'fails': True}:
        raise ValueError('not this one')
    return seen
";
    for (priming, said) in [
        (r#"{"prime":1}"#, r#"[{"prime":1},"2"]"#),
        (r#"{"fails":true}"#, r#"[{"fails":true},"2"]"#),
    ] {
        let mut spec = world.function("python3.11", "app.handler", &[("app.py", code)]);
        spec.environment.insert("DANBI_PRIMING_EVENT".into(), priming.into());
        let spec = Arc::new(spec);
        let before = world.runtime.templates();
        let first = world.invoke(&spec, r#""1""#).await;
        assert_eq!(
            json(&first.payload).to_string(),
            r#"["1"]"#,
            "an environment that is started is not primed"
        );
        eventually("a template is made", || world.runtime.templates() == before + 1).await;
        assert!(world.invoke(&spec, r#""exit""#).await.function_error.is_some());
        let restored = world.invoke(&spec, r#""2""#).await;
        assert!(restored.usage.restore_ms.is_some());
        assert_eq!(json(&restored.payload).to_string(), said);
    }
}

async fn a_template_ends_with_its_version(world: World) {
    let spec = with_template(&world, SLOW).await;
    world.runtime.retire(&spec.function_arn.to_string());
    assert_eq!(world.runtime.templates(), 0);
    let changed = Arc::new(FunctionSpec {
        revision: "another".to_owned(),
        ..FunctionSpec::clone(&spec)
    });
    let outcome = world.invoke(&changed, "1").await;
    assert!(
        outcome.usage.init_ms.is_some(),
        "a new revision is not made of an old template"
    );
}

async fn a_fork_that_waits_copies_what_the_one_before_it_wrote_to(world: World) {
    let code = "
import os, resource, time
time.sleep(0.06)
kept = [bytearray(3000) for _ in range(1500)]
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def handler(event, context):
    if event == 'exit':
        os._exit(3)
    before = faults()
    for one in kept:
        one[0] += 1
    return [faults() - before, kept[7][0]]
";
    let spec = with_template(&world, code).await;
    let mut all = Vec::new();
    loop {
        world.invoke(&spec, "\"exit\"").await;
        let outcome = world.invoke(&spec, "1").await;
        assert!(outcome.usage.restore_ms.is_some());
        let said = json(&outcome.payload);
        assert_eq!(said[1], 1, "the memory is the template's all the same");
        all.push(said[0].as_u64().unwrap());
        if all[all.len() - 1] < 100 {
            break;
        }
        assert!(all.len() < 20, "page faults at the first events of forks: {all:?}");
        let frozen = || {
            world
                .runtime
                .environments()
                .iter()
                .any(|one| one.state == EnvironmentState::Frozen)
        };
        eventually("it is frozen", frozen).await;
    }
    assert!(all[0] > 1000, "the first fork has nobody before it: {all:?}");
}
