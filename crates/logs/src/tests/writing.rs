use super::*;
use crate::shapes::*;

#[tokio::test]
async fn a_batch_that_breaks_a_rule_is_refused_whole() {
    let world = World::with_stream().await;
    let refused = |result| answer::<PutLogEventsResponse>(result);
    assert_eq!(
        refused(world.put("s", &[(NOW, "a"), (NOW - 2 * DAY, "b")]).await),
        (
            "InvalidParameterException",
            "Log events in a single PutLogEvents request must be in chronological order.".into()
        )
    );
    assert_eq!(
        refused(world.put("s", &[(NOW - 2 * DAY, "a"), (NOW, "b")]).await).1,
        "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
    );
    let half = "x".repeat(524_288);
    assert_eq!(
        refused(world.put("s", &[(NOW, &half), (NOW, &half)]).await).1,
        "Upload too large: 1048628 bytes exceeds limit of 1048576"
    );
    assert_eq!(
        refused(world.put("nope", &[(NOW, "a")]).await),
        (
            "ResourceNotFoundException",
            "The specified log stream does not exist.".into()
        )
    );
}

#[tokio::test]
async fn events_outside_the_window_are_reported_and_the_others_kept() {
    let world = World::with_stream().await;
    let old = world.put("s", &[(NOW - 30 * DAY, "old")]).await.unwrap();
    assert_eq!(
        old.rejected_log_events_info,
        Some(RejectedLogEventsInfo {
            too_old_log_event_end_index: Some(1),
            ..Default::default()
        })
    );
    assert_eq!(old.next_sequence_token.unwrap().len(), 56);
    let new = world
        .put("s", &[(NOW + 3_600_000, "good"), (NOW + DAY, "new")])
        .await
        .unwrap();
    assert_eq!(
        new.rejected_log_events_info,
        Some(RejectedLogEventsInfo {
            too_new_log_event_start_index: Some(1),
            ..Default::default()
        })
    );
    let days = PutRetentionPolicyRequest {
        log_group_name: "g".into(),
        retention_in_days: 3,
    };
    crate::retention::put(world.logs.clone(), context(), days)
        .await
        .unwrap();
    let expired = world.put("s", &[(NOW - 5 * DAY, "expired")]).await.unwrap();
    assert_eq!(
        expired.rejected_log_events_info,
        Some(RejectedLogEventsInfo {
            expired_log_event_end_index: Some(1),
            ..Default::default()
        })
    );
    let kept = GetLogEventsRequest {
        log_group_name: Some("g".into()),
        log_stream_name: "s".into(),
        ..Default::default()
    };
    let kept = events::get(world.logs.clone(), context(), kept)
        .await
        .unwrap()
        .events
        .unwrap();
    assert_eq!(
        kept,
        [OutputLogEvent {
            ingestion_time: Some(NOW),
            message: Some("good".into()),
            timestamp: Some(NOW + 3_600_000)
        }]
    );
}

#[tokio::test]
async fn the_largest_batches_are_stored_and_read() {
    let world = World::with_stream().await;
    let whole = "é".repeat((1_048_576 - 26) / 2);
    world.put("s", &[(NOW, &whole)]).await.unwrap();
    let many: Vec<_> = (0..10_000).map(|n| (NOW - DAY + n * 8_639, "a line")).collect();
    world.put("s", &many).await.unwrap();
    let read = |start_time| {
        let input = GetLogEventsRequest {
            log_group_name: Some("g".into()),
            log_stream_name: "s".into(),
            start_time,
            start_from_head: Some(true),
            ..Default::default()
        };
        events::get(world.logs.clone(), context(), input)
    };
    let page = read(None).await.unwrap();
    assert_eq!(page.events.as_ref().map(Vec::len), Some(10_000));
    let last = read(Some(NOW)).await.unwrap().events.unwrap();
    assert_eq!(last[0].message.as_deref(), Some(whole.as_str()));
}

#[tokio::test]
async fn many_writers_of_one_stream_lose_nothing() {
    let world = World::with_stream().await;
    let world = &world;
    let puts = (0..64_i64).map(|n| async move { world.put("s", &[(NOW - n, "x"), (NOW, "y")]).await });
    for put in futures_util::future::join_all(puts).await {
        put.unwrap();
    }
    let input = GetLogEventsRequest {
        log_group_name: Some("g".into()),
        log_stream_name: "s".into(),
        ..Default::default()
    };
    let found = events::get(world.logs.clone(), context(), input)
        .await
        .unwrap()
        .events
        .unwrap();
    assert_eq!(found.len(), 128);
    assert!(found.is_sorted_by_key(|event| event.timestamp));
}
