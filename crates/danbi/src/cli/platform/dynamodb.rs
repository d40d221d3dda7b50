//! DynamoDB's operations, in its own JSON.

use super::client::Call;
use super::{Failure, Platform};
use http::Method;
use serde_json::{Value, json};

/// A table as verbs need it: its key, with the types of its attributes.
#[derive(Debug, Clone)]
pub struct TableKey {
    /// Name and type (`S`, `N` or `B`) of the partition key.
    pub partition: (String, String),
    /// Name and type of the sort key.
    pub sort: Option<(String, String)>,
}

impl TableKey {
    /// The type of this attribute, if it is one of the key's.
    pub fn kind(&self, name: &str) -> Option<&str> {
        std::iter::once(&self.partition)
            .chain(&self.sort)
            .find(|(key, _)| key == name)
            .map(|(_, kind)| kind.as_str())
    }

    fn of(schema: &Value, definitions: &Value) -> Option<Self> {
        let attribute = |role: &str| {
            let name = schema.as_array()?.iter().find(|one| one["KeyType"] == role)?["AttributeName"].as_str()?;
            let definition = definitions
                .as_array()?
                .iter()
                .find(|one| one["AttributeName"] == name)?;
            Some((name.to_owned(), definition["AttributeType"].as_str()?.to_owned()))
        };
        Some(Self {
            partition: attribute("HASH")?,
            sort: attribute("RANGE"),
        })
    }
}

impl Platform {
    /// Calls an operation of DynamoDB.
    ///
    /// # Errors
    /// The platform's own error, with its code.
    pub async fn dynamodb(&self, what: &str, operation: &str, input: &Value) -> Result<Value, Failure> {
        let mut call = Call::new("dynamodb", Method::POST, "/".into(), input);
        call.headers.push(("content-type", "application/x-amz-json-1.0".into()));
        call.headers
            .push(("x-amz-target", format!("DynamoDB_20120810.{operation}")));
        let reply = self
            .call(what, call)
            .await
            .map_err(|failure| match failure.error_code() {
                Some("ResourceNotFoundException") => {
                    failure.next("`danbi table ls` shows the tables, `danbi table create` makes one")
                }
                _ => failure,
            })?;
        serde_json::from_slice(&reply.body).map_err(|error| Failure::new(what, error))
    }

    /// The key of a table, or of one of its indexes.
    pub async fn table_key(&self, table: &str, index: Option<&str>) -> Result<TableKey, Failure> {
        let what = format!("cannot look at the table {table}");
        let answer = self
            .dynamodb(&what, "DescribeTable", &json!({"TableName": table}))
            .await?;
        let description = &answer["Table"];
        let schema = match index {
            None => &description["KeySchema"],
            Some(index) => ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"]
                .iter()
                .filter_map(|kind| description[*kind].as_array())
                .flatten()
                .find(|one| one["IndexName"] == index)
                .map(|one| &one["KeySchema"])
                .ok_or_else(|| Failure::new(&what, format!("it has no index {index}")))?,
        };
        TableKey::of(schema, &description["AttributeDefinitions"])
            .ok_or_else(|| Failure::new(what, "its description names no key"))
    }
}
