use super::*;
use crate::shapes::*;
use danbi_core::{LogEvent, LogSink};
use futures_util::StreamExt;

fn line(timestamp: i64, message: &str) -> LogEvent {
    LogEvent {
        timestamp: Timestamp::from_millis(timestamp),
        message: message.into(),
    }
}

async fn lines(world: &World, stream: &str) -> Vec<String> {
    let input = GetLogEventsRequest {
        log_group_name: Some("g".into()),
        log_stream_name: stream.into(),
        start_from_head: Some(true),
        ..Default::default()
    };
    let answer = events::get(world.logs.clone(), context(), input).await.unwrap();
    answer
        .events
        .unwrap()
        .into_iter()
        .filter_map(|event| event.message)
        .collect()
}

#[tokio::test]
async fn printed_lines_make_their_group_and_stream() {
    let world = World::new().await;
    world
        .logs
        .write(&stream("a"), vec![line(NOW + 5, "second"), line(NOW, "first")]);
    world.logs.write(&stream("b"), vec![line(NOW, "other")]);
    world.logs.flush().await;
    assert_eq!(lines(&world, "a").await, ["first", "second"]);
    assert_eq!(lines(&world, "b").await, ["other"]);
}

#[tokio::test]
async fn lines_are_stored_without_anybody_asking() {
    let world = World::new().await;
    world.logs.write(&stream("a"), vec![line(NOW, "x")]);
    let is_there = async {
        loop {
            let input = GetLogEventsRequest {
                log_group_name: Some("g".into()),
                log_stream_name: "a".into(),
                ..Default::default()
            };
            if events::get(world.logs.clone(), context(), input)
                .await
                .is_ok_and(|answer| answer.events.is_some_and(|events| events.len() == 1))
            {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), is_there)
        .await
        .expect("the line is stored");
}

#[tokio::test]
async fn what_was_printed_before_a_drain_is_there_after_a_restart() {
    let world = World::with_stream().await;
    world.put("s", &[(NOW, "put")]).await.unwrap();
    world.logs.write(&stream("s"), vec![line(NOW + 1, "printed")]);
    let world = world.restart().await;
    assert_eq!(lines(&world, "s").await, ["put", "printed"]);
}

#[tokio::test]
async fn a_flood_is_stored_or_accounted_for() {
    let world = World::new().await;
    let text = "y".repeat(1000);
    for n in 0..100 {
        world.logs.write(
            &stream("loud"),
            (0..1000).map(|m| line(NOW + n * 1000 + m, &text)).collect(),
        );
    }
    world.logs.write(&stream("quiet"), vec![line(NOW, "hello")]);
    world.logs.flush().await;
    assert_eq!(lines(&world, "quiet").await, ["hello"]);
    let (mut kept, mut lost, mut token) = (0_u64, 0_u64, None);
    loop {
        let input = FilterLogEventsRequest {
            log_group_name: Some("g".into()),
            log_stream_names: Some(vec!["loud".into()]),
            next_token: token,
            ..Default::default()
        };
        let page = crate::filter::filter(world.logs.clone(), context(), input)
            .await
            .unwrap();
        for event in page.events.unwrap() {
            let message = event.message.unwrap();
            match message.strip_prefix("danbi: ").and_then(|rest| rest.split(' ').next()) {
                Some(count) => lost += count.parse::<u64>().unwrap(),
                None => kept += 1,
            }
        }
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(kept + lost, 100_000);
}

#[tokio::test]
async fn a_live_tail_shows_what_is_stored_from_then_on() {
    let world = World::with_stream().await;
    world.put("s", &[(NOW, "before")]).await.unwrap();
    let input = StartLiveTailRequest {
        log_group_identifiers: vec!["arn:aws:logs:us-east-1:000000000000:log-group:g".into()],
        log_event_filter_pattern: Some("ERROR".into()),
        ..Default::default()
    };
    let (_, mut session) = crate::live_tail::start(world.logs.clone(), context(), input)
        .await
        .unwrap();
    let Some(Ok(StartLiveTailResponseStream::SessionStart(start))) = session.next().await else {
        panic!("no start")
    };
    assert_eq!(start.log_event_filter_pattern.as_deref(), Some("ERROR"));
    world.put("s", &[(NOW, "ERROR one"), (NOW, "fine")]).await.unwrap();
    world.logs.write(&stream("other"), vec![line(NOW, "ERROR two")]);
    world.logs.flush().await;
    let mut seen = vec![];
    while seen.len() < 2 {
        let Some(Ok(StartLiveTailResponseStream::SessionUpdate(update))) = session.next().await else {
            panic!("no update")
        };
        seen.extend(
            update
                .session_results
                .unwrap()
                .into_iter()
                .filter_map(|event| event.message),
        );
    }
    assert_eq!(seen, ["ERROR one", "ERROR two"]);
    world.logs.end_sessions();
    let last = session.next().await;
    assert!(
        matches!(&last, Some(Err(error)) if error.code == "SessionStreamingException"),
        "{last:?}"
    );
    assert!(session.next().await.is_none());
}
