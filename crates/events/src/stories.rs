//! Stories with a clock of their own: what fires after the platform was not there.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use crate::records::{Read, Rule};
use crate::scheduler_shapes::{CreateScheduleInput, FlexibleTimeWindow, Target as ScheduleTarget};
use crate::shapes::{PutRuleRequest, PutTargetsRequest, Target};
use crate::{Events, Options, Parts, keys, rules, scheduler, targets, ticks};
use async_trait::async_trait;
use danbi_core::{
    AccountId, Api, ApiCall, Clock, InvokeRequest, InvokeResponse, Invoker, LogEvent, LogSink, LogStreamName,
    Principal, RequestContext, Scope, ServiceError, ServiceRoles, SourceResource, Timestamp,
};
use danbi_store::{EmbeddedOptions, Store};
use serde_json::Value;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const HOUR: i64 = 3_600_000;
/// 2026-01-01T00:00:00Z.
const BEGIN: i64 = 1_767_225_600_000;

struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Everything else of the platform: notes what it is asked.
#[derive(Default)]
struct World {
    invoked: Mutex<Vec<(String, Value)>>,
    called: Mutex<Vec<ApiCall>>,
}

#[async_trait]
impl Invoker for World {
    async fn invoke(&self, context: &RequestContext, request: InvokeRequest) -> Result<InvokeResponse, ServiceError> {
        let who = match &context.principal {
            Principal::Service(name) => name.clone(),
            other => other.arn().unwrap_or_default(),
        };
        let event = serde_json::from_slice(&request.payload).unwrap();
        self.invoked.lock().unwrap().push((who, event));
        Ok(InvokeResponse {
            status: 202,
            payload: Default::default(),
            function_error: None,
            executed_version: String::new(),
        })
    }
}

#[async_trait]
impl Api for World {
    async fn call(&self, _: &RequestContext, call: ApiCall) -> Result<Value, ServiceError> {
        self.called.lock().unwrap().push(call);
        Ok(Value::Null)
    }
}

#[async_trait]
impl ServiceRoles for World {
    async fn act_as(
        &self,
        role: &danbi_core::Arn,
        _: &str,
        session: &str,
        _: Option<&SourceResource>,
    ) -> Result<Principal, ServiceError> {
        Ok(Principal::Identity {
            arn: role.clone(),
            id: session.to_owned(),
            session: None,
        })
    }
}

impl LogSink for World {
    fn write(&self, _: &LogStreamName, _: Vec<LogEvent>) {}
}

struct Story {
    store: Store,
    clock: Arc<Hands>,
    world: Arc<World>,
    events: Arc<Events>,
    _dir: tempfile::TempDir,
}

impl Story {
    fn begin() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open_embedded(dir.path(), EmbeddedOptions::default()).unwrap();
        let (clock, world) = (Arc::new(Hands(AtomicI64::new(BEGIN))), Arc::new(World::default()));
        let events = start(&store, &clock, &world);
        Self {
            store,
            clock,
            world,
            events,
            _dir: dir,
        }
    }

    /// The platform is down from now until `at`.
    async fn down_until(&mut self, at: i64) {
        self.events.drain().await;
        self.clock.0.store(at, Ordering::SeqCst);
        self.events = start(&self.store, &self.clock, &self.world);
    }

    /// What functions were given, once there are so many.
    async fn invoked(&self, count: usize) -> Vec<(String, Value)> {
        let enough = async {
            while self.world.invoked.lock().unwrap().len() < count {
                self.events.ticked.notify_one();
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), enough)
            .await
            .expect("the functions are invoked");
        self.world.invoked.lock().unwrap().clone()
    }

    async fn rule(&self, expression: &str) {
        let input = PutRuleRequest {
            name: "r".into(),
            schedule_expression: Some(expression.into()),
            ..PutRuleRequest::default()
        };
        rules::put_rule(Arc::clone(&self.events), context(), input)
            .await
            .unwrap();
        let target = Target {
            id: "t".into(),
            arn: "arn:aws:lambda:us-east-1:000000000000:function:f".into(),
            ..Target::default()
        };
        let input = PutTargetsRequest {
            rule: "r".into(),
            targets: vec![target],
            ..PutTargetsRequest::default()
        };
        targets::put_targets(Arc::clone(&self.events), context(), input)
            .await
            .unwrap();
    }
}

