//! Which messages of a FIFO queue are the same.

use super::*;
use crate::shapes::SetQueueAttributesRequest;

async fn send_as(story: &Story, url: &str, group: &str, deduplication: &str) -> Option<String> {
    let input = SendMessageRequest {
        queue_url: url.into(),
        message_body: "body".into(),
        message_group_id: Some(group.into()),
        message_deduplication_id: Some(deduplication.into()),
        ..SendMessageRequest::default()
    };
    let sent = send::send(Arc::clone(&story.sqs), context(), input).await.unwrap();
    sent.message_id
}

async fn set_scope(story: &Story, url: &str, scope: &str) {
    let input = SetQueueAttributesRequest {
        queue_url: url.into(),
        attributes: BTreeMap::from([("DeduplicationScope".to_owned(), scope.to_owned())]),
    };
    attributes::put_all(Arc::clone(&story.sqs), context(), input)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_count_in_the_queue_or_in_their_group() {
    let story = Story::begin().await;
    for (name, scope, same) in [("a.fifo", "queue", true), ("b.fifo", "messageGroup", false)] {
        let url = story
            .queue(name, &[("FifoQueue", "true"), ("DeduplicationScope", scope)])
            .await;
        let first = send_as(&story, &url, "a", "id").await;
        assert_eq!(first, send_as(&story, &url, "a", "id").await);
        assert_eq!(first == send_as(&story, &url, "b", "id").await, same, "{scope}");
    }
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_scope_makes_no_message_new() {
    let story = Story::begin().await;
    let url = story.queue("q.fifo", &[("FifoQueue", "true")]).await;
    let early = send_as(&story, &url, "a", "early").await;
    story.pass(MINUTE);
    set_scope(&story, &url, "messageGroup").await;
    // For five minutes it goes on as it was.
    assert_eq!(early, send_as(&story, &url, "b", "early").await);
    story.pass(4 * MINUTE);
    let late = send_as(&story, &url, "a", "late").await;
    assert_eq!(late, send_as(&story, &url, "b", "late").await);
    story.pass(MINUTE);
    sweep::all(&story.sqs).await.unwrap();
    // Then the group counts, also for what was sent before.
    assert_eq!(late, send_as(&story, &url, "a", "late").await);
    assert_ne!(late, send_as(&story, &url, "b", "late").await);
    // Changed there and back, nothing has changed.
    set_scope(&story, &url, "queue").await;
    set_scope(&story, &url, "messageGroup").await;
    let new = send_as(&story, &url, "a", "new").await;
    assert_ne!(new, send_as(&story, &url, "b", "new").await);
    story.end().await;
}
