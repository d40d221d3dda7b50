//! What policies may ask of a request to items: `dynamodb:LeadingKeys`, `dynamodb:Attributes`, `dynamodb:Select`,
//! `dynamodb:ReturnValues`, `dynamodb:ReturnConsumedCapacity`.
//!
//! Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html>. Which of a
//! key's attributes leads is in the table's record, so the values are told under their names first ([`KEY`]), and
//! [`resolve`] makes leading keys of those that lead. An account's root is not bound by such conditions, and pays
//! nothing for them.

use crate::expression::{KeyCondition, Placeholders};
use crate::items::parameters;
use crate::tables::catalog::TableRef;
use crate::{AttributeValue, DynamoDb, Item};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use danbi_core::{Access, Principal, RequestContext, ServiceError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;

/// Before the name of an attribute that may be one of the key.
const KEY: &str = "danbi:key/";
const LEADING_KEYS: &str = "dynamodb:LeadingKeys";
const ATTRIBUTES: &str = "dynamodb:Attributes";
/// A longer value is no partition key.
const MAX_KEY_BYTES: usize = 2048;
/// What no key is: stands for keys that cannot be told, so that no condition on them holds.
const UNTOLD: &str = "\u{0}";

/// Whether policies are asked in detail.
pub(crate) fn is_bound(context: &RequestContext) -> bool {
    !matches!(context.principal, Principal::Root(_))
}

/// Tells about an access, if anybody may ask.
pub(crate) fn told(context: &RequestContext, access: Access, tell: impl FnOnce(&mut Telling)) -> Access {
    if !is_bound(context) {
        return access;
    }
    let mut telling = Telling(access);
    tell(&mut telling);
    telling.0
}

/// An access that is being told about.
pub(crate) struct Telling(pub(crate) Access);

impl Telling {
    fn add(&mut self, key: impl Into<std::borrow::Cow<'static, str>>, value: String) {
        let values = self.0.conditions.entry(key.into()).or_default();
        if !values.contains(&value) {
            values.push(value);
        }
    }

    /// A key, or an item that bears one.
    pub(crate) fn key(&mut self, item: &Item) {
        for (name, value) in item {
            self.key_value(name, value);
        }
    }

    fn key_value(&mut self, name: &str, value: &AttributeValue) {
        let text = match value {
            AttributeValue::S(text) if text.len() <= MAX_KEY_BYTES => text.clone(),
            AttributeValue::N(number) => number.to_string(),
            AttributeValue::B(bytes) if bytes.len() <= MAX_KEY_BYTES => STANDARD.encode(bytes),
            _ => return,
        };
        self.add(format!("{KEY}{name}"), text);
    }

    /// The top-level attributes that are read or written: of an item there may be tens of thousands.
    pub(crate) fn attributes<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) {
        let mut names = names.into_iter().peekable();
        if names.peek().is_some() {
            let told = self.0.conditions.entry(ATTRIBUTES.into()).or_default();
            told.extend(names.map(str::to_owned));
            told.sort_unstable();
            told.dedup();
        }
    }

    /// A parameter, when it is given.
    pub(crate) fn parameter(&mut self, key: &'static str, given: Option<&String>) {
        if let Some(given) = given {
            self.add(key, given.clone());
        }
    }

    /// The attributes that expressions name. What cannot be read is refused by the operation itself.
    pub(crate) fn expressions(
        &mut self,
        names: &parameters::Names,
        values: &parameters::Values,
        given: &Expressions<'_>,
    ) {
        let Ok(mut placeholders) = Placeholders::new(names.as_ref(), values.as_ref()) else {
            return;
        };
        if let Ok(Some(projection)) = parameters::projection(given.projection, given.attributes, &mut placeholders) {
            self.attributes(projection.attributes());
        }
        for text in [given.condition, given.filter].into_iter().flatten() {
            let parameter = crate::expression::Parameter::Condition;
            if let Ok(condition) = crate::expression::Condition::parse(parameter, text, &mut placeholders) {
                let paths = parameters::condition_paths(Some(&condition));
                self.attributes(paths.into_iter().map(|path| path.root()));
            }
        }
        if let Some(text) = given.update
            && let Ok(update) = parameters::update(Some(text), None, &mut placeholders)
        {
            self.attributes(update.touched().attributes());
            let mut sources = Vec::new();
            update.each_source(&mut |path| sources.push(path));
            self.attributes(sources.into_iter().map(|path| path.root()));
        }
        if let Some(text) = given.key_condition
            && let Ok(conditions) = KeyCondition::parse(text, &mut placeholders)
        {
            for (name, value) in conditions.equalities() {
                self.key_value(name, value);
            }
        }
    }

    /// Keys and attributes that are not told.
    pub(crate) fn untold(&mut self) {
        self.add(LEADING_KEYS, UNTOLD.to_owned());
        self.add(ATTRIBUTES, UNTOLD.to_owned());
    }
}

