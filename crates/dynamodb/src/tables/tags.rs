//! `TagResource`, `UntagResource`, `ListTagsOfResource`.

use super::catalog::TableRef;
use crate::keys::TableId;
use crate::{DynamoDb, Error, layout, shapes};
use danbi_core::{Arn, RequestContext, ServiceError};
use danbi_store::Transaction;
use danbi_wire::Empty;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most tags of a table.
const MAX_TAGS: usize = 50;
/// Tags in one answer of `ListTagsOfResource`.
const PAGE: usize = MAX_TAGS;

type Tags = BTreeMap<String, String>;

/// The table that a `ResourceArn` names.
pub(crate) fn table_of(arn: &str) -> Result<TableRef, Error> {
    let refused = || {
        Error::validation(format!(
            "One or more parameter values were invalid: Invalid ResourceArn: Invalid TableArn: Invalid ResourceArn provided as input {arn}"
        ))
    };
    if !arn.starts_with("arn:") {
        return Err(Error::validation(format!(
            "One or more parameter values were invalid: Invalid ResourceArn: ARNs must start with 'arn:': {arn}"
        )));
    }
    let parsed: Arn = arn.parse().map_err(|_| refused())?;
    // An index or a stream is named by its table's ARN and more; only tables have tags.
    if parsed
        .resource
        .strip_prefix("table/")
        .is_none_or(|name| name.contains('/'))
    {
        return Err(refused());
    }
    TableRef::from_arn(arn, "ResourceArn").map_err(|_| refused())
}

fn missing(arn: &str) -> Error {
    Error::ResourceNotFound(format!("Requested resource not found: ResourcArn: {arn} not found"))
}

fn check(tag: &shapes::Tag) -> Result<(), Error> {
    let constraint = |value: &str, member: &str, bound: &str| {
        Err(Error::constraint(
            value,
            &format!("tags.1.member.{member}"),
            format_args!("Member must have length {bound}"),
        ))
    };
    match tag.key.chars().count() {
        0 => return constraint("", "key", "greater than or equal to 1"),
        1..=128 => {}
        _ => return constraint(&tag.key, "key", "less than or equal to 128"),
    }
    if tag.value.chars().count() > 256 {
        return constraint(&tag.value, "value", "less than or equal to 256");
    }
    if tag.key.starts_with("aws:") {
        return Err(Error::validation(
            "One or more parameter values were invalid: Tag keys may not start with the reserved prefix aws:",
        ));
    }
    let fits = |text: &str| text.chars().all(|c| c.is_alphanumeric() || " _.:/=+-@".contains(c));
    if !fits(&tag.key) || !fits(&tag.value) {
        return Err(Error::validation(
            "One or more parameter values were invalid: Tag keys and values may only contain letters, white space, \
             numbers and the characters + - = . _ : / @",
        ));
    }
    Ok(())
}

fn check_count(count: usize) -> Result<(), Error> {
    if count <= MAX_TAGS {
        return Ok(());
    }
    Err(Error::validation(format!(
        "One or more parameter values were invalid: Too many tags: a table may have at most {MAX_TAGS}"
    )))
}

/// The tags of a table that is being made.
pub(super) fn of_new(given: &[shapes::Tag]) -> Result<Tags, Error> {
    given.iter().try_for_each(check)?;
    let tags: Tags = given.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect();
    if tags.len() < given.len() {
        return Err(Error::validation(
            "One or more parameter values were invalid: Duplicate tag keys are not allowed",
        ));
    }
    check_count(tags.len())?;
    Ok(tags)
}

pub(super) fn put(tx: &Transaction, table: TableId, tags: &Tags) -> Result<(), Error> {
    tx.put(&layout::tags(table), serde_json::to_vec(tags).map_err(Error::internal)?)?;
    Ok(())
}

fn decode(value: Option<impl AsRef<[u8]>>) -> Result<Tags, Error> {
    match value {
        Some(value) => serde_json::from_slice(value.as_ref()).map_err(Error::internal),
        None => Ok(Tags::new()),
    }
}

impl DynamoDb {
    async fn change_tags(&self, arn: &str, change: impl Fn(&mut Tags) + Sync) -> Result<(), Error> {
        let table = table_of(arn)?;
        self.store
            .transact(async |tx| {
                let record = self.catalog.find(&tx, &table).await?.ok_or_else(|| missing(arn))?;
                let mut tags = decode(tx.get(&layout::tags(record.id)).await?)?;
                change(&mut tags);
                check_count(tags.len())?;
                put(&tx, record.id, &tags)
            })
            .await
    }
}

/// `TagResource`.
pub(crate) async fn tag(
    dynamodb: Arc<DynamoDb>,
    _context: RequestContext,
    input: shapes::TagResourceInput,
) -> Result<Empty, ServiceError> {
    if input.tags.is_empty() {
        return Err(Error::validation(
            "One or more parameter values were invalid: Atleast one tag needs to be provided as input",
        )
        .into());
    }
    let added = of_new(&input.tags)?;
    dynamodb
        .change_tags(&input.resource_arn, |tags| tags.extend(added.clone()))
        .await?;
    Ok(Empty {})
}

/// `UntagResource`.
pub(crate) async fn untag(
    dynamodb: Arc<DynamoDb>,
    _context: RequestContext,
    input: shapes::UntagResourceInput,
) -> Result<Empty, ServiceError> {
    if input.tag_keys.is_empty() {
        return Err(Error::validation(
            "One or more parameter values were invalid: Atleast one tag key needs to be provided as input",
        )
        .into());
    }
    dynamodb
        .change_tags(&input.resource_arn, |tags| {
            tags.retain(|key, _| !input.tag_keys.contains(key))
        })
        .await?;
    Ok(Empty {})
}

/// `ListTagsOfResource`.
pub(crate) async fn list(
    dynamodb: Arc<DynamoDb>,
    _context: RequestContext,
    input: shapes::ListTagsOfResourceInput,
) -> Result<shapes::ListTagsOfResourceOutput, ServiceError> {
    let table = table_of(&input.resource_arn)?;
    let snapshot = dynamodb.store.snapshot().await.map_err(Error::from)?;
    let record = dynamodb.catalog.find_in(&snapshot, &table).await?;
    let record = record.ok_or_else(|| missing(&input.resource_arn))?;
    let tags = decode(snapshot.get(&layout::tags(record.id)).await.map_err(Error::from)?)?;
    // The token is the last key of the page before.
    let mut rest = tags
        .into_iter()
        .filter(|(key, _)| input.next_token.as_ref().is_none_or(|after| key > after))
        .map(|(key, value)| shapes::Tag { key, value });
    let page: Vec<shapes::Tag> = rest.by_ref().take(PAGE).collect();
    Ok(shapes::ListTagsOfResourceOutput {
        next_token: rest.next().and_then(|_| page.last().map(|tag| tag.key.clone())),
        tags: Some(page),
    })
}
