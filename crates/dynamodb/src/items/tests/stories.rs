use super::*;

async fn people() -> World {
    let world = World::new().await;
    let global = vec![
        index(1, "by_city", schema("city:S", "age:N"), Projection::All),
        index(2, "keys", schema("city:S", ""), Projection::KeysOnly),
    ];
    let local = vec![index(
        3,
        "by_age",
        schema("p:S", "age:N"),
        Projection::Include(vec!["x".into()]),
    )];
    world.table("people", schema("p:S", "c:N"), global, local).await;
    world
}

async fn put(world: &World, value: Value) {
    world
        .ok("PutItem", json!({"TableName": "people", "Item": typed(&value)}))
        .await;
}

fn key(p: &str, c: i64) -> Value {
    typed(&json!({"p": p, "c": c}))
}

#[tokio::test]
async fn an_item_is_put_read_updated_and_deleted() {
    let world = people().await;
    put(
        &world,
        json!({"p": "a", "c": 1, "city": "Bonn", "age": 40, "list": [1, "x", {"deep": null}]}),
    )
    .await;
    let got = world
        .ok(
            "GetItem",
            json!({"TableName": "people", "Key": key("a", 1), "ReturnConsumedCapacity": "TOTAL"}),
        )
        .await;
    assert_eq!(got["Item"]["list"]["L"][2]["M"]["deep"]["NULL"], true);
    assert_eq!(
        got["ConsumedCapacity"],
        json!({"TableName": "people", "CapacityUnits": 0.5})
    );

    let updated = world
        .ok(
            "UpdateItem",
            json!({"TableName": "people", "Key": key("a", 1), "UpdateExpression": "SET age = age + :one, x = :x REMOVE #l",
                "ExpressionAttributeNames": {"#l": "list"},
                "ExpressionAttributeValues": {":one": {"N": "1"}, ":x": {"S": "y"}}, "ReturnValues": "UPDATED_NEW",
                "ReturnConsumedCapacity": "INDEXES"}),
        )
        .await;
    assert_eq!(updated["Attributes"], typed(&json!({"age": 41, "x": "y"})));
    let global = &updated["ConsumedCapacity"]["GlobalSecondaryIndexes"];
    assert_eq!(
        global["by_city"]["CapacityUnits"], 2.0,
        "the old entry goes and a new one comes"
    );
    assert!(global.get("keys").is_none(), "nothing that it projects changed");
    world.check("people").await;

    let old = world
        .ok(
            "DeleteItem",
            json!({"TableName": "people", "Key": key("a", 1), "ReturnValues": "ALL_OLD"}),
        )
        .await;
    assert_eq!(old["Attributes"]["age"]["N"], "41");
    let checked = world.check("people").await;
    assert_eq!((checked.items, checked.entries.values().sum::<u64>()), (0, 0));
}

#[tokio::test]
async fn conditions_hold_or_nothing_happens() {
    let world = people().await;
    let create = json!({"TableName": "people", "Item": typed(&json!({"p": "a", "c": 1, "v": 1})),
        "ConditionExpression": "attribute_not_exists(p)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"});
    world.ok("PutItem", create.clone()).await;
    let Err(Error::ConditionalCheckFailed(Some(shown))) = world.call("PutItem", create).await else {
        panic!("the second must be refused and show the item");
    };
    assert_eq!(*shown, item(&json!({"p": "a", "c": 1, "v": 1})));
}

