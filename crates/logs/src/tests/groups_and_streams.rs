use super::*;
use crate::shapes::*;
use crate::{filter, retention, tags};

async fn describe(world: &World, input: DescribeLogGroupsRequest) -> DescribeLogGroupsResponse {
    groups::describe(world.logs.clone(), context(), input).await.unwrap()
}

async fn describe_streams(
    world: &World,
    input: DescribeLogStreamsRequest,
) -> Result<DescribeLogStreamsResponse, LogsError> {
    let input = DescribeLogStreamsRequest {
        log_group_name: Some("g".into()),
        ..input
    };
    streams::describe(world.logs.clone(), context(), input).await
}

fn stream_names(answer: &DescribeLogStreamsResponse) -> Vec<&str> {
    answer
        .log_streams
        .iter()
        .flatten()
        .filter_map(|stream| stream.log_stream_name.as_deref())
        .collect()
}

async fn delete_group(world: &World, name: &str) -> Result<danbi_wire::Empty, LogsError> {
    groups::delete(
        world.logs.clone(),
        context(),
        DeleteLogGroupRequest {
            log_group_name: name.into(),
        },
    )
    .await
}

#[tokio::test]
async fn a_group_is_described_as_aws_describes_it() {
    let world = World::new().await;
    world.create_group("/aws/lambda/f").await.unwrap();
    let answer = describe(
        &world,
        DescribeLogGroupsRequest {
            log_group_name_prefix: Some("/aws".into()),
            ..Default::default()
        },
    )
    .await;
    let arn = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f";
    let expected = LogGroup {
        arn: Some(format!("{arn}:*")),
        log_group_arn: Some(arn.into()),
        creation_time: Some(NOW),
        deletion_protection_enabled: Some(false),
        log_group_class: Some("STANDARD".into()),
        log_group_name: Some("/aws/lambda/f".into()),
        metric_filter_count: Some(0),
        stored_bytes: Some(0),
        ..LogGroup::default()
    };
    assert_eq!(
        answer,
        DescribeLogGroupsResponse {
            log_groups: Some(vec![expected]),
            next_token: None
        }
    );
    let by_pattern = describe(
        &world,
        DescribeLogGroupsRequest {
            log_group_name_pattern: Some("lambda".into()),
            ..Default::default()
        },
    )
    .await;
    assert_eq!(by_pattern.log_groups.unwrap()[0].stored_bytes, None);
    let by_arn = describe(
        &world,
        DescribeLogGroupsRequest {
            log_group_identifiers: Some(vec![arn.into()]),
            ..Default::default()
        },
    )
    .await;
    assert_eq!(by_arn.log_groups.unwrap().len(), 1);
}

