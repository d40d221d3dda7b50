use super::*;
use crate::filter;
use crate::position::Position;
use crate::read::{Budget, Query, Source, StreamFilter};
use crate::shapes::*;
use danbi_store::Direction;
use proptest::prelude::*;

async fn get(world: &World, input: GetLogEventsRequest) -> GetLogEventsResponse {
    let input = GetLogEventsRequest {
        log_group_name: Some("g".into()),
        log_stream_name: "s".into(),
        ..input
    };
    events::get(world.logs.clone(), context(), input).await.unwrap()
}

fn messages(answer: &GetLogEventsResponse) -> Vec<&str> {
    answer
        .events
        .iter()
        .flatten()
        .filter_map(|event| event.message.as_deref())
        .collect()
}

async fn search(world: &World, input: FilterLogEventsRequest) -> FilterLogEventsResponse {
    try_search(world, input).await.unwrap()
}

async fn try_search(world: &World, input: FilterLogEventsRequest) -> Result<FilterLogEventsResponse, LogsError> {
    let input = FilterLogEventsRequest {
        log_group_name: Some("g".into()),
        ..input
    };
    filter::filter(world.logs.clone(), context(), input).await
}

fn found(answer: &FilterLogEventsResponse) -> Vec<&str> {
    answer
        .events
        .iter()
        .flatten()
        .filter_map(|event| event.message.as_deref())
        .collect()
}

#[tokio::test]
async fn tokens_walk_a_stream_both_ways_and_stop_at_its_ends() {
    let world = World::with_stream().await;
    let lines: Vec<_> = (0..10).map(|n| n.to_string()).collect();
    for (n, line) in (0..).zip(&lines) {
        world.put("s", &[(NOW - 1000 + n, line)]).await.unwrap();
    }
    let page = |token: Option<&String>, head| GetLogEventsRequest {
        limit: Some(4),
        next_token: token.cloned(),
        start_from_head: head,
        ..Default::default()
    };
    let first = get(&world, page(None, Some(true))).await;
    assert_eq!(messages(&first), ["0", "1", "2", "3"]);
    let second = get(&world, page(first.next_forward_token.as_ref(), Some(true))).await;
    let third = get(&world, page(second.next_forward_token.as_ref(), Some(true))).await;
    assert_eq!(messages(&third), ["8", "9"]);
    let end = get(&world, page(third.next_forward_token.as_ref(), Some(true))).await;
    assert_eq!(
        (messages(&end), &end.next_forward_token),
        (vec![], &third.next_forward_token)
    );
    let back = get(&world, page(end.next_backward_token.as_ref(), None)).await;
    assert_eq!(messages(&back), ["5", "6", "7", "8"]);
    let start = get(&world, page(first.next_backward_token.as_ref(), None)).await;
    assert_eq!(
        (messages(&start), &start.next_backward_token),
        (vec![], &first.next_backward_token)
    );
    let tail = get(&world, page(None, None)).await;
    assert_eq!(messages(&tail), ["6", "7", "8", "9"]);
    world.put("s", &[(NOW, "later")]).await.unwrap();
    let more = get(&world, page(end.next_forward_token.as_ref(), Some(true))).await;
    assert_eq!(messages(&more), ["later"]);
}

#[tokio::test]
async fn a_token_of_an_empty_stream_leads_to_what_comes() {
    let world = World::with_stream().await;
    let empty = get(&world, GetLogEventsRequest::default()).await;
    let again = get(
        &world,
        GetLogEventsRequest {
            next_token: empty.next_forward_token.clone(),
            ..Default::default()
        },
    )
    .await;
    assert_eq!(again.next_forward_token, empty.next_forward_token);
    world.put("s", &[(NOW, "first")]).await.unwrap();
    let more = get(
        &world,
        GetLogEventsRequest {
            next_token: empty.next_forward_token,
            ..Default::default()
        },
    )
    .await;
    assert_eq!(messages(&more), ["first"]);
}

#[tokio::test]
async fn a_range_is_half_open_for_get_and_closed_for_filter() {
    let world = World::with_stream().await;
    world
        .put("s", &[(NOW, "a"), (NOW + 1, "b"), (NOW + 2, "c")])
        .await
        .unwrap();
    let range = GetLogEventsRequest {
        start_time: Some(NOW),
        end_time: Some(NOW + 2),
        ..Default::default()
    };
    assert_eq!(messages(&get(&world, range).await), ["a", "b"]);
    let range = FilterLogEventsRequest {
        start_time: Some(NOW + 1),
        end_time: Some(NOW + 2),
        ..Default::default()
    };
    assert_eq!(found(&search(&world, range).await), ["b", "c"]);
}