#[tokio::test]
async fn a_query_reads_its_range_in_both_directions_page_by_page() {
    let world = people().await;
    for c in [-20, -3, 0, 5, 7, 100] {
        put(&world, json!({"p": "a", "c": c, "city": "Bonn", "age": 100 - c})).await;
        put(&world, json!({"p": "b", "c": c})).await;
    }
    for forward in [true, false] {
        let mut found = Vec::new();
        let mut start = Value::Null;
        loop {
            let mut input = json!({"TableName": "people", "KeyConditionExpression": "p = :p AND c BETWEEN :low AND :high",
                "ExpressionAttributeValues": {":p": {"S": "a"}, ":low": {"N": "-3"}, ":high": {"N": "7"}},
                "ScanIndexForward": forward, "Limit": 2});
            if !start.is_null() {
                input["ExclusiveStartKey"] = start.clone();
            }
            let page = world.ok("Query", input).await;
            for item in page["Items"].as_array().unwrap() {
                found.push(item["c"]["N"].as_str().unwrap().to_owned());
            }
            match page.get("LastEvaluatedKey") {
                Some(last) => start = last.clone(),
                None => break,
            }
        }
        let mut expected = ["-3", "0", "5", "7"];
        if !forward {
            expected.reverse();
        }
        assert_eq!(found, expected);
    }
    let local = world
        .ok(
            "Query",
            json!({"TableName": "people", "IndexName": "by_age", "KeyConditionExpression": "p = :p AND age < :age",
                "ExpressionAttributeValues": {":p": {"S": "a"}, ":age": {"N": "100"}}, "Select": "ALL_ATTRIBUTES"}),
        )
        .await;
    let cities: Vec<_> = local["Items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["city"]["S"].as_str())
        .collect();
    assert_eq!(cities, [Some("Bonn"); 3], "what the index does not hold is fetched");
    assert!(
        world
            .refused(
                "Query",
                json!({"TableName": "people", "IndexName": "by_city", "KeyConditionExpression": "city = :c",
                "ExpressionAttributeValues": {":c": {"S": "Bonn"}}, "ConsistentRead": true}),
            )
            .await
            .ends_with("Consistent reads are not supported on global secondary indexes")
    );
}

#[tokio::test]
async fn the_segments_of_a_scan_are_the_table() {
    let world = people().await;
    for c in 0..100 {
        put(&world, json!({"p": format!("p{c}"), "c": c})).await;
    }
    let mut found = std::collections::BTreeSet::new();
    for segment in 0..7 {
        let page = world
            .ok(
                "Scan",
                json!({"TableName": "people", "Segment": segment, "TotalSegments": 7}),
            )
            .await;
        for item in page["Items"].as_array().unwrap() {
            assert!(found.insert(item["c"]["N"].as_str().unwrap().to_owned()));
        }
    }
    assert_eq!(found.len(), 100);
    let counted = world
        .ok("Scan", json!({"TableName": "people", "Select": "COUNT"}))
        .await;
    assert_eq!((counted["Count"].as_i64(), counted.get("Items")), (Some(100), None));
}

#[tokio::test]
async fn a_long_item_is_kept_whole_and_leaves_nothing_behind() {
    let world = people().await;
    let long = "x".repeat(399_000);
    put(&world, json!({"p": "a", "c": 1, "city": "Bonn", "age": 1, "x": long})).await;
    let got = world
        .ok("GetItem", json!({"TableName": "people", "Key": key("a", 1)}))
        .await;
    assert_eq!(got["Item"]["x"]["S"].as_str(), Some(long.as_str()));
    let by_city = json!({"TableName": "people", "IndexName": "by_city", "KeyConditionExpression": "city = :c",
        "ExpressionAttributeValues": {":c": {"S": "Bonn"}}});
    let got = world.ok("Query", by_city).await;
    assert_eq!(
        got["Items"][0]["x"]["S"].as_str(),
        Some(long.as_str()),
        "an entry that names its item"
    );
    put(&world, json!({"p": "a", "c": 1, "x": "short"})).await;
    world.check("people").await;
    let too_long = json!({"TableName": "people", "Item": typed(&json!({"p": "a", "c": 1, "x": "x".repeat(409_600)}))});
    assert_eq!(
        world.refused("PutItem", too_long).await,
        "ValidationException: Item size has exceeded the maximum allowed size"
    );
}

#[tokio::test]
async fn a_scan_ends_a_page_at_a_megabyte() {
    let world = people().await;
    for c in 0..10 {
        put(&world, json!({"p": format!("p{c}"), "c": c, "x": "x".repeat(200_000)})).await;
    }
    let page = world.ok("Scan", json!({"TableName": "people"})).await;
    assert_eq!(page["Items"].as_array().unwrap().len(), 6);
    let last = page["LastEvaluatedKey"].clone();
    let rest = world
        .ok("Scan", json!({"TableName": "people", "ExclusiveStartKey": last}))
        .await;
    assert_eq!(
        (rest["Items"].as_array().unwrap().len(), rest.get("LastEvaluatedKey")),
        (4, None)
    );
}

#[tokio::test]
async fn a_transaction_happens_once_and_whole() {
    let world = people().await;
    put(&world, json!({"p": "a", "c": 1, "v": 1})).await;
    let add = |condition: &str| {
        json!({"ClientRequestToken": "t1", "TransactItems": [
            {"Update": {"TableName": "people", "Key": key("a", 1), "UpdateExpression": "ADD v :one",
                "ExpressionAttributeValues": {":one": {"N": "1"}}}},
            {"Put": {"TableName": "people", "Item": typed(&json!({"p": "b", "c": 1, "city": "Ulm", "age": 3}))}},
            {"ConditionCheck": {"TableName": "people", "Key": key("c", 1), "ConditionExpression": condition}}]})
    };
    let refused = world.refused("TransactWriteItems", add("attribute_exists(p)")).await;
    assert_eq!(
        refused,
        "TransactionCanceledException: Transaction cancelled, please refer cancellation reasons for specific reasons \
         [None, None, ConditionalCheckFailed]"
    );
    assert_eq!(world.check("people").await.items, 1);
    for _ in 0..3 {
        world.ok("TransactWriteItems", add("attribute_not_exists(p)")).await;
    }
    let got = world
        .ok(
            "TransactGetItems",
            json!({"TransactItems": [
            {"Get": {"TableName": "people", "Key": key("a", 1), "ProjectionExpression": "v"}},
            {"Get": {"TableName": "people", "Key": key("z", 1)}}]}),
        )
        .await;
    assert_eq!(got["Responses"], json!([{"Item": {"v": {"N": "2"}}}, {}]));
    assert!(
        world
            .refused("TransactWriteItems", add("attribute_not_exists(v)"))
            .await
            .starts_with("IdempotentParameterMismatchException")
    );
    let twice = json!({"TransactItems": [{"Delete": {"TableName": "people", "Key": key("a", 1)}},
        {"Delete": {"TableName": "people", "Key": key("a", 1)}}]});
    assert_eq!(
        world.refused("TransactWriteItems", twice).await,
        "ValidationException: Transaction request cannot include multiple operations on one item"
    );
}

#[tokio::test]
async fn batches_write_and_read_many() {
    let world = people().await;
    let puts: Vec<_> = (0..25)
        .map(|c| json!({"PutRequest": {"Item": typed(&json!({"p": "a", "c": c, "city": "Ulm", "age": c}))}}))
        .collect();
    let written = world
        .ok("BatchWriteItem", json!({"RequestItems": {"people": puts}}))
        .await;
    assert_eq!(written["UnprocessedItems"], json!({}));
    assert_eq!(world.check("people").await.entries["by_city"], 25);
    let keys: Vec<_> = (20..30).map(|c| key("a", c)).collect();
    let got = world
        .ok("BatchGetItem", json!({"RequestItems": {"people": {"Keys": keys}}}))
        .await;
    assert_eq!(got["Responses"]["people"].as_array().unwrap().len(), 5);
    let twice = json!({"RequestItems": {"people": {"Keys": [key("a", 1), key("a", 1)]}}});
    assert_eq!(
        world.refused("BatchGetItem", twice).await,
        "ValidationException: Provided list of item keys contains duplicates"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_counter_that_many_increment_loses_nothing() {
    let world = Arc::new(people().await);
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                for _ in 0..5 {
                    world
                        .ok(
                            "UpdateItem",
                            json!({"TableName": "people", "Key": key("hot", 1), "UpdateExpression": "ADD v :one",
                            "ExpressionAttributeValues": {":one": {"N": "1"}}}),
                        )
                        .await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let got = world
        .ok("GetItem", json!({"TableName": "people", "Key": key("hot", 1)}))
        .await;
    assert_eq!(got["Item"]["v"]["N"], "320");
}

#[tokio::test]
async fn keys_that_do_not_fit_are_refused_in_words() {
    let world = people().await;
    let put = |value: Value| json!({"TableName": "people", "Item": typed(&value)});
    for (value, words) in [
        (
            json!({"p": "a"}),
            "One or more parameter values were invalid: Missing the key c in the item",
        ),
        (
            json!({"p": "a", "c": "1"}),
            "One or more parameter values were invalid: Type mismatch for key c expected: N actual: S",
        ),
        (
            json!({"p": "", "c": 1}),
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty \
             string value. Key: p",
        ),
        (
            json!({"p": "a", "c": 1, "age": "old", "city": "Ulm"}),
            "One or more parameter values were invalid: Type mismatch for Index Key age Expected: N Actual: S IndexName: \
             by_city",
        ),
        (
            json!({"p": "x".repeat(2049), "c": 1}),
            "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes",
        ),
    ] {
        assert_eq!(
            world.refused("PutItem", put(value)).await,
            format!("ValidationException: {words}")
        );
    }
    let key = json!({"TableName": "people", "Key": typed(&json!({"p": "a"}))});
    assert_eq!(
        world.refused("GetItem", key).await,
        "ValidationException: The provided key element does not match the schema"
    );
    assert_eq!(
        world
            .refused(
                "GetItem",
                json!({"TableName": "nowhere", "Key": typed(&json!({"p": "a"}))})
            )
            .await,
        "ResourceNotFoundException: Requested resource not found"
    );
}

#[tokio::test]
async fn an_index_may_have_several_attributes_in_each_part_of_its_key() {
    let world = World::new().await;
    let wide = index(1, "wide", schema("a:S,b:N", "c:S,d:N"), Projection::All);
    world.table("wide", schema("p:S", ""), vec![wide], Vec::new()).await;
    for (p, b, c, d) in [("1", 1, "x", 2), ("2", 1, "x", 10), ("3", 1, "xy", 1), ("4", 2, "x", 1)] {
        let item = typed(&json!({"p": p, "a": "A", "b": b, "c": c, "d": d}));
        world.ok("PutItem", json!({"TableName": "wide", "Item": item})).await;
    }
    let ask = |condition: &str| {
        json!({"TableName": "wide", "IndexName": "wide", "KeyConditionExpression": condition,
            "ExpressionAttributeNames": {"#c": "c"},
            "ExpressionAttributeValues": {":a": {"S": "A"}, ":b": {"N": "1"}, ":c": {"S": "x"}, ":d": {"N": "3"}}})
    };
    let got = world.ok("Query", ask("a = :a AND b = :b AND #c = :c AND d > :d")).await;
    assert_eq!(got["Items"].as_array().unwrap().len(), 1);
    assert_eq!(got["Items"][0]["p"]["S"], "2");
    world.check("wide").await;
}