#[tokio::test]
async fn errors_are_worded_as_aws_words_them() {
    let world = World::with_stream().await;
    assert_eq!(
        answer(world.create_group("g").await),
        (
            "ResourceAlreadyExistsException",
            "The specified log group already exists".into()
        )
    );
    assert_eq!(
        answer(world.create_stream("g", "s").await),
        (
            "ResourceAlreadyExistsException",
            "The specified log stream already exists".into()
        )
    );
    assert_eq!(
        answer(world.create_stream("x", "s").await),
        (
            "ResourceNotFoundException",
            "The specified log group does not exist.".into()
        )
    );
    assert_eq!(answer(delete_group(&world, "x").await).0, "ResourceNotFoundException");
    let both = DescribeLogGroupsRequest {
        log_group_name_pattern: Some("g".into()),
        log_group_name_prefix: Some("g".into()),
        ..Default::default()
    };
    assert_eq!(
        answer(groups::describe(world.logs.clone(), context(), both).await),
        (
            "InvalidParameterException",
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.".into()
        )
    );
    let both = DescribeLogStreamsRequest {
        log_group_identifier: Some("g".into()),
        ..Default::default()
    };
    assert_eq!(
        answer(describe_streams(&world, both).await),
        (
            "ValidationException",
            "LogGroup name and LogGroup ARN are mutually exclusive parameters.".into()
        )
    );
    let token = DescribeLogStreamsRequest {
        next_token: Some("x".into()),
        ..Default::default()
    };
    assert_eq!(
        answer(describe_streams(&world, token).await).1,
        "The specified nextToken is invalid."
    );
    let order = DescribeLogStreamsRequest {
        order_by: Some("LastEventTime".into()),
        log_stream_name_prefix: Some("s".into()),
        ..Default::default()
    };
    assert_eq!(
        answer(describe_streams(&world, order).await).1,
        "Cannot order by LastEventTime with a logStreamNamePrefix."
    );
    let encrypted = CreateLogGroupRequest {
        log_group_name: "k".into(),
        kms_key_id: Some("arn".into()),
        ..Default::default()
    };
    assert_eq!(
        answer(groups::create(world.logs.clone(), context(), encrypted).await).0,
        "InvalidParameterException"
    );
    let days = PutRetentionPolicyRequest {
        log_group_name: "g".into(),
        retention_in_days: 2,
    };
    let (code, message) = answer(retention::put(world.logs.clone(), context(), days).await);
    assert_eq!(code, "InvalidParameterException");
    assert!(message.starts_with("1 validation error detected: Value '2' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [1, 3, 5"));
}