#[tokio::test]
async fn bad_tokens_and_names_are_refused() {
    let world = World::with_stream().await;
    let input = |token: &str| GetLogEventsRequest {
        log_group_name: Some("g".into()),
        log_stream_name: "s".into(),
        next_token: Some(token.into()),
        ..Default::default()
    };
    for token in ["invalid-token", "f/12", "é", ""] {
        assert_eq!(
            answer(events::get(world.logs.clone(), context(), input(token)).await),
            (
                "InvalidParameterException",
                "The specified nextToken is invalid.".into()
            )
        );
        let search = FilterLogEventsRequest {
            next_token: Some(token.into()),
            ..Default::default()
        };
        assert_eq!(
            answer(try_search(&world, search).await).1,
            "The specified nextToken is invalid."
        );
    }
    let both = FilterLogEventsRequest {
        log_stream_names: Some(vec!["s".into()]),
        log_stream_name_prefix: Some("s".into()),
        ..Default::default()
    };
    assert_eq!(answer(try_search(&world, both).await).0, "InvalidParameterException");
    let unknown = FilterLogEventsRequest {
        log_stream_names: Some(vec!["x".into()]),
        ..Default::default()
    };
    assert_eq!(answer(try_search(&world, unknown).await).0, "ResourceNotFoundException");
    let pattern = FilterLogEventsRequest {
        filter_pattern: Some("a:b".into()),
        ..Default::default()
    };
    assert_eq!(
        answer(try_search(&world, pattern).await),
        ("InvalidParameterException", "Invalid character(s) in term ':'".into())
    );
}

#[tokio::test]
async fn a_search_interleaves_streams_and_picks_among_them() {
    let world = World::with_stream().await;
    for name in ["t1", "t2"] {
        world.create_stream("g", name).await.unwrap();
    }
    world.put("s", &[(NOW, "s ERROR"), (NOW + 30, "s fine")]).await.unwrap();
    world
        .put("t1", &[(NOW + 10, "t1 ERROR"), (NOW + 40, "t1 fine")])
        .await
        .unwrap();
    world
        .put("t2", &[(NOW + 20, "t2 fine"), (NOW + 50, "t2 ERROR")])
        .await
        .unwrap();
    let all = search(&world, FilterLogEventsRequest::default()).await;
    assert_eq!(
        found(&all),
        ["s ERROR", "t1 ERROR", "t2 fine", "s fine", "t1 fine", "t2 ERROR"]
    );
    assert_eq!((all.next_token, all.searched_log_streams), (None, Some(vec![])));
    let errors = FilterLogEventsRequest {
        filter_pattern: Some("ERROR".into()),
        ..Default::default()
    };
    assert_eq!(
        found(&search(&world, errors).await),
        ["s ERROR", "t1 ERROR", "t2 ERROR"]
    );
    let named = FilterLogEventsRequest {
        log_stream_names: Some(vec!["s".into(), "t2".into()]),
        ..Default::default()
    };
    assert_eq!(
        found(&search(&world, named).await),
        ["s ERROR", "t2 fine", "s fine", "t2 ERROR"]
    );
    let one = FilterLogEventsRequest {
        log_stream_names: Some(vec!["t1".into()]),
        ..Default::default()
    };
    let one = search(&world, one).await;
    assert_eq!(found(&one), ["t1 ERROR", "t1 fine"]);
    assert_eq!(one.events.unwrap()[0].log_stream_name.as_deref(), Some("t1"));
    let prefixed = FilterLogEventsRequest {
        log_stream_name_prefix: Some("t".into()),
        start_from_head: Some(false),
        ..Default::default()
    };
    assert_eq!(
        found(&search(&world, prefixed).await),
        ["t2 ERROR", "t1 fine", "t2 fine", "t1 ERROR"]
    );
}

