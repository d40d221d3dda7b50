//! What receivers may do with handles of earlier receives, and what goes on with a message.

use super::*;

/// As LocalStack's tests against AWS saw it: `test_terminate_visibility_timeout_after_receive`.
#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_handle_changes_visibility_in_standard_queues_alone() {
    let story = Story::begin().await;
    let url = story.queue("q", &[]).await;
    story.send(&url, "hello").await;
    let first = receive_from(&story.sqs, &url, 1, Some(0), 0).await.unwrap();
    let second = receive_from(&story.sqs, &url, 1, Some(30), 0).await.unwrap();
    assert_eq!(bodies(&second), ["hello"]);
    change(&story.sqs, &url, &first[0], 0).await.unwrap();
    let third = story.receive(&url, 1).await;
    assert_eq!(system(&third[0], "ApproximateReceiveCount"), Some("3"));
    delete_from(&story.sqs, &url, &third[0]).await.unwrap();

    let fifo = [("FifoQueue", "true"), ("ContentBasedDeduplication", "true")];
    let url = story.queue("q.fifo", &fifo).await;
    send_to(&story.sqs, &url, "hello", Some("g")).await;
    let first = receive_from(&story.sqs, &url, 1, Some(0), 0).await.unwrap();
    let second = story.receive(&url, 1).await;
    for refused in [
        change(&story.sqs, &url, &first[0], 0).await,
        delete_from(&story.sqs, &url, &first[0]).await,
    ] {
        let message = refused.unwrap_err().to_string();
        assert!(message.ends_with("The receipt handle has expired."), "{message}");
    }
    delete_from(&story.sqs, &url, &second[0]).await.unwrap();
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_of_a_request_goes_on_with_its_message() {
    let story = Story::begin().await;
    let url = story.queue("q", &[]).await;
    let mut traced = context();
    traced.facts.trace = Some("Root=1-5759e988-bd862e3fe1be46a994272793".into());
    let own = MessageSystemAttributeValue {
        data_type: "String".into(),
        string_value: Some("Root=1-00000000-000000000000000000000000".into()),
        ..MessageSystemAttributeValue::default()
    };
    for (own, digest, expected) in [
        (None, false, "Root=1-5759e988-bd862e3fe1be46a994272793"),
        (Some(own), true, "Root=1-00000000-000000000000000000000000"),
    ] {
        let input = SendMessageRequest {
            queue_url: url.clone(),
            message_body: "hello".into(),
            message_system_attributes: own.map(|own| BTreeMap::from([("AWSTraceHeader".to_owned(), own)])),
            ..SendMessageRequest::default()
        };
        let sent = send::send(Arc::clone(&story.sqs), traced.clone(), input).await.unwrap();
        // The sum is of what was sent as an attribute.
        assert_eq!(sent.md5_of_message_system_attributes.is_some(), digest);
        let got = story.receive(&url, 1).await;
        assert_eq!(system(&got[0], "AWSTraceHeader"), Some(expected));
    }
    story.end().await;
}