fn start(store: &Store, clock: &Arc<Hands>, world: &Arc<World>) -> Arc<Events> {
    Events::start(Parts {
        store: store.clone(),
        clock: Arc::clone(clock) as _,
        invoker: Arc::clone(world) as _,
        api: Arc::clone(world) as _,
        roles: Some(Arc::clone(world) as _),
        logs: Arc::clone(world) as _,
        options: Options::default(),
    })
}

fn context() -> RequestContext {
    RequestContext::inside(Scope::default(), Principal::Root(AccountId::default()), None)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_downtime_the_newest_missed_tick_fires_once_and_the_older_ones_are_counted() {
    for expression in ["rate(1 hour)", "cron(0 * * * ? *)"] {
        let mut story = Story::begin();
        story.rule(expression).await;
        story.down_until(BEGIN + 5 * HOUR + HOUR / 2).await;
        let invoked = story.invoked(1).await;
        assert_eq!(invoked.len(), 1);
        assert_eq!(invoked[0].0, "events.amazonaws.com");
        assert_eq!(invoked[0].1["time"], "2026-01-01T05:00:00Z");
        let view = story.events.snapshot().await.unwrap();
        let rule: Rule = view
            .record(&keys::rule(&Scope::default(), "default", "r"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!((rule.dropped, rule.next), (4, Some(BEGIN + 6 * HOUR)), "{expression}");
        // And then it goes on.
        story.clock.0.store(BEGIN + 6 * HOUR, Ordering::SeqCst);
        assert_eq!(story.invoked(2).await[1].1["time"], "2026-01-01T06:00:00Z");
        story.events.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_fire_a_tick_once() {
    let mut story = Story::begin();
    story.rule("rate(1 hour)").await;
    story.events.drain().await;
    story.clock.0.store(BEGIN + HOUR, Ordering::SeqCst);
    let other = start(&story.store, &story.clock, &story.world);
    story.events = start(&story.store, &story.clock, &story.world);
    let (one, two) = tokio::join!(ticks::round(&story.events), ticks::round(&other));
    one.unwrap();
    two.unwrap();
    assert_eq!(story.invoked(1).await.len(), 1);
    other.drain().await;
    story.events.drain().await;
    assert_eq!(story.world.invoked.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_works_as_its_role_and_calls_any_operation() {
    let mut story = Story::begin();
    let schedule = |name: &str, arn: &str, input: &str| CreateScheduleInput {
        name: name.into(),
        schedule_expression: "at(2026-01-01T03:00:00)".into(),
        schedule_expression_timezone: Some("Europe/Paris".into()),
        action_after_completion: Some("DELETE".into()),
        flexible_time_window: FlexibleTimeWindow {
            mode: "OFF".into(),
            ..FlexibleTimeWindow::default()
        },
        target: ScheduleTarget {
            arn: arn.into(),
            role_arn: "arn:aws:iam::000000000000:role/r".into(),
            input: Some(input.into()),
            ..ScheduleTarget::default()
        },
        ..CreateScheduleInput::default()
    };
    let function = schedule(
        "f",
        "arn:aws:lambda:us-east-1:000000000000:function:f",
        r#"{"at": "<aws.scheduler.scheduled-time>"}"#,
    );
    let operation = schedule(
        "o",
        "arn:aws:scheduler:::aws-sdk:dynamodb:deleteTable",
        r#"{"TableName": "t"}"#,
    );
    for input in [function, operation] {
        scheduler::schedules::create(Arc::clone(&story.events), context(), input)
            .await
            .unwrap();
    }
    let next = scheduler::schedules::next_of(&story.events, &Scope::default(), "f").await;
    assert_eq!(next, Some(Timestamp::from_millis(BEGIN + 2 * HOUR)));
    // Paris is an hour ahead: three o'clock there passed while nobody was there, and it fires once, late.
    story.down_until(BEGIN + 10 * HOUR).await;
    let invoked = story.invoked(1).await;
    assert_eq!(invoked[0].0, "arn:aws:iam::000000000000:role/r");
    assert_eq!(invoked[0].1, serde_json::json!({ "at": "2026-01-01T02:00:00Z" }));
    let called = async {
        while story.world.called.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), called)
        .await
        .expect("the operation is called");
    let expected = ApiCall::new("dynamodb", "DeleteTable", serde_json::json!({ "TableName": "t" }));
    assert_eq!(story.world.called.lock().unwrap().as_slice(), [expected]);
    assert_eq!(
        scheduler::schedules::next_of(&story.events, &Scope::default(), "f").await,
        None
    );
    story.events.drain().await;
}