#[tokio::test]
async fn listings_come_in_pages_that_neither_skip_nor_repeat() {
    let world = World::with_stream().await;
    for n in 0..7 {
        world.create_group(&format!("many-{n}")).await.unwrap();
        world.create_stream("g", &format!("s{n}")).await.unwrap();
    }
    let (mut names, mut token) = (vec![], None);
    loop {
        let input = DescribeLogGroupsRequest {
            log_group_name_pattern: Some("many".into()),
            limit: Some(3),
            next_token: token,
            ..Default::default()
        };
        let page = describe(&world, input).await;
        names.extend(
            page.log_groups
                .unwrap()
                .into_iter()
                .filter_map(|group| group.log_group_name),
        );
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(names, (0..7).map(|n| format!("many-{n}")).collect::<Vec<_>>());
    let (mut names, mut token) = (vec![], None);
    loop {
        let input = DescribeLogStreamsRequest {
            limit: Some(3),
            descending: Some(true),
            next_token: token,
            ..Default::default()
        };
        let page = describe_streams(&world, input).await.unwrap();
        names.extend(stream_names(&page).into_iter().map(str::to_owned));
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(names, ["s6", "s5", "s4", "s3", "s2", "s1", "s0", "s"]);
    let prefixed = describe_streams(
        &world,
        DescribeLogStreamsRequest {
            log_stream_name_prefix: Some("s3".into()),
            ..Default::default()
        },
    )
    .await;
    assert_eq!(stream_names(&prefixed.unwrap()), ["s3"]);
    let list = ListLogGroupsRequest {
        log_group_name_pattern: Some("^many-3|any-5".into()),
        ..Default::default()
    };
    let listed = groups::list(world.logs.clone(), context(), list).await.unwrap();
    let listed: Vec<_> = listed
        .log_groups
        .unwrap()
        .into_iter()
        .filter_map(|group| group.log_group_name)
        .collect();
    assert_eq!(listed, ["many-3", "many-5"]);
}

#[tokio::test]
async fn streams_are_listed_by_their_last_event() {
    let world = World::with_stream().await;
    for name in ["old", "new", "middle"] {
        world.create_stream("g", name).await.unwrap();
    }
    world.put("old", &[(NOW - 900, "a"), (NOW - 800, "b")]).await.unwrap();
    world.put("new", &[(NOW - 100, "a")]).await.unwrap();
    world.put("middle", &[(NOW - 1000, "a")]).await.unwrap();
    world.put("middle", &[(NOW - 500, "a")]).await.unwrap();
    let by_time = |token, limit| DescribeLogStreamsRequest {
        order_by: Some("LastEventTime".into()),
        descending: Some(true),
        next_token: token,
        limit,
        ..Default::default()
    };
    let all = describe_streams(&world, by_time(None, None)).await.unwrap();
    assert_eq!(stream_names(&all), ["new", "middle", "old", "s"]);
    let first = describe_streams(&world, by_time(None, Some(2))).await.unwrap();
    let second = describe_streams(&world, by_time(first.next_token.clone(), Some(2)))
        .await
        .unwrap();
    assert_eq!(
        (stream_names(&first), stream_names(&second)),
        (vec!["new", "middle"], vec!["old", "s"])
    );
    let old = &second.log_streams.as_ref().unwrap()[0];
    assert_eq!(
        (old.first_event_timestamp, old.last_event_timestamp),
        (Some(NOW - 900), Some(NOW - 800))
    );
    assert_eq!(
        old.arn.as_deref(),
        Some("arn:aws:logs:us-east-1:000000000000:log-group:g:log-stream:old")
    );
    let empty = &second.log_streams.as_ref().unwrap()[1];
    assert_eq!(
        (
            empty.last_event_timestamp,
            empty.stored_bytes,
            empty.upload_sequence_token.is_none()
        ),
        (None, Some(0), true)
    );
}

#[tokio::test]
async fn a_group_made_again_does_not_see_the_old_events_and_the_old_data_goes() {
    let world = World::with_stream().await;
    world.put("s", &[(NOW, "old")]).await.unwrap();
    delete_group(&world, "g").await.unwrap();
    world.create_group("g").await.unwrap();
    world.create_stream("g", "s").await.unwrap();
    let input = FilterLogEventsRequest {
        log_group_name: Some("g".into()),
        ..Default::default()
    };
    assert_eq!(
        filter::filter(world.logs.clone(), context(), input)
            .await
            .unwrap()
            .events,
        Some(vec![])
    );
    sweeper(&world).sweep().await.unwrap();
    let snapshot = world.store.snapshot().await.unwrap();
    let trash = snapshot
        .scan(crate::keys::all_trash(), danbi_store::Direction::Forward, 10)
        .await
        .unwrap();
    assert_eq!(trash.entries, []);
    let all = snapshot
        .scan(danbi_store::KeyRange::all(), danbi_store::Direction::Forward, 100)
        .await
        .unwrap();
    // The group, its usage, the stream, its name, its place by time.
    assert_eq!(all.entries.len(), 5);
}

#[tokio::test]
async fn a_deleted_stream_takes_its_events_with_it() {
    let world = World::with_stream().await;
    world.create_stream("g", "t").await.unwrap();
    world.put("s", &[(NOW, "of s")]).await.unwrap();
    world.put("t", &[(NOW, "of t")]).await.unwrap();
    let input = DeleteLogStreamRequest {
        log_group_name: "g".into(),
        log_stream_name: "s".into(),
    };
    streams::delete(world.logs.clone(), context(), input).await.unwrap();
    let input = FilterLogEventsRequest {
        log_group_name: Some("g".into()),
        ..Default::default()
    };
    let found = filter::filter(world.logs.clone(), context(), input)
        .await
        .unwrap()
        .events
        .unwrap();
    assert_eq!(
        found
            .iter()
            .filter_map(|event| event.message.as_deref())
            .collect::<Vec<_>>(),
        ["of t"]
    );
    let before = stored(&world).await;
    sweeper(&world).sweep().await.unwrap();
    assert!(stored(&world).await <= before);
    assert!(stored(&world).await > 0);
}

#[tokio::test]
async fn tags_are_the_same_by_name_and_by_arn() {
    let world = World::with_stream().await;
    let arn = "arn:aws:logs:us-east-1:000000000000:log-group:g";
    let pair = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
    let by_arn = TagResourceRequest {
        resource_arn: arn.into(),
        tags: pair("a", "1"),
    };
    tags::tag_resource(world.logs.clone(), context(), by_arn).await.unwrap();
    let by_name = TagLogGroupRequest {
        log_group_name: "g".into(),
        tags: pair("b", "2"),
    };
    tags::tag_group(world.logs.clone(), context(), by_name).await.unwrap();
    let untag = UntagResourceRequest {
        resource_arn: arn.into(),
        tag_keys: vec!["a".into()],
    };
    tags::untag_resource(world.logs.clone(), context(), untag)
        .await
        .unwrap();
    let listed = tags::list_group(
        world.logs.clone(),
        context(),
        ListTagsLogGroupRequest {
            log_group_name: "g".into(),
        },
    )
    .await;
    assert_eq!(listed.unwrap().tags, Some(pair("b", "2")));
    let unknown = ListTagsForResourceRequest {
        resource_arn: format!("{arn}x"),
    };
    assert_eq!(
        answer(tags::list_resource(world.logs.clone(), context(), unknown).await).0,
        "ResourceNotFoundException"
    );
    let too_many = TagResourceRequest {
        resource_arn: arn.into(),
        tags: (0..51).map(|n| (format!("k{n}"), String::new())).collect(),
    };
    assert_eq!(
        answer(tags::tag_resource(world.logs.clone(), context(), too_many).await).0,
        "TooManyTagsException"
    );
}

#[tokio::test]
async fn expired_events_are_hidden_at_once_and_removed_by_the_sweeper() {
    let world = World::with_stream().await;
    world.put("s", &[(NOW - 2 * DAY, "old")]).await.unwrap();
    world.put("s", &[(NOW - 1000, "new")]).await.unwrap();
    let days = PutRetentionPolicyRequest {
        log_group_name: "g".into(),
        retention_in_days: 1,
    };
    retention::put(world.logs.clone(), context(), days).await.unwrap();
    let input = || FilterLogEventsRequest {
        log_group_name: Some("g".into()),
        ..Default::default()
    };
    let found = filter::filter(world.logs.clone(), context(), input())
        .await
        .unwrap()
        .events
        .unwrap();
    assert_eq!(found.len(), 1);
    let before = stored(&world).await;
    sweeper(&world).sweep().await.unwrap();
    let record = streams::read(&world.store.snapshot().await.unwrap(), group_id(&world).await, "s")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(record.span.unwrap().first, NOW - 1000);
    // Nothing was left to remove when the sweeper that the change woke had been faster.
    assert!(stored(&world).await <= before);
    world.clock.0.store(NOW + 2 * DAY, Ordering::Relaxed);
    sweeper(&world).sweep().await.unwrap();
    assert_eq!(stored(&world).await, 0);
    let listed = describe_streams(&world, DescribeLogStreamsRequest::default())
        .await
        .unwrap();
    assert_eq!(listed.log_streams.unwrap()[0].last_event_timestamp, None);
    retention::delete(
        world.logs.clone(),
        context(),
        DeleteRetentionPolicyRequest {
            log_group_name: "g".into(),
        },
    )
    .await
    .unwrap();
}

async fn group_id(world: &World) -> u64 {
    let snapshot = world.store.snapshot().await.unwrap();
    groups::read(&snapshot, &Scope::default(), "g")
        .await
        .unwrap()
        .unwrap()
        .id
}

async fn stored(world: &World) -> i64 {
    let answer = describe(
        world,
        DescribeLogGroupsRequest {
            log_group_name_prefix: Some("g".into()),
            ..Default::default()
        },
    )
    .await;
    answer.log_groups.unwrap()[0].stored_bytes.unwrap()
}

fn sweeper(world: &World) -> crate::sweep::Sweeper {
    crate::sweep::Sweeper {
        store: world.store.clone(),
        clock: world.clock.clone(),
        wake: Default::default(),
        interval: Duration::from_secs(600),
    }
}
