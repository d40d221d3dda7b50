//! Stories of queues, told through the operations: several nodes over one store, and a clock by hand.

mod deduplication;
mod model;
mod receipts;
mod redriven;

use crate::shapes::{
    ChangeMessageVisibilityRequest, CreateQueueRequest, DeleteMessageRequest, GetQueueAttributesRequest,
    ListMessageMoveTasksRequest, Message, MessageSystemAttributeValue, PurgeQueueRequest, ReceiveMessageRequest,
    SendMessageBatchRequest, SendMessageBatchRequestEntry, SendMessageRequest, SendMessageResult,
    StartMessageMoveTaskRequest,
};
use crate::{Error, Options, Parts, Sqs, attributes, moves, queues, receive, send, settle, sweep};
use async_trait::async_trait;
use danbi_core::{
    Access, AccountId, Authorizer, Client, Clock, PolicyLanguage, Presence, Principal, RequestContext, Scope,
    ServiceError, Timestamp, Verdict,
};
use danbi_store::{EmbeddedOptions, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::watch;

const BEGIN: i64 = 1_767_225_600_000;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;

struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Takes every policy for one.
struct AnyLanguage;

impl PolicyLanguage for AnyLanguage {
    fn check_resource_policy(&self, _: &str) -> Result<(), String> {
        Ok(())
    }
    fn lets_caller(&self, _: &str, _: &RequestContext, _: &Access) -> bool {
        true
    }
    fn judge(&self, _: &str, _: &str, _: &str, _: &[(&str, String)]) -> Result<Verdict, String> {
        Ok(Verdict::Silent)
    }
}

/// Lets everybody do everything but send to queues that are called `shut…`.
struct Gatekeeper;

#[async_trait]
impl Authorizer for Gatekeeper {
    async fn authorize(&self, _: &RequestContext, access: &Access) -> Result<(), ServiceError> {
        if access.action == "sqs:SendMessage" && access.resource.contains(":shut") {
            return Err(ServiceError::client("AccessDeniedException", 403, "not there"));
        }
        Ok(())
    }
}

struct Story {
    folder: TempDir,
    store: Store,
    clock: Arc<Hands>,
    sqs: Arc<Sqs>,
}

fn context() -> RequestContext {
    RequestContext::inside(Scope::default(), Principal::Root(AccountId::default()), None)
}

impl Story {
    async fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_embedded(&folder.path().join("store"), EmbeddedOptions::default()).unwrap();
        let clock = Arc::new(Hands(AtomicI64::new(BEGIN)));
        let sqs = node(&folder, &store, &clock).await;
        Self {
            folder,
            store,
            clock,
            sqs,
        }
    }

    /// Another node over the same store.
    async fn node(&self) -> Arc<Sqs> {
        node(&self.folder, &self.store, &self.clock).await
    }

    fn pass(&self, ms: i64) {
        self.clock.0.fetch_add(ms, Ordering::SeqCst);
    }

    async fn queue(&self, name: &str, attributes: &[(&str, &str)]) -> String {
        let attributes = attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let input = CreateQueueRequest {
            queue_name: name.into(),
            attributes: Some(attributes.collect()),
            ..CreateQueueRequest::default()
        };
        let made = queues::create(Arc::clone(&self.sqs), context(), input).await.unwrap();
        made.queue_url.unwrap()
    }

    async fn send(&self, url: &str, body: &str) -> SendMessageResult {
        send_to(&self.sqs, url, body, None).await
    }

    async fn receive(&self, url: &str, count: i32) -> Vec<Message> {
        receive_from(&self.sqs, url, count, None, 0).await.unwrap()
    }

    async fn counts(&self, url: &str) -> [String; 3] {
        let input = GetQueueAttributesRequest {
            queue_url: url.into(),
            attribute_names: Some(vec!["All".into()]),
        };
        let found = attributes::get(Arc::clone(&self.sqs), context(), input).await.unwrap();
        let mut found = found.attributes.unwrap();
        ["", "NotVisible", "Delayed"].map(|kind| found.remove(&format!("ApproximateNumberOfMessages{kind}")).unwrap())
    }

    async fn end(self) {
        self.sqs.drain().await;
    }
}

