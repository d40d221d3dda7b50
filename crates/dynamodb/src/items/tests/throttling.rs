//! Throughput that binds.

use super::*;
use danbi_core::ServiceError;
use std::sync::atomic::{AtomicI64, Ordering};

/// A clock that is moved by hand.
struct Moved(AtomicI64);

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

impl Moved {
    fn pass(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

/// A table and an index with these write units each, and one read unit.
async fn tight(table: i64, of_index: i64) -> (World, Arc<Moved>) {
    let clock = Arc::new(Moved(AtomicI64::new(1_700_000_000_000)));
    let options = Options {
        throttle: true,
        ..Options::default()
    };
    let world = World::with(Arc::clone(&clock) as _, options).await;
    let by_x = index(1, "by_x", schema("x:S", ""), Projection::All);
    world.table("tight", schema("p:S", ""), vec![by_x], Vec::new()).await;
    let alter = |record: &mut TableRecord| {
        record.billing = BillingMode::Provisioned;
        record.provisioned.units = Throughput { read: 1, write: table };
        record.global_indexes[0].provisioned.units = Throughput {
            read: 1,
            write: of_index,
        };
    };
    world.alter("tight", alter).await;
    (world, clock)
}

fn item(key: &str, kilobytes: usize) -> Value {
    typed(&json!({"p": key, "pad": "x".repeat(kilobytes * 1024 - 10)}))
}

fn put(item: Value) -> Value {
    json!({"TableName": "tight", "Item": item})
}

async fn refused(world: &World, operation: &str, input: Value) -> (String, String) {
    let error: ServiceError = world.call(operation, input).await.unwrap_err().into();
    let extras = format!("{:?}", error.json_members());
    (error.code.to_string(), extras)
}

#[tokio::test]
async fn a_table_takes_its_burst_and_then_what_is_provisioned() {
    let (world, clock) = tight(1, 1).await;
    world.ok("PutItem", put(item("a", 300))).await;
    let (code, reasons) = refused(&world, "PutItem", put(item("b", 1))).await;
    assert_eq!(code, "ProvisionedThroughputExceededException");
    assert!(reasons.contains("TableWriteProvisionedThroughputExceeded"), "{reasons}");
    assert!(reasons.contains("table/tight"), "{reasons}");
    // Reads have a bucket of their own.
    world
        .ok(
            "GetItem",
            json!({"TableName": "tight", "Key": typed(&json!({"p": "a"}))}),
        )
        .await;
    clock.pass(1);
    world.ok("PutItem", put(item("b", 1))).await;
    refused(&world, "PutItem", put(item("c", 1))).await;
    // No more than five minutes are saved up.
    clock.pass(100_000);
    world.ok("PutItem", put(item("e", 299))).await;
    world.ok("PutItem", put(item("c", 1))).await;
    refused(&world, "PutItem", put(item("d", 1))).await;
    // More units are there at once.
    world
        .alter("tight", |record| record.provisioned.units.write = 1000)
        .await;
    clock.pass(1);
    world.ok("PutItem", put(item("d", 1))).await;
}

#[tokio::test]
async fn reads_and_failed_conditions_cost_too() {
    let (world, clock) = tight(1, 1).await;
    for key in ["a", "b", "c", "d"] {
        clock.pass(1000);
        world.ok("PutItem", put(item(key, 299))).await;
    }
    // 1 MB of eventually consistent reads is 128 units and more, so the third page is in debt.
    let scan = || json!({"TableName": "tight"});
    for _ in 0..3 {
        world.ok("Scan", scan()).await;
    }
    let (code, reasons) = refused(&world, "Scan", scan()).await;
    assert_eq!(code, "ProvisionedThroughputExceededException");
    assert!(reasons.contains("TableReadProvisionedThroughputExceeded"), "{reasons}");
    let keys = json!({"RequestItems": {"tight": {"Keys": [typed(&json!({"p": "a"}))]}}});
    assert_eq!(
        refused(&world, "BatchGetItem", keys).await.0,
        "ProvisionedThroughputExceededException"
    );
    let get = json!({"TransactItems": [{"Get": {"TableName": "tight", "Key": typed(&json!({"p": "a"}))}}]});
    let error = world.call("TransactGetItems", get).await.unwrap_err();
    assert!(error.to_string().contains("[ProvisionedThroughputExceeded]"), "{error}");
    // The index is read from its own units.
    world
        .ok("Scan", json!({"TableName": "tight", "IndexName": "by_x"}))
        .await;

    clock.pass(1000);
    let mut conditional = put(item("a", 1));
    conditional["ConditionExpression"] = json!("attribute_not_exists(p)");
    let failed = world.call("PutItem", conditional.clone()).await.unwrap_err();
    assert_eq!(failed.code(), "ConditionalCheckFailedException");
    // It was charged for the item that it looked at: 299 of 300 units.
    world.ok("PutItem", put(item("e", 1))).await;
    refused(&world, "PutItem", conditional).await;
}

#[tokio::test]
async fn a_write_waits_for_the_indexes_that_it_changes() {
    let (world, _) = tight(10_000, 1).await;
    let indexed = |key: &str| {
        let mut item = item(key, 300);
        item["x"] = json!({"S": "x"});
        put(item)
    };
    world.ok("PutItem", indexed("a")).await;
    let (code, reasons) = refused(&world, "PutItem", indexed("b")).await;
    assert_eq!(code, "ProvisionedThroughputExceededException");
    assert!(reasons.contains("IndexWriteProvisionedThroughputExceeded"), "{reasons}");
    assert!(reasons.contains("table/tight/index/by_x"), "{reasons}");
    world.ok("PutItem", put(item("c", 1))).await;
    let checked = world.check("tight").await;
    assert_eq!(checked.items, 2, "nothing of what was refused was written");
}

#[tokio::test]
async fn batches_hand_back_and_transactions_are_cancelled() {
    let (world, clock) = tight(1, 1).await;
    world.ok("PutItem", put(item("a", 298))).await;
    let requests: Vec<Value> = (0..5)
        .map(|number| json!({"PutRequest": {"Item": item(&format!("b{number}"), 1)}}))
        .collect();
    let batch = || json!({"RequestItems": {"tight": requests}});
    let answer = world.ok("BatchWriteItem", batch()).await;
    assert_eq!(answer["UnprocessedItems"]["tight"].as_array().unwrap().len(), 3);
    assert_eq!(
        refused(&world, "BatchWriteItem", batch()).await.0,
        "ProvisionedThroughputExceededException"
    );
    assert_eq!(world.check("tight").await.items, 3);

    let transaction = json!({"TransactItems": [{"Put": put(item("t", 1))}, {"Put": put(item("u", 1))}]});
    let error = world.call("TransactWriteItems", transaction.clone()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("[ProvisionedThroughputExceeded, ProvisionedThroughputExceeded]"),
        "{error}"
    );
    clock.pass(4);
    world.ok("TransactWriteItems", transaction).await;
    refused(&world, "PutItem", put(item("v", 1))).await;
}

#[tokio::test]
async fn on_demand_has_the_maximum_that_was_set() {
    let (world, clock) = tight(1, 1).await;
    let alter = |record: &mut TableRecord| {
        record.billing = BillingMode::OnDemand;
        record.on_demand = Some(OnDemandLimits {
            read: None,
            write: Some(1),
        });
    };
    world.alter("tight", alter).await;
    world.ok("PutItem", put(item("a", 300))).await;
    let (code, reasons) = refused(&world, "PutItem", put(item("b", 1))).await;
    assert_eq!(code, "ThrottlingException");
    assert!(reasons.contains("TableWriteMaxOnDemandThroughputExceeded"), "{reasons}");
    world.alter("tight", |record| record.on_demand = None).await;
    clock.pass(1);
    world.ok("PutItem", put(item("b", 1))).await;
}
