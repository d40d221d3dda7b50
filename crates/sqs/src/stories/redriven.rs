//! Whose queues tasks move messages from and to, and when they end.

use super::*;
use crate::shapes::CancelMessageMoveTaskRequest;

fn arn(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{name}")
}

async fn start(story: &Story, source: &str, destination: Option<&str>) -> Result<String, ServiceError> {
    let input = StartMessageMoveTaskRequest {
        source_arn: source.into(),
        destination_arn: destination.map(arn),
        ..StartMessageMoveTaskRequest::default()
    };
    let started = moves::start(Arc::clone(&story.sqs), context(), input).await?;
    Ok(started.task_handle.unwrap())
}

async fn status(story: &Story, source: &str) -> String {
    let input = ListMessageMoveTasksRequest {
        source_arn: arn(source),
        max_results: None,
    };
    let listed = moves::list(Arc::clone(&story.sqs), context(), input).await.unwrap();
    listed.results.unwrap().remove(0).status.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_asks_for_all_that_it_does_for_its_caller() {
    let story = Story::begin().await;
    story.queue("dead", &[]).await;
    story.queue("other", &[]).await;
    let policy = format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":1}}"#, arn("dead"));
    story.queue("shut", &[("RedrivePolicy", &policy)]).await;
    // Without a destination the letters go back, where this caller may not send.
    for destination in [None, Some("shut")] {
        let refused = start(&story, &arn("dead"), destination).await.unwrap_err();
        assert_eq!(refused.code, "AccessDeniedException");
    }
    let handle = start(&story, &arn("dead"), Some("other")).await.unwrap();
    // Queues of others are not there, whatever a handle says.
    let foreign = start(&story, "arn:aws:sqs:us-east-1:123456789012:dead", None).await;
    assert_eq!(foreign.unwrap_err().code, "ResourceNotFoundException");
    let mut other = context();
    other.scope.account = "123456789012".parse().unwrap();
    let input = CancelMessageMoveTaskRequest { task_handle: handle };
    let foreign = moves::cancel(Arc::clone(&story.sqs), other, input).await.unwrap_err();
    assert!(matches!(foreign, Error::NoResource(_)));
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_ends_however_much_comes_after_it() {
    let story = Story::begin().await;
    let dead = story.queue("dead", &[]).await;
    let policy = format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":1}}"#, arn("dead"));
    let url = story.queue("q", &[("RedrivePolicy", &policy)]).await;
    story.sqs.drain().await;
    // Nobody works on it yet.
    start(&story, &arn("dead"), Some("q")).await.unwrap();
    for batch in 0..30 {
        let entries = (0..10).map(|number| SendMessageBatchRequestEntry {
            id: number.to_string(),
            message_body: format!("{batch}-{number}"),
            ..SendMessageBatchRequestEntry::default()
        });
        let input = SendMessageBatchRequest {
            queue_url: dead.clone(),
            entries: entries.collect(),
        };
        let sent = send::send_batch(Arc::clone(&story.sqs), context(), input)
            .await
            .unwrap();
        assert_eq!((sent.successful.unwrap().len(), sent.failed), (10, None));
    }
    assert_eq!(status(&story, "dead").await, "RUNNING");
    let node = story.node().await;
    let ended = async {
        while status(&story, "dead").await == "RUNNING" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended)
        .await
        .expect("it ends");
    assert_eq!(status(&story, "dead").await, "COMPLETED");
    assert_eq!(story.counts(&dead).await, ["300", "0", "0"]);
    assert_eq!(story.counts(&url).await, ["0", "0", "0"]);
    node.drain().await;
}