/// The expressions of a request, and the old way of naming attributes.
#[derive(Default)]
pub(crate) struct Expressions<'e> {
    pub projection: Option<&'e str>,
    pub attributes: Option<&'e [String]>,
    pub condition: Option<&'e str>,
    pub filter: Option<&'e str>,
    pub update: Option<&'e str>,
    pub key_condition: Option<&'e str>,
}

/// Accesses of a request with several actions: one for each action on each table.
#[derive(Default)]
pub(crate) struct Several(BTreeMap<(&'static str, String), Option<Telling>>);

impl Several {
    pub(crate) fn add(
        &mut self,
        context: &RequestContext,
        action: &'static str,
        arn: String,
        tell: impl FnOnce(&mut Telling),
    ) {
        let telling = self.0.entry((action, arn)).or_default();
        if is_bound(context) {
            tell(telling.get_or_insert_with(|| Telling(Access::any(action))));
        }
    }

    /// Those accesses, or `otherwise` on anything when there are none.
    pub(crate) fn accesses(self, otherwise: &'static str) -> Vec<Access> {
        if self.0.is_empty() {
            return vec![Access::any(otherwise)];
        }
        let accesses = self.0.into_iter().map(|((action, arn), telling)| match telling {
            Some(Telling(access)) => Access {
                resource: arn,
                ..access
            },
            None => Access::new(action, arn),
        });
        accesses.collect()
    }
}

/// Makes leading keys of the values that were told under the names of attributes.
pub(crate) fn resolve<'a>(
    dynamodb: &'a DynamoDb,
    context: &'a RequestContext,
    accesses: &'a mut [Access],
) -> Option<BoxFuture<'a, Result<(), ServiceError>>> {
    if !is_bound(context) {
        return None;
    }
    Some(resolve_all(dynamodb, accesses).boxed())
}

