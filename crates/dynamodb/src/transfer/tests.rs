use crate::{AttributeValue, DynamoDb, Item, Options, Parts, shapes};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use danbi_core::{AccountId, Api, ApiCall, Principal, Region, RequestContext, Scope, ServiceError, SystemClock};
use danbi_store::{EmbeddedOptions, Store};
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A bucket as far as a transfer sees one.
#[derive(Default)]
struct Bucket {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Calls that are answered with a failure of the server, before any other.
    failing: AtomicU32,
}

#[async_trait]
impl Api for Bucket {
    async fn call(&self, _: &RequestContext, call: ApiCall) -> Result<Value, ServiceError> {
        let left = self
            .failing
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_ok() {
            return Err(ServiceError::server("InternalError", 500, "again"));
        }
        let input = &call.input;
        if input["Bucket"] != "box" {
            return Err(ServiceError::client(
                "NoSuchBucket",
                404,
                "The specified bucket does not exist",
            ));
        }
        let mut objects = self.objects.lock().unwrap();
        let text = |member: &str| input[member].as_str().unwrap_or_default().to_owned();
        match call.operation.as_str() {
            "PutObject" => {
                objects.insert(text("Key"), STANDARD.decode(text("Body")).unwrap());
                Ok(json!({"ETag": "\"tag\""}))
            }
            "ListObjectsV2" => {
                let (prefix, after) = (text("Prefix"), text("StartAfter"));
                let found = objects
                    .iter()
                    .find(|(key, _)| key.starts_with(&prefix) && **key > after);
                let found = found.map(|(key, body)| json!({"Key": key, "ETag": "\"tag\"", "Size": body.len()}));
                Ok(json!({"Contents": found.into_iter().collect::<Vec<_>>()}))
            }
            "GetObject" => {
                let range = text("Range");
                let (start, end) = range
                    .strip_prefix("bytes=")
                    .and_then(|range| range.split_once('-'))
                    .unwrap();
                let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse().unwrap());
                Ok(json!({"Body": STANDARD.encode(&objects[&text("Key")][start..=end])}))
            }
            other => panic!("{other}"),
        }
    }
}

struct World {
    dynamodb: Arc<DynamoDb>,
    bucket: Arc<Bucket>,
    _folder: tempfile::TempDir,
}

fn context() -> RequestContext {
    let account: AccountId = "000000000000".parse().unwrap();
    let scope = Scope {
        account: account.clone(),
        region: "us-east-1".parse::<Region>().unwrap(),
    };
    RequestContext::inside(scope, Principal::Root(account), None)
}