async fn node(folder: &TempDir, store: &Store, clock: &Arc<Hands>) -> Arc<Sqs> {
    let parts = Parts {
        store: store.clone(),
        clock: Arc::clone(clock) as _,
        authorizer: Arc::new(Gatekeeper),
        language: Arc::new(AnyLanguage),
        data_keys: None,
        master_key: folder.path().join("sqs.key"),
        options: Options::default(),
    };
    Sqs::start(parts).await.unwrap()
}

/// Sends to a group, or to none.
async fn send_to(sqs: &Arc<Sqs>, url: &str, body: &str, group: Option<&str>) -> SendMessageResult {
    let input = SendMessageRequest {
        queue_url: url.into(),
        message_body: body.into(),
        message_group_id: group.map(str::to_owned),
        ..SendMessageRequest::default()
    };
    send::send(Arc::clone(sqs), context(), input).await.unwrap()
}

async fn receive_from(
    sqs: &Arc<Sqs>,
    url: &str,
    count: i32,
    visibility: Option<i32>,
    wait: i32,
) -> Result<Vec<Message>, Error> {
    let input = ReceiveMessageRequest {
        queue_url: url.into(),
        max_number_of_messages: Some(count),
        visibility_timeout: visibility,
        wait_time_seconds: Some(wait),
        attribute_names: Some(vec!["All".into()]),
        ..ReceiveMessageRequest::default()
    };
    let received = receive::receive(Arc::clone(sqs), context(), input).await?;
    Ok(received.messages.unwrap_or_default())
}

async fn delete_from(sqs: &Arc<Sqs>, url: &str, message: &Message) -> Result<(), Error> {
    let input = DeleteMessageRequest {
        queue_url: url.into(),
        receipt_handle: message.receipt_handle.clone().unwrap(),
    };
    settle::delete(Arc::clone(sqs), context(), input).await.map(drop)
}

async fn change(sqs: &Arc<Sqs>, url: &str, message: &Message, seconds: i32) -> Result<(), Error> {
    let input = ChangeMessageVisibilityRequest {
        queue_url: url.into(),
        receipt_handle: message.receipt_handle.clone().unwrap(),
        visibility_timeout: Some(seconds),
    };
    settle::change(Arc::clone(sqs), context(), input).await.map(drop)
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages
        .iter()
        .map(|message| message.body.as_deref().unwrap())
        .collect()
}

