//! The requests: what each asks for, and its signature.

use crate::load::Plan;
use danbi_core::{Clock, SecretKey, SystemClock};
use danbi_wire::sigv4::{SignedPayload, Signer};
use http::Request;
use serde_json::{Value, json};

/// Distinct requests of one run; each client repeats a share of its own.
const DISTINCT: usize = 5120;
/// Items that one collection holds, all of which a Query answers.
const COLLECTION: usize = 100;
/// Collections of the table `collections`.
const COLLECTIONS: usize = 50;

/// What P6 measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// PutItem of one of [`DISTINCT`] items.
    Put,
    /// GetItem, consistent.
    Get,
    /// Query of a collection of 100 items.
    Query,
    /// BatchWriteItem of 25 items.
    Batch,
    /// TransactWriteItems of four items.
    Transact,
    /// UpdateItem of the one item that everybody updates, under a condition.
    Hot,
}

impl Kind {
    /// By the name that the command line has for it.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "put" => Self::Put,
            "get" => Self::Get,
            "query" => Self::Query,
            "batch" => Self::Batch,
            "transact" => Self::Transact,
            "hot" => Self::Hot,
            _ => return None,
        })
    }
}

/// Signs requests as a client of the server under test.
pub struct Signing {
    key_id: String,
    secret: SecretKey,
    host: String,
}

impl Signing {
    /// With a key, for the server on `port`.
    pub fn new(key_id: &str, secret: &str, port: u16) -> Self {
        Self {
            key_id: key_id.to_owned(),
            secret: SecretKey::new(secret),
            host: format!("127.0.0.1:{port}"),
        }
    }

    /// The bytes of one signed request.
    pub fn request(&self, operation: &str, input: &Value) -> Result<Vec<u8>, String> {
        let body = input.to_string();
        let request = Request::post("/")
            .header("host", &self.host)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("content-length", body.len())
            .body(());
        let (mut parts, ()) = request.map_err(|error| error.to_string())?.into_parts();
        let signer = Signer {
            access_key_id: &self.key_id,
            secret: &self.secret,
            session_token: None,
            region: "us-east-1",
            service: "dynamodb",
            at: SystemClock.now(),
        };
        signer
            .sign(&mut parts, SignedPayload::Bytes(body.as_bytes()))
            .map_err(|error| error.to_string())?;
        let mut bytes = b"POST / HTTP/1.1\r\n".to_vec();
        for (name, value) in &parts.headers {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body.as_bytes());
        Ok(bytes)
    }
}

/// An item with a text of so many bytes.
pub fn item(number: u64, bytes: usize) -> Value {
    let text = "0123456789abcdef".repeat(bytes.div_ceil(16));
    json!({
        "pk": {"S": format!("key-{number:09}")},
        "n": {"N": number.to_string()},
        "text": {"S": &text[..bytes]},
    })
}

fn key(number: u64) -> Value {
    json!({"pk": {"S": format!("key-{number:09}")}})
}

/// The requests of a run, signed now: those of one client stand `plan.clients` apart, and no two clients share one.
pub fn of(signing: &Signing, kind: Kind, plan: &Plan, bytes: usize) -> Result<Vec<Vec<u8>>, String> {
    let distinct = match kind {
        Kind::Hot => plan.clients,
        _ => DISTINCT.max(plan.clients),
    };
    let mut requests = Vec::with_capacity(distinct);
    for number in 0..distinct as u64 {
        let (operation, input) = match kind {
            Kind::Put => ("PutItem", json!({"TableName": "items", "Item": item(number, bytes)})),
            Kind::Get => (
                "GetItem",
                json!({"TableName": "items", "Key": key(number % DISTINCT as u64), "ConsistentRead": true}),
            ),
            Kind::Query => (
                "Query",
                json!({
                    "TableName": "collections",
                    "KeyConditionExpression": "pk = :pk",
                    "ExpressionAttributeValues": {":pk": {"S": format!("collection-{}", number as usize % COLLECTIONS)}},
                    "ConsistentRead": true,
                }),
            ),
            Kind::Batch => {
                let puts = (0..25).map(|of| json!({"PutRequest": {"Item": item(number * 25 + of, bytes)}}));
                let puts: Vec<Value> = puts.collect();
                ("BatchWriteItem", json!({"RequestItems": {"many": puts}}))
            }
            Kind::Transact => {
                let puts = (0..4).map(|of| json!({"Put": {"TableName": "many", "Item": item(number * 4 + of, bytes)}}));
                let puts: Vec<Value> = puts.collect();
                ("TransactWriteItems", json!({"TransactItems": puts}))
            }
            Kind::Hot => (
                "UpdateItem",
                json!({
                    "TableName": "items",
                    "Key": {"pk": {"S": "hot"}},
                    "UpdateExpression": "SET n = n + :one",
                    "ConditionExpression": "n >= :zero",
                    "ExpressionAttributeValues": {":one": {"N": "1"}, ":zero": {"N": "0"}},
                }),
            ),
        };
        requests.push(signing.request(operation, &input)?);
    }
    Ok(requests)
}

/// GetItems of random items of a table that [`crate::load::fill`] filled.
pub fn random_gets(signing: &Signing, table: &str, items: u64, count: usize) -> Result<Vec<Vec<u8>>, String> {
    (0..count)
        .map(|_| {
            let key = key(fastrand::u64(..items.max(1)));
            signing.request(
                "GetItem",
                &json!({"TableName": table, "Key": key, "ConsistentRead": true}),
            )
        })
        .collect()
}

/// The collections that [`Kind::Query`] reads, as inputs of BatchWriteItem.
pub fn collections() -> Vec<Value> {
    let items: Vec<Value> = (0..COLLECTIONS * COLLECTION)
        .map(|number| {
            json!({"PutRequest": {"Item": {
                "pk": {"S": format!("collection-{}", number / COLLECTION)},
                "sk": {"S": format!("entry-{:05}", number % COLLECTION)},
                "text": {"S": "0123456789abcdef".repeat(6)},
                "n": {"N": number.to_string()},
            }}})
        })
        .collect();
    items
        .chunks(25)
        .map(|puts| json!({"RequestItems": {"collections": puts}}))
        .collect()
}