fn creation(name: &str) -> shapes::TableCreationParameters {
    let text = json!({
        "TableName": name,
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "n", "AttributeType": "N"},
        ],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
        "GlobalSecondaryIndexes": [{
            "IndexName": "by-n",
            "KeySchema": [{"AttributeName": "n", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }],
    });
    serde_json::from_value(text).unwrap()
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_embedded(&folder.path().join("store"), EmbeddedOptions::default()).unwrap();
        let bucket = Arc::new(Bucket::default());
        let parts = Parts {
            store,
            clock: Arc::new(SystemClock),
            policies: None,
            api: Some(Arc::clone(&bucket) as _),
            options: Options::default(),
        };
        Self {
            dynamodb: DynamoDb::start(parts).await.unwrap(),
            bucket,
            _folder: folder,
        }
    }

    async fn table(&self, name: &str) {
        let wanted = serde_json::to_value(creation(name)).unwrap();
        let wanted: shapes::CreateTableInput = serde_json::from_value(wanted).unwrap();
        crate::tables::create::create(Arc::clone(&self.dynamodb), context(), wanted)
            .await
            .unwrap();
        let wanted =
            json!({"TableName": name, "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": true}});
        let wanted = serde_json::from_value(wanted).unwrap();
        crate::history::recovery::update(Arc::clone(&self.dynamodb), context(), wanted)
            .await
            .unwrap();
    }

    async fn put(&self, table: &str, number: u32, text: &str) {
        let input = json!({"TableName": table, "Item": {
            "pk": {"S": format!("key-{number}")}, "n": {"N": number.to_string()}, "text": {"S": text},
        }});
        let input = serde_json::from_value(input).unwrap();
        crate::items::single::put(Arc::clone(&self.dynamodb), context(), input)
            .await
            .unwrap();
    }

    async fn all(&self, table: &str, index: Option<&str>) -> Vec<Item> {
        let mut input = json!({"TableName": table});
        if let Some(index) = index {
            input["IndexName"] = index.into();
        }
        let input = serde_json::from_value(input).unwrap();
        let found = crate::items::scan::scan(Arc::clone(&self.dynamodb), context(), input).await;
        let mut items = found.unwrap().items.unwrap();
        items.sort_by_key(|item| format!("{:?}", item["pk"]));
        items
    }

    async fn export(&self, input: Value) -> shapes::ExportDescription {
        let input = serde_json::from_value(input).unwrap();
        let begun = super::export::export(Arc::clone(&self.dynamodb), context(), input)
            .await
            .unwrap();
        begun.export_description.unwrap()
    }

    async fn exported(&self, begun: &shapes::ExportDescription) -> shapes::ExportDescription {
        loop {
            let input = shapes::DescribeExportInput {
                export_arn: begun.export_arn.clone().unwrap(),
            };
            let found = super::export::describe(Arc::clone(&self.dynamodb), context(), input).await;
            let found = found.unwrap().export_description.unwrap();
            if found.export_status.as_deref() != Some("IN_PROGRESS") {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn import(&self, input: Value) -> shapes::ImportTableDescription {
        let input = serde_json::from_value(input).unwrap();
        let begun = super::import::import(Arc::clone(&self.dynamodb), context(), input)
            .await
            .unwrap();
        loop {
            let input = shapes::DescribeImportInput {
                import_arn: begun.import_table_description.import_arn.clone().unwrap(),
            };
            let found = super::import::describe(Arc::clone(&self.dynamodb), context(), input).await;
            let found = found.unwrap().import_table_description;
            if found.import_status.as_deref() != Some("IN_PROGRESS") {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn object(&self, key: &str) -> Vec<u8> {
        self.bucket.objects.lock().unwrap()[key].clone()
    }
}

const ARN: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/source";

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_of_its_moment_and_an_import_makes_the_same_table() {
    let world = World::new().await;
    world.table("source").await;
    for number in 0..300 {
        world.put("source", number, "before").await;
    }
    let expected = world.all("source", None).await;
    // S3 stumbles, and the job goes on where it was.
    world.bucket.failing.store(2, Ordering::SeqCst);
    let asked = json!({"TableArn": ARN, "S3Bucket": "box", "S3Prefix": "to/here", "ClientToken": "once"});
    let begun = world.export(asked.clone()).await;
    assert_eq!(begun.export_status.as_deref(), Some("IN_PROGRESS"));
    for number in 0..300 {
        world.put("source", number, "after").await;
    }
    let again = world.export(asked).await;
    assert_eq!(again.export_arn, begun.export_arn);
    let done = world.exported(&begun).await;
    assert_eq!(done.export_status.as_deref(), Some("COMPLETED"), "{done:?}");
    assert_eq!(done.item_count, Some(300));

    let summary: Value = serde_json::from_slice(&world.object(done.export_manifest.as_deref().unwrap())).unwrap();
    assert_eq!(
        (&summary["itemCount"], &summary["exportType"]),
        (&json!(300), &json!("FULL_EXPORT"))
    );
    let files = world.object(summary["manifestFilesS3Key"].as_str().unwrap());
    let mut data = String::new();
    for line in files.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let file: Value = serde_json::from_slice(line).unwrap();
        let content = world.object(file["dataFileS3Key"].as_str().unwrap());
        assert_eq!(file["md5Checksum"], super::manifest::md5(&content));
        GzDecoder::new(&content[..]).read_to_string(&mut data).unwrap();
    }
    assert_eq!(data.lines().count(), 300);
    assert!(data.lines().all(|line| line.contains("before")));

    let folder = done.export_manifest.unwrap().replace("manifest-summary.json", "data/");
    let imported = world
        .import(json!({
            "S3BucketSource": {"S3Bucket": "box", "S3KeyPrefix": folder},
            "InputFormat": "DYNAMODB_JSON",
            "InputCompressionType": "GZIP",
            "TableCreationParameters": creation("copy"),
        }))
        .await;
    assert_eq!(imported.import_status.as_deref(), Some("COMPLETED"), "{imported:?}");
    assert_eq!(
        (imported.imported_item_count, imported.error_count),
        (Some(300), Some(0))
    );
    assert_eq!(world.all("copy", None).await, expected);
    assert_eq!(world.all("copy", Some("by-n")).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_gives_keys_their_types_and_counts_what_is_no_item() {
    let world = World::new().await;
    let content = "pk,n,text\na,1,\"x, \"\"y\"\"\nz\"\n\nb,no number,t\nc,2\na,3,last\n";
    world
        .bucket
        .objects
        .lock()
        .unwrap()
        .insert("in/one.csv".into(), content.into());
    world
        .bucket
        .objects
        .lock()
        .unwrap()
        .insert("in/two.csv".into(), "n,pk\n7,d".into());
    let imported = world
        .import(json!({
            "S3BucketSource": {"S3Bucket": "box", "S3KeyPrefix": "in/"},
            "InputFormat": "CSV",
            "TableCreationParameters": creation("copy"),
        }))
        .await;
    assert_eq!(imported.import_status.as_deref(), Some("COMPLETED"), "{imported:?}");
    let counts = [
        imported.processed_item_count,
        imported.imported_item_count,
        imported.error_count,
    ];
    assert_eq!(counts, [Some(5), Some(3), Some(2)]);
    let items = world.all("copy", None).await;
    assert_eq!(items.len(), 2);
    // The key came twice: the last one stays, also in the index.
    assert_eq!(items[0]["n"], AttributeValue::N("3".parse().unwrap()));
    assert_eq!(items[0]["text"], AttributeValue::S("last".into()));
    assert_eq!(items[1]["n"], AttributeValue::N("7".parse().unwrap()));
    assert_eq!(world.all("copy", Some("by-n")).await, items);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_s3_refuses_ends_a_transfer_and_says_why() {
    let world = World::new().await;
    world.table("source").await;
    let begun = world.export(json!({"TableArn": ARN, "S3Bucket": "none"})).await;
    let failed = world.exported(&begun).await;
    assert_eq!(failed.export_status.as_deref(), Some("FAILED"));
    assert_eq!(failed.failure_code.as_deref(), Some("S3NoSuchBucket"));
    let failed = world
        .import(json!({
            "S3BucketSource": {"S3Bucket": "box", "S3KeyPrefix": "nothing/"},
            "InputFormat": "DYNAMODB_JSON",
            "TableCreationParameters": creation("copy"),
        }))
        .await;
    assert_eq!(failed.import_status.as_deref(), Some("FAILED"));
    // The name is free again.
    world.table("copy").await;
}
