//! The operations on items, called as the wire calls them, over a store in a folder of its own.

mod model;
mod statements;
mod stories;
mod throttling;

use super::{batch, query, scan, single, transactions};
use crate::tables::catalog::TableRef;
use crate::tables::record::*;
use crate::{DynamoDb, Error, Item, Options, Parts, partiql};
use danbi_core::{Clock, Principal, RequestContext, RequestId, Scope, SystemClock, Timestamp};
use danbi_store::{EmbeddedOptions, Store};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

pub(super) struct World {
    pub dynamodb: Arc<DynamoDb>,
    _folder: tempfile::TempDir,
}

pub(super) fn context() -> RequestContext {
    RequestContext {
        request_id: RequestId::new(),
        scope: Scope::default(),
        principal: Principal::Root(Scope::default().account),
        source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        secure: false,
        host: "localhost:4566".into(),
        user_agent: String::new(),
        facts: Default::default(),
    }
}

/// Key attributes from `"p:S,c:N"`.
fn attributes(text: &str) -> Vec<KeyAttribute> {
    text.split(',')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, kind) = part.split_once(':').unwrap();
            KeyAttribute {
                name: name.into(),
                kind: match kind {
                    "S" => KeyType::S,
                    "N" => KeyType::N,
                    _ => KeyType::B,
                },
            }
        })
        .collect()
}

pub(super) fn schema(partition: &str, sort: &str) -> KeySchema {
    KeySchema {
        partition: attributes(partition),
        sort: attributes(sort),
    }
}

pub(super) fn index(id: u32, name: &str, key: KeySchema, projection: Projection) -> IndexRecord {
    IndexRecord {
        id,
        name: name.into(),
        key,
        projection,
        state: IndexState::Active,
        provisioned: Provisioned::default(),
        on_demand: None,
        warm: None,
    }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(Arc::new(SystemClock), Options::default()).await
    }

    pub(super) async fn with(clock: Arc<dyn Clock>, options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_embedded(&folder.path().join("store"), EmbeddedOptions::default()).unwrap();
        let parts = Parts {
            api: None,
            store,
            clock,
            policies: None,
            options,
        };
        Self {
            dynamodb: DynamoDb::start(parts).await.unwrap(),
            _folder: folder,
        }
    }

    /// Makes a table as the control plane would have.
    pub(super) async fn table(&self, name: &str, key: KeySchema, global: Vec<IndexRecord>, local: Vec<IndexRecord>) {
        let record = TableRecord {
            id: uuid::Uuid::new_v4(),
            scope: Scope::default(),
            name: name.into(),
            version: 0,
            state: TableState::Active,
            created: Timestamp::from_millis(0),
            key,
            attributes: Vec::new(),
            global_indexes: global,
            local_indexes: local,
            next_index: 100,
            billing: BillingMode::OnDemand,
            on_demand_since: None,
            provisioned: Provisioned::default(),
            on_demand: None,
            warm: None,
            stream: None,
            time_to_live: None,
            deletion_protection: false,
            class: TableClass::Standard,
            class_changed: None,
            kms_key: None,
            recovery: None,
            copies: 0,
            restored: None,
        };
        self.put_record(&record).await;
    }

    async fn put_record(&self, record: &TableRecord) {
        let dynamodb = &self.dynamodb;
        let made = dynamodb
            .store
            .transact(async |tx| dynamodb.catalog.put(&tx, record.clone()).map(drop))
            .await;
        made.unwrap();
    }

    /// Changes a table's record as the control plane would.
    pub(super) async fn alter(&self, name: &str, change: impl Fn(&mut TableRecord)) {
        let table = TableRef::parse(&context(), name).unwrap();
        let snapshot = self.dynamodb.store.snapshot().await.unwrap();
        let found = self.dynamodb.catalog.usable_in(&snapshot, &table).await.unwrap();
        let mut record = TableRecord::clone(&found);
        change(&mut record);
        self.put_record(&record).await;
    }

    /// Calls an operation with its JSON; the answer's JSON, or the error.
    pub(super) async fn call(&self, operation: &str, input: Value) -> Result<Value, Error> {
        let (dynamodb, context) = (Arc::clone(&self.dynamodb), context());
        macro_rules! call {
            ($($name:literal => $handler:path),* $(,)?) => {
                match operation {
                    $($name => {
                        let input = serde_json::from_value(input).unwrap();
                        $handler(dynamodb, context, input).await.map(|output| serde_json::to_value(output).unwrap())
                    })*
                    other => panic!("no operation {other}"),
                }
            };
        }
        // A macro, because each operation has types of its own.
        call! {
            "GetItem" => single::get,
            "PutItem" => single::put,
            "UpdateItem" => single::update,
            "DeleteItem" => single::delete,
            "Query" => query::query,
            "Scan" => scan::scan,
            "BatchGetItem" => batch::get,
            "BatchWriteItem" => batch::write,
            "TransactGetItems" => transactions::get,
            "TransactWriteItems" => transactions::write,
            "ExecuteStatement" => partiql::operations::execute,
        }
    }

    pub(super) async fn ok(&self, operation: &str, input: Value) -> Value {
        let shown = input.to_string();
        match self.call(operation, input).await {
            Ok(output) => output,
            Err(error) => panic!("{operation} {shown}: {error:?}"),
        }
    }

    /// The code and message of a refusal.
    pub(super) async fn refused(&self, operation: &str, input: Value) -> String {
        let error = self.call(operation, input).await.unwrap_err();
        format!("{}: {error}", error.code())
    }

    /// Makes sure that items and index entries of a table belong together.
    pub(super) async fn check(&self, table: &str) -> crate::Checked {
        let checked = self.dynamodb.check_table(&Scope::default(), table).await.unwrap();
        assert_eq!(checked.faults, Vec::<String>::new());
        checked
    }
}

/// `{"a": 1, "b": "x"}` as typed JSON; numbers, texts, lists and maps only.
pub(super) fn typed(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.iter().map(|(name, value)| (name.clone(), tagged(value))).collect()),
        other => panic!("no item: {other}"),
    }
}

fn tagged(value: &Value) -> Value {
    match value {
        Value::String(text) => json!({"S": text}),
        Value::Number(number) => json!({"N": number.to_string()}),
        Value::Bool(value) => json!({"BOOL": value}),
        Value::Null => json!({"NULL": true}),
        Value::Array(values) => json!({"L": values.iter().map(tagged).collect::<Vec<_>>()}),
        Value::Object(_) => json!({"M": typed(value)}),
    }
}

pub(super) fn item(value: &Value) -> Item {
    serde_json::from_value(typed(value)).unwrap()
}