fn system<'m>(message: &'m Message, name: &str) -> Option<&'m str> {
    message.attributes.as_ref()?.get(name).map(String::as_str)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_received_again_until_it_is_deleted() {
    let story = Story::begin().await;
    let url = story.queue("q", &[("VisibilityTimeout", "10")]).await;
    let sent = story.send(&url, "hello").await;
    let first = story.receive(&url, 10).await;
    assert_eq!(bodies(&first), ["hello"]);
    assert_eq!(
        (&first[0].message_id, &first[0].md5_of_body),
        (&sent.message_id, &sent.md5_of_message_body)
    );
    assert_eq!(story.counts(&url).await, ["0", "1", "0"]);
    assert!(story.receive(&url, 10).await.is_empty());
    story.pass(10 * SECOND);
    let second = story.receive(&url, 10).await;
    assert_eq!(system(&second[0], "ApproximateReceiveCount"), Some("2"));
    assert_eq!(system(&second[0], "SentTimestamp"), Some(BEGIN.to_string().as_str()));
    // The first receiver is late: what it deletes is another's by now.
    delete_from(&story.sqs, &url, &first[0]).await.unwrap();
    assert_eq!(story.counts(&url).await, ["0", "1", "0"]);
    delete_from(&story.sqs, &url, &second[0]).await.unwrap();
    delete_from(&story.sqs, &url, &second[0]).await.unwrap();
    assert_eq!(story.counts(&url).await, ["0", "0", "0"]);
    assert!(matches!(
        change(&story.sqs, &url, &second[0], 1).await,
        Err(Error::Parameter(_))
    ));
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_receivers_on_two_nodes_get_each_message_once() {
    let story = Story::begin().await;
    let url = story.queue("q", &[]).await;
    let nodes = [Arc::clone(&story.sqs), story.node().await];
    let mut work = tokio::task::JoinSet::new();
    for sender in 0..4 {
        let (sqs, url) = (Arc::clone(&nodes[sender % 2]), url.clone());
        work.spawn(async move {
            for number in 0..50 {
                send_to(&sqs, &url, &format!("{sender}-{number}"), None).await;
            }
            Vec::new()
        });
    }
    for receiver in 0..6 {
        let (sqs, url) = (Arc::clone(&nodes[receiver % 2]), url.clone());
        work.spawn(async move {
            let mut got = Vec::new();
            // Twice as long as other nodes' messages take to be looked for.
            loop {
                let messages = receive_from(&sqs, &url, 7, None, 3).await.unwrap();
                if messages.is_empty() {
                    return got;
                }
                for message in messages {
                    delete_from(&sqs, &url, &message).await.unwrap();
                    got.push(message.body.unwrap());
                }
            }
        });
    }
    let mut got = Vec::new();
    while let Some(done) = work.join_next().await {
        got.extend(done.unwrap());
    }
    let once: BTreeSet<&String> = got.iter().collect();
    assert_eq!((got.len(), once.len()), (200, 200));
    assert_eq!(story.counts(&url).await, ["0", "0", "0"]);
    nodes[1].drain().await;
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_keep_their_order_whoever_sends_and_receives() {
    let story = Story::begin().await;
    let url = story
        .queue(
            "q.fifo",
            &[("FifoQueue", "true"), ("ContentBasedDeduplication", "true")],
        )
        .await;
    let nodes = [Arc::clone(&story.sqs), story.node().await];
    let mut work = tokio::task::JoinSet::new();
    for (at, group) in ["a", "b", "c"].into_iter().enumerate() {
        let (nodes, url) = (nodes.clone(), url.clone());
        work.spawn(async move {
            // A group's sender goes from node to node.
            for number in 0..30 {
                send_to(
                    &nodes[(at + number) % 2],
                    &url,
                    &format!("{group}{number:02}"),
                    Some(group),
                )
                .await;
            }
            Vec::new()
        });
    }
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    for receiver in 0..4 {
        let (sqs, url, order) = (Arc::clone(&nodes[receiver % 2]), url.clone(), Arc::clone(&order));
        work.spawn(async move {
            loop {
                let messages = receive_from(&sqs, &url, 4, None, 3).await.unwrap();
                if messages.is_empty() {
                    return Vec::<String>::new();
                }
                // Before anything is deleted nobody else can have what is behind.
                order
                    .lock()
                    .unwrap()
                    .extend(messages.iter().map(|message| message.body.clone().unwrap()));
                for message in &messages {
                    delete_from(&sqs, &url, message).await.unwrap();
                }
            }
        });
    }
    while let Some(done) = work.join_next().await {
        done.unwrap();
    }
    let order = order.lock().unwrap().clone();
    for group in ["a", "b", "c"] {
        let of_group: Vec<&String> = order.iter().filter(|body| body.starts_with(group)).collect();
        let expected: Vec<String> = (0..30).map(|number| format!("{group}{number:02}")).collect();
        assert!(of_group.iter().copied().eq(expected.iter()), "{of_group:?}");
    }
    nodes[1].drain().await;
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_behind_a_message_in_flight_waits() {
    let story = Story::begin().await;
    let fifo = [
        ("FifoQueue", "true"),
        ("ContentBasedDeduplication", "true"),
        ("VisibilityTimeout", "30"),
    ];
    let url = story.queue("q.fifo", &fifo).await;
    for (body, group) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a")] {
        story.pass(1);
        send_to(&story.sqs, &url, body, Some(group)).await;
    }
    let first = story.receive(&url, 2).await;
    assert_eq!(bodies(&first), ["a1", "a2"]);
    assert_eq!(bodies(&story.receive(&url, 10).await), ["b1"]);
    // Of the three in flight the first comes back alone.
    change(&story.sqs, &url, &first[0], 0).await.unwrap();
    let again = story.receive(&url, 10).await;
    assert_eq!(bodies(&again), ["a1"]);
    delete_from(&story.sqs, &url, &again[0]).await.unwrap();
    assert!(story.receive(&url, 10).await.is_empty());
    delete_from(&story.sqs, &url, &first[1]).await.unwrap();
    let last = story.receive(&url, 10).await;
    assert_eq!(bodies(&last), ["a3"]);
    story.pass(31 * SECOND);
    let expired = delete_from(&story.sqs, &url, &last[0]).await.unwrap_err();
    assert!(
        expired.to_string().ends_with("The receipt handle has expired."),
        "{expired}"
    );
    assert_eq!(bodies(&story.receive(&url, 10).await), ["b1", "a3"]);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifo_queue_takes_a_message_once_in_five_minutes_and_a_receive_can_be_repeated() {
    let story = Story::begin().await;
    let url = story
        .queue(
            "q.fifo",
            &[("FifoQueue", "true"), ("ContentBasedDeduplication", "true")],
        )
        .await;
    let first = send_to(&story.sqs, &url, "same", Some("a")).await;
    let second = send_to(&story.sqs, &url, "same", Some("b")).await;
    assert_eq!(
        (first.message_id, first.sequence_number),
        (second.message_id, second.sequence_number)
    );
    let attempt = |id: &str| ReceiveMessageRequest {
        queue_url: url.clone(),
        receive_request_attempt_id: Some(id.into()),
        ..ReceiveMessageRequest::default()
    };
    let mut ids = BTreeSet::new();
    for _ in 0..2 {
        let got = receive::receive(Arc::clone(&story.sqs), context(), attempt("one"))
            .await
            .unwrap();
        ids.insert(got.messages.unwrap()[0].message_id.clone());
    }
    assert_eq!(ids.len(), 1);
    let other = receive::receive(Arc::clone(&story.sqs), context(), attempt("two"))
        .await
        .unwrap();
    assert_eq!(other.messages, None);
    story.pass(5 * MINUTE + 1);
    sweep::all(&story.sqs).await.unwrap();
    send_to(&story.sqs, &url, "same", Some("b")).await;
    assert_eq!(story.counts(&url).await, ["2", "0", "0"]);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_wakes_when_something_is_sent_and_gives_nothing_to_who_left() {
    let story = Story::begin().await;
    let url = story.queue("q", &[]).await;
    let waiting = {
        let (sqs, url) = (Arc::clone(&story.sqs), url.clone());
        tokio::spawn(async move { receive_from(&sqs, &url, 1, None, 20).await.unwrap() })
    };
    story.send(&url, "news").await;
    let got = tokio::time::timeout(Duration::from_secs(10), waiting)
        .await
        .expect("it wakes")
        .unwrap();
    assert_eq!(bodies(&got), ["news"]);

    struct Gone(watch::Receiver<()>);
    #[async_trait]
    impl Presence for Gone {
        async fn left(&self) {
            let mut here = self.0.clone();
            while here.changed().await.is_ok() {}
        }
    }
    let (here, gone) = watch::channel(());
    let mut asking = context();
    asking.facts.client = Client::new(Arc::new(Gone(gone)));
    let input = ReceiveMessageRequest {
        queue_url: url.clone(),
        wait_time_seconds: Some(20),
        ..ReceiveMessageRequest::default()
    };
    let waiting = tokio::spawn(receive::receive(Arc::clone(&story.sqs), asking, input));
    drop(here);
    let answer = tokio::time::timeout(Duration::from_secs(10), waiting)
        .await
        .expect("it is let go")
        .unwrap();
    assert_eq!(answer.unwrap().messages, None);
    story.send(&url, "for others").await;
    assert_eq!(bodies(&story.receive(&url, 1).await), ["for others"]);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_go_to_their_queue_and_back() {
    for fifo in [false, true] {
        let story = Story::begin().await;
        let suffix = if fifo { ".fifo" } else { "" };
        let kind: &[(&str, &str)] = if fifo {
            &[("FifoQueue", "true"), ("ContentBasedDeduplication", "true")]
        } else {
            &[]
        };
        let dead = story.queue(&format!("dead{suffix}"), kind).await;
        let policy = format!(
            r#"{{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead{suffix}","maxReceiveCount":1}}"#
        );
        let source = format!("arn:aws:sqs:us-east-1:000000000000:q{suffix}");
        let mut attributes = kind.to_vec();
        attributes.push(("RedrivePolicy", &policy));
        let url = story.queue(&format!("q{suffix}"), &attributes).await;
        let sent = send_to(&story.sqs, &url, "poison", Some("g").filter(|_| fifo)).await;
        let got = receive_from(&story.sqs, &url, 1, Some(0), 0).await.unwrap();
        assert_eq!(bodies(&got), ["poison"]);
        assert!(story.receive(&url, 1).await.is_empty());
        let letters = receive_from(&story.sqs, &dead, 1, Some(0), 0).await.unwrap();
        assert_eq!(letters[0].message_id, sent.message_id);
        assert_eq!(system(&letters[0], "DeadLetterQueueSourceArn"), Some(source.as_str()));
        assert_eq!(system(&letters[0], "ApproximateReceiveCount"), Some("2"));
        let input = StartMessageMoveTaskRequest {
            source_arn: format!("arn:aws:sqs:us-east-1:000000000000:dead{suffix}"),
            ..StartMessageMoveTaskRequest::default()
        };
        moves::start(Arc::clone(&story.sqs), context(), input.clone())
            .await
            .unwrap();
        let back = receive_from(&story.sqs, &url, 1, None, 20).await.unwrap();
        assert_eq!(bodies(&back), ["poison"]);
        assert_ne!(back[0].message_id, sent.message_id);
        assert_eq!(system(&back[0], "ApproximateReceiveCount"), Some("1"));
        let listed = ListMessageMoveTasksRequest {
            source_arn: input.source_arn,
            max_results: None,
        };
        let ended = async {
            loop {
                let tasks = moves::list(Arc::clone(&story.sqs), context(), listed.clone())
                    .await
                    .unwrap();
                let task = tasks.results.unwrap().remove(0);
                if task.status.as_deref() == Some("COMPLETED") {
                    return task.approximate_number_of_messages_moved;
                }
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(
            tokio::time::timeout(Duration::from_secs(20), ended)
                .await
                .expect("it ends"),
            Some(1)
        );
        story.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn time_takes_old_messages_and_a_purge_takes_all() {
    let story = Story::begin().await;
    let url = story.queue("q", &[("MessageRetentionPeriod", "60")]).await;
    story.send(&url, "old").await;
    story.pass(30 * SECOND);
    story.send(&url, "new").await;
    story.pass(30 * SECOND);
    assert_eq!(story.counts(&url).await, ["1", "0", "0"]);
    assert_eq!(
        bodies(&receive_from(&story.sqs, &url, 10, Some(0), 0).await.unwrap()),
        ["new"]
    );
    story.pass(30 * SECOND);
    sweep::all(&story.sqs).await.unwrap();
    assert_eq!(left_behind(&story).await, 0);
    story.send(&url, "purged").await;
    let input = PurgeQueueRequest { queue_url: url.clone() };
    queues::purge(Arc::clone(&story.sqs), context(), input.clone())
        .await
        .unwrap();
    assert!(story.receive(&url, 10).await.is_empty());
    let early = queues::purge(Arc::clone(&story.sqs), context(), input)
        .await
        .unwrap_err();
    assert!(matches!(early, Error::PurgeInProgress(_)));
    sweep::all(&story.sqs).await.unwrap();
    assert_eq!(left_behind(&story).await, 0);
    story.end().await;
}

/// Entries in the store besides the queue's own record and the keys.
async fn left_behind(story: &Story) -> usize {
    let view = story.store.snapshot().await.unwrap();
    let prefix = danbi_store::key::KeyBuilder::new().str("sqs").build();
    let page = view
        .scan(
            danbi_store::KeyRange::prefix(prefix),
            danbi_store::Direction::Forward,
            1_000,
        )
        .await
        .unwrap();
    let keys = [crate::keys::master_keys(), crate::keys::data_key()];
    page.entries
        .iter()
        .filter(|(key, _)| !keys.contains(key) && crate::keys::queue_of(key).is_err())
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_travel_whole_and_nothing_is_kept_in_the_clear() {
    let story = Story::begin().await;
    let url = story.queue("q", &[]).await;
    let body = "a secret ".repeat(1_048_576 / 9);
    story.send(&url, &body).await;
    assert_eq!(bodies(&story.receive(&url, 1).await), [body.as_str()]);
    let entries = (0..10).map(|number| SendMessageBatchRequestEntry {
        id: number.to_string(),
        message_body: "b".repeat(100_000),
        ..SendMessageBatchRequestEntry::default()
    });
    let input = SendMessageBatchRequest {
        queue_url: url.clone(),
        entries: entries.collect(),
    };
    let sent = send::send_batch(Arc::clone(&story.sqs), context(), input)
        .await
        .unwrap();
    assert_eq!((sent.successful.unwrap().len(), sent.failed), (10, None));
    assert_eq!(story.receive(&url, 10).await.len(), 10);
    let view = story.store.snapshot().await.unwrap();
    let page = view
        .scan(danbi_store::KeyRange::all(), danbi_store::Direction::Forward, 1_000)
        .await
        .unwrap();
    assert!(
        page.entries
            .iter()
            .all(|(_, value)| !value.windows(8).any(|part| part == b"a secret"))
    );
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delays_hold_messages_back_and_wake_those_who_wait() {
    let story = Story::begin().await;
    let url = story.queue("q", &[("DelaySeconds", "5")]).await;
    story.send(&url, "later").await;
    assert_eq!(story.counts(&url).await, ["0", "0", "1"]);
    let waiting = {
        let (sqs, url) = (Arc::clone(&story.sqs), url.clone());
        tokio::spawn(async move { receive_from(&sqs, &url, 1, None, 20).await.unwrap() })
    };
    story.pass(5 * SECOND);
    let got = tokio::time::timeout(Duration::from_secs(15), waiting)
        .await
        .expect("it wakes")
        .unwrap();
    assert_eq!(bodies(&got), ["later"]);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_made_again_is_the_same_or_refused() {
    let story = Story::begin().await;
    let url = story.queue("q", &[("DelaySeconds", "5")]).await;
    assert_eq!(story.queue("q", &[("DelaySeconds", "5")]).await, url);
    let make = |attributes: &[(&str, &str)]| {
        let attributes: BTreeMap<String, String> = attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let input = CreateQueueRequest {
            queue_name: "q".into(),
            attributes: Some(attributes),
            ..CreateQueueRequest::default()
        };
        queues::create(Arc::clone(&story.sqs), context(), input)
    };
    assert!(make(&[]).await.is_ok());
    assert!(matches!(
        make(&[("DelaySeconds", "6")]).await,
        Err(Error::NameExists(_))
    ));
    let gone = crate::shapes::DeleteQueueRequest { queue_url: url };
    queues::delete(Arc::clone(&story.sqs), context(), gone).await.unwrap();
    assert!(matches!(make(&[]).await, Err(Error::DeletedRecently)));
    story.pass(MINUTE + 1);
    assert!(make(&[]).await.is_ok());
    story.end().await;
}
