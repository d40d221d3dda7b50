//! Random sequences of operations, against a map in memory.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A small world, so that operations meet: few keys, few values, some of them of the wrong kind for an index.
#[derive(Debug, Clone)]
enum Op {
    Put(Item),
    PutNew(Item),
    Delete(Key),
    Add(Key, i64),
    Move(Key, Option<i64>),
    Together(Vec<Op>),
    Batch(Vec<Op>),
}

type Key = (u8, i64);
type Model = BTreeMap<Key, Item>;

fn key_item((p, c): Key) -> Item {
    item(&json!({"p": format!("p{p}"), "c": c}))
}

fn key() -> impl Strategy<Value = Key> {
    (0u8..3, -2i64..3)
}

fn items() -> impl Strategy<Value = Item> {
    let body = (0usize..3).prop_map(|size| ["", "short", "long"][size]);
    (
        key(),
        proptest::option::of(0i64..3),
        proptest::option::of(0i64..4),
        body,
    )
        .prop_map(|(at, a, b, body)| {
            let mut item = key_item(at);
            if let Some(a) = a {
                item.extend(super::item(&json!({"a": format!("a{a}")})));
            }
            if let Some(b) = b {
                item.extend(super::item(&json!({"b": b})));
            }
            let text = if body == "long" {
                "y".repeat(6000)
            } else {
                body.to_owned()
            };
            item.extend(super::item(&json!({"body": text, "n": 1})));
            item
        })
}

fn single_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => items().prop_map(Op::Put),
        1 => items().prop_map(Op::PutNew),
        2 => key().prop_map(Op::Delete),
        2 => (key(), -5i64..5).prop_map(|(key, by)| Op::Add(key, by)),
        2 => (key(), proptest::option::of(0i64..4)).prop_map(|(key, to)| Op::Move(key, to)),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => single_op(),
        1 => proptest::collection::vec(single_op(), 1..5).prop_map(Op::Together),
        1 => proptest::collection::vec(prop_oneof![items().prop_map(Op::Put), key().prop_map(Op::Delete)], 1..5).prop_map(Op::Batch),
    ]
}

impl Op {
    fn key(&self) -> Key {
        let of = |item: &Item| {
            let shown = serde_json::to_value(item).unwrap();
            let p = shown["p"]["S"].as_str().unwrap()[1..].parse().unwrap();
            (p, shown["c"]["N"].as_str().unwrap().parse().unwrap())
        };
        match self {
            Self::Put(item) | Self::PutNew(item) => of(item),
            Self::Delete(key) | Self::Add(key, _) | Self::Move(key, _) => *key,
            Self::Together(_) | Self::Batch(_) => unreachable!("only single operations have a key"),
        }
    }

    /// The operation and the request for it.
    fn request(&self) -> (&'static str, Value) {
        match self {
            Self::Put(item) => ("Put", json!({"TableName": "tab", "Item": item})),
            Self::PutNew(item) => (
                "Put",
                json!({"TableName": "tab", "Item": item, "ConditionExpression": "attribute_not_exists(p)"}),
            ),
            Self::Delete(key) => ("Delete", json!({"TableName": "tab", "Key": key_item(*key)})),
            Self::Add(key, by) => (
                "Update",
                json!({"TableName": "tab", "Key": key_item(*key), "UpdateExpression": "ADD n :by",
                    "ExpressionAttributeValues": {":by": {"N": by.to_string()}}}),
            ),
            Self::Move(key, Some(to)) => (
                "Update",
                json!({"TableName": "tab", "Key": key_item(*key), "UpdateExpression": "SET b = :to",
                    "ConditionExpression": "attribute_exists(a)",
                    "ExpressionAttributeValues": {":to": {"N": to.to_string()}}}),
            ),
            Self::Move(key, None) => (
                "Update",
                json!({"TableName": "tab", "Key": key_item(*key), "UpdateExpression": "REMOVE b"}),
            ),
            Self::Together(_) | Self::Batch(_) => unreachable!("only single operations are requests"),
        }
    }

    /// Whether the model lets it happen; changes the model.
    fn apply(&self, model: &mut Model) -> bool {
        let key = self.key();
        match self {
            Self::Put(item) => {
                model.insert(key, item.clone());
            }
            Self::PutNew(item) => {
                if model.contains_key(&key) {
                    return false;
                }
                model.insert(key, item.clone());
            }
            Self::Delete(_) => {
                model.remove(&key);
            }
            Self::Add(_, by) => {
                let item = model.entry(key).or_insert_with(|| key_item(key));
                let shown = serde_json::to_value(&*item).unwrap();
                let n: i64 = shown["n"]["N"].as_str().map_or(0, |n| n.parse().unwrap());
                item.extend(super::item(&json!({"n": n + by})));
            }
            Self::Move(_, Some(to)) => match model.get_mut(&key) {
                Some(item) if item.contains_key("a") => item.extend(super::item(&json!({"b": to}))),
                _ => return false,
            },
            Self::Move(_, None) => {
                if let Some(item) = model.get_mut(&key) {
                    item.remove("b");
                }
            }
            Self::Together(_) | Self::Batch(_) => unreachable!("handled by the caller"),
        }
        true
    }
}