#[tokio::test]
async fn pages_of_a_search_hold_while_others_write() {
    let world = World::with_stream().await;
    let lines: Vec<_> = (0..25).map(|n| format!("line {n}")).collect();
    let batch: Vec<_> = (0..)
        .zip(&lines)
        .map(|(n, line)| (NOW - 2500 + n * 100, line.as_str()))
        .collect();
    world.put("s", &batch).await.unwrap();
    let mut seen: Vec<String> = vec![];
    let mut token = None;
    loop {
        let page = search(
            &world,
            FilterLogEventsRequest {
                limit: Some(7),
                next_token: token,
                ..Default::default()
            },
        )
        .await;
        seen.extend(found(&page).into_iter().map(str::to_owned));
        world.put("s", &[(NOW - 2500, "meanwhile")]).await.unwrap();
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(seen, lines);
}

#[tokio::test]
async fn a_page_holds_a_megabyte() {
    let world = World::with_stream().await;
    let line = "x".repeat(200_000);
    for n in 0..12 {
        world.put("s", &[(NOW + n, &line)]).await.unwrap();
    }
    for head in [true, false] {
        let (mut count, mut token) = (0, None);
        loop {
            let page = search(
                &world,
                FilterLogEventsRequest {
                    next_token: token,
                    start_from_head: Some(head),
                    ..Default::default()
                },
            )
            .await;
            assert!(found(&page).len() <= 5);
            count += found(&page).len();
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(count, 12);
    }
}

/// The lines of events that were written as (stream, line), or found as lines.
fn lines_of<T: Line>(events: &[T]) -> Vec<String> {
    events.iter().map(|event| event.line().to_owned()).collect()
}

trait Line {
    fn line(&self) -> &str;
}

impl Line for String {
    fn line(&self) -> &str {
        self
    }
}

impl Line for (String, String) {
    fn line(&self) -> &str {
        &self.1
    }
}

/// Reads the whole group by pages that look at two chunks each.
async fn walk_with_little_work(world: &World, start: i64, end: i64, head: bool) -> Vec<String> {
    let snapshot = world.store.snapshot().await.unwrap();
    let group = groups::read(&snapshot, &Scope::default(), "g")
        .await
        .unwrap()
        .unwrap()
        .id;
    let mut query = Query {
        group,
        source: Source::Group(StreamFilter::All),
        from: Position::at(start),
        to: Position::at(end),
        floor: None,
        direction: if head { Direction::Forward } else { Direction::Reverse },
        pattern: None,
        limit: 100,
        budget: Budget {
            chunks: 2,
            bytes: usize::MAX,
        },
    };
    let mut seen = vec![];
    loop {
        let page = query.page(&snapshot).await.unwrap();
        let messages: Vec<_> = page.events.into_values().map(|event| event.message).collect();
        if head {
            seen.extend(messages);
        } else {
            seen.splice(0..0, messages);
        }
        let Some(next) = page.next else { return seen };
        if head {
            assert!(next > query.from, "a page leads on");
            (query.from, query.floor) = (next, Some(page.floor));
        } else {
            assert!(next < query.to, "a page leads on");
            query.to = next;
        }
    }
}

/// Reads the stream `s` by the tokens of `GetLogEvents`.
async fn walk_stream(world: &World, start: i64, end: i64, limit: i32, head: bool) -> Vec<String> {
    let (mut seen, mut token): (Vec<String>, Option<String>) = (vec![], None);
    loop {
        let input = GetLogEventsRequest {
            start_time: Some(start),
            end_time: Some(end),
            limit: Some(limit),
            start_from_head: Some(head),
            next_token: token.clone(),
            ..Default::default()
        };
        let page = get(world, input).await;
        let messages: Vec<_> = messages(&page).into_iter().map(str::to_owned).collect();
        let next = if head {
            page.next_forward_token
        } else {
            page.next_backward_token
        };
        if head {
            seen.extend(messages);
        } else {
            seen.splice(0..0, messages);
        }
        if next == token {
            return seen;
        }
        token = next;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Whatever was written in whatever batches, pages in either direction give every event once and in order.
    #[test]
    fn pages_give_every_event_once_and_in_order(
        batches in proptest::collection::vec((0_usize..3, proptest::collection::vec(0_i64..40_000, 1..12)), 1..12),
        limit in 1_i32..9,
        range in (0_i64..40_000, 0_i64..40_000),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async move {
            let world = World::with_stream().await;
            let names = ["s", "t", "u"];
            for name in &names[1..] {
                world.create_stream("g", name).await.unwrap();
            }
            let mut written = vec![];
            for (batch, (stream, times)) in batches.iter().enumerate() {
                let mut times = times.clone();
                times.sort_unstable();
                let lines: Vec<_> = (0..times.len()).map(|n| format!("{batch} {n}")).collect();
                let events: Vec<_> = times.iter().zip(&lines).map(|(time, line)| (NOW - 40_000 + time, line.as_str())).collect();
                world.put(names[*stream], &events).await.unwrap();
                written.extend(events.iter().map(|&(time, line)| (time, (names[*stream].to_owned(), line.to_owned()))));
            }
            // Batches were written one after the other, so a stable sort by time is the order of events.
            written.sort_by_key(|(time, _)| *time);
            let (start, end) = (NOW - 40_000 + range.0, NOW - 40_000 + range.1);
            let expected: Vec<_> = written.into_iter().filter(|(time, _)| (start..=end).contains(time)).map(|(_, event)| event).collect();
            for head in [true, false] {
                let (mut seen, mut ids, mut token): (Vec<String>, Vec<String>, _) = (vec![], vec![], None);
                loop {
                    let input = FilterLogEventsRequest {
                        limit: Some(limit),
                        start_time: Some(start),
                        end_time: Some(end),
                        start_from_head: Some(head),
                        next_token: token,
                        ..Default::default()
                    };
                    let page = search(&world, input).await;
                    seen.extend(found(&page).into_iter().map(str::to_owned));
                    ids.extend(page.events.iter().flatten().filter_map(|event| event.event_id.clone()));
                    token = page.next_token;
                    if token.is_none() {
                        break;
                    }
                }
                if !head {
                    seen.reverse();
                    ids.reverse();
                }
                assert_eq!(lines_of(&seen), lines_of(&expected));
                assert!(ids.is_sorted_by(|a, b| a < b));
                let seen = walk_with_little_work(&world, start, end + 1, head).await;
                assert_eq!(lines_of(&seen), lines_of(&expected));
                let in_s: Vec<_> = expected.iter().filter(|(stream, _)| stream == "s").cloned().collect();
                assert_eq!(walk_stream(&world, start, end + 1, limit, head).await, lines_of(&in_s));
            }
            world.logs.drain().await;
            world.store.close().await;
        });
    }
}