async fn resolve_all(dynamodb: &DynamoDb, accesses: &mut [Access]) -> Result<(), ServiceError> {
    let snapshot = dynamodb.store.snapshot().await.map_err(crate::Error::from)?;
    for access in accesses {
        let (table, index) = match access.resource.split_once("/index/") {
            Some((table, index)) => (table, Some(index)),
            None => (access.resource.as_str(), None),
        };
        let table = match TableRef::from_arn(table, "TableName") {
            Ok(table) => dynamodb.catalog.find_in(&snapshot, &table).await?,
            Err(_) => None,
        };
        let leads = |name: &str| {
            let Some(table) = &table else { return true };
            let key = index
                .and_then(|index| table.index(index))
                .map_or(&table.key, |index| &index.key);
            key.partition.iter().any(|attribute| attribute.name == name)
        };
        let mut leading = Vec::new();
        access.conditions.retain(|key, values| match key.strip_prefix(KEY) {
            Some(name) => {
                if leads(name) {
                    leading.append(values);
                }
                false
            }
            None => true,
        });
        if !leading.is_empty() {
            access
                .conditions
                .entry(LEADING_KEYS.into())
                .or_default()
                .append(&mut leading);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::{BatchWriteItemInput, GetItemInput, QueryInput};
    use crate::{Options, Parts, access};
    use danbi_core::{AccountId, Scope, SystemClock};
    use danbi_store::{EmbeddedOptions, Store};
    use serde_json::json;
    use std::sync::Arc;

    fn context(principal: Principal) -> RequestContext {
        let scope = Scope {
            account: "000000000000".parse::<AccountId>().unwrap(),
            region: "us-east-1".parse().unwrap(),
        };
        RequestContext::inside(scope, principal, None)
    }

    fn user() -> RequestContext {
        context(Principal::Identity {
            arn: "arn:aws:iam::000000000000:user/u".parse().unwrap(),
            id: "AIDA".into(),
            session: None,
        })
    }

    #[tokio::test]
    async fn policies_are_told_which_keys_lead_and_roots_pay_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_embedded(&folder.path().join("store"), EmbeddedOptions::default()).unwrap();
        let parts = Parts {
            store,
            clock: Arc::new(SystemClock),
            policies: None,
            api: None,
            options: Options::default(),
        };
        let dynamodb = DynamoDb::start(parts).await.unwrap();
        let wanted = json!({
            "TableName": "things", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
            "AttributeDefinitions": [{"AttributeName": "p", "AttributeType": "S"}, {"AttributeName": "s", "AttributeType": "S"}],
        });
        crate::tables::create::create(Arc::clone(&dynamodb), user(), serde_json::from_value(wanted).unwrap())
            .await
            .unwrap();
        let input = json!({"TableName": "things", "Key": {"p": {"S": "mine"}, "s": {"S": "x"}}, "ProjectionExpression": "#a.b, c", "ExpressionAttributeNames": {"#a": "a"}});
        let input: GetItemInput = serde_json::from_value(input).unwrap();
        let mut asked = vec![access::get_item(&dynamodb, &user(), &input).unwrap()];
        resolve(&dynamodb, &user(), &mut asked).unwrap().await.unwrap();
        let told = |access: &Access, key: &str| access.conditions.get(key).cloned().unwrap_or_default();
        assert_eq!(told(&asked[0], LEADING_KEYS), ["mine"]);
        assert_eq!(told(&asked[0], ATTRIBUTES), ["a", "c"]);
        assert!(!asked[0].conditions.keys().any(|key| key.starts_with(KEY)));

        let input = json!({"TableName": "things", "KeyConditionExpression": "p = :p AND begins_with(s, :s)", "Select": "COUNT",
            "ExpressionAttributeValues": {":p": {"S": "mine"}, ":s": {"S": "y"}}});
        let input: QueryInput = serde_json::from_value(input).unwrap();
        let mut asked = vec![access::query(&dynamodb, &user(), &input).unwrap()];
        resolve(&dynamodb, &user(), &mut asked).unwrap().await.unwrap();
        assert_eq!(told(&asked[0], LEADING_KEYS), ["mine"]);
        assert_eq!(told(&asked[0], "dynamodb:Select"), ["COUNT"]);

        let input = json!({"RequestItems": {"things": [
            {"PutRequest": {"Item": {"p": {"S": "a"}, "s": {"S": "1"}, "v": {"N": "1"}}}},
            {"DeleteRequest": {"Key": {"p": {"S": "b"}, "s": {"S": "1"}}}},
        ]}});
        let input: BatchWriteItemInput = serde_json::from_value(input).unwrap();
        let mut asked = access::batch_write(&dynamodb, &user(), &input).unwrap();
        resolve(&dynamodb, &user(), &mut asked).unwrap().await.unwrap();
        assert_eq!(told(&asked[0], LEADING_KEYS), ["a", "b"]);

        let root = context(Principal::Root("000000000000".parse().unwrap()));
        let mut asked = access::batch_write(&dynamodb, &root, &input).unwrap();
        assert!(asked[0].conditions.is_empty() && resolve(&dynamodb, &root, &mut asked).is_none());
    }
}