async fn run(world: &World, model: &mut Model, op: &Op) {
    match op {
        Op::Together(ops) => {
            let mut after = model.clone();
            let distinct = ops.iter().map(Op::key).collect::<std::collections::BTreeSet<_>>().len() == ops.len();
            // Every condition is asked of the state before, which is the same, because the keys are distinct.
            let all = ops.iter().fold(distinct, |all, op| op.apply(&mut after) && all);
            let actions: Vec<Value> = ops
                .iter()
                .map(|op| {
                    let (action, request) = op.request();
                    json!({ action: request })
                })
                .collect();
            let done = world
                .call("TransactWriteItems", json!({"TransactItems": actions}))
                .await;
            assert_eq!(done.is_ok(), all, "{ops:?}: {done:?}");
            if all {
                *model = after;
            }
        }
        Op::Batch(ops) => {
            let distinct = ops.iter().map(Op::key).collect::<std::collections::BTreeSet<_>>().len() == ops.len();
            let requests: Vec<Value> = ops
                .iter()
                .map(|op| match op {
                    Op::Put(item) => json!({"PutRequest": {"Item": item}}),
                    other => json!({"DeleteRequest": {"Key": key_item(other.key())}}),
                })
                .collect();
            let done = world
                .call("BatchWriteItem", json!({"RequestItems": {"tab": requests}}))
                .await;
            assert_eq!(done.is_ok(), distinct);
            if distinct {
                ops.iter().for_each(|op| {
                    op.apply(model);
                });
            }
        }
        single => {
            let (action, request) = single.request();
            let done = world.call(&format!("{action}Item"), request).await;
            assert_eq!(done.is_ok(), single.apply(model), "{single:?}: {done:?}");
        }
    }
}

/// Everything that an operation answers, page by page.
async fn all(world: &World, operation: &str, input: &Value) -> Vec<Item> {
    let mut items = Vec::new();
    let mut input = input.clone();
    loop {
        let page = world.ok(operation, input.clone()).await;
        items.extend(
            page["Items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| serde_json::from_value::<Item>(item.clone()).unwrap()),
        );
        match page.get("LastEvaluatedKey") {
            Some(last) => input["ExclusiveStartKey"] = last.clone(),
            None => return items,
        }
    }
}

fn sorted(mut items: Vec<Item>) -> Vec<Item> {
    items.sort_by_key(|item| serde_json::to_string(item).unwrap());
    items
}

async fn compare(world: &World, model: &Model, limit: usize) {
    let scanned = all(world, "Scan", &json!({"TableName": "tab", "Limit": limit})).await;
    assert_eq!(sorted(scanned), sorted(model.values().cloned().collect()));
    for p in 0..3u8 {
        for forward in [true, false] {
            let ask = json!({"TableName": "tab", "KeyConditionExpression": "p = :p AND c >= :c", "Limit": limit,
                "ExpressionAttributeValues": {":p": {"S": format!("p{p}")}, ":c": {"N": "-1"}}, "ScanIndexForward": forward});
            let mut expected: Vec<Item> = model
                .range((p, -1)..(p, i64::MAX))
                .map(|(_, item)| item.clone())
                .collect();
            if !forward {
                expected.reverse();
            }
            assert_eq!(all(world, "Query", &ask).await, expected);
        }
    }
    for a in 0..3 {
        let ask = json!({"TableName": "tab", "IndexName": "glo", "KeyConditionExpression": "a = :a AND b < :b", "Limit": limit,
            "ExpressionAttributeValues": {":a": {"S": format!("a{a}")}, ":b": {"N": "3"}}});
        let (text, found) = (
            serde_json::from_value(json!({"S": format!("a{a}")})).unwrap(),
            all(world, "Query", &ask).await,
        );
        let b = |item: &Item| -> Option<i64> {
            serde_json::to_value(item.get("b")?).unwrap()["N"]
                .as_str()?
                .parse()
                .ok()
        };
        assert!(found.is_sorted_by_key(b));
        let expected = model
            .values()
            .filter(|item| item.get("a") == Some(&text) && b(item).is_some_and(|b| b < 3));
        assert_eq!(sorted(found), sorted(expected.cloned().collect()));
    }
    world.check("tab").await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_a_map_would_hold_the_table_and_its_indexes_hold(ops in proptest::collection::vec(op(), 1..40), limit in 1usize..5) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let global = vec![
                index(1, "glo", schema("a:S", "b:N"), Projection::All),
                index(2, "keys", schema("b:N", ""), Projection::KeysOnly),
            ];
            let local = vec![index(3, "loc", schema("p:S", "b:N"), Projection::Include(vec!["n".into()]))];
            world.table("tab", schema("p:S", "c:N"), global, local).await;
            let mut model = Model::new();
            for op in &ops {
                run(&world, &mut model, op).await;
            }
            compare(&world, &model, limit).await;
        });
    }
}
