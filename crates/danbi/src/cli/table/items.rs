//! `danbi table put`, `get`, `delete`, `query` and `scan`.

use super::plain::{NotTaken, key_value, plain_item, read, typed_item};
use super::{ItemArgs, PutArgs, QueryArgs, ScanArgs};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::platform::{Platform, TableKey};
use serde_json::{Map, Value, json};
use std::io::Read;

/// The longest item that is read from standard input, in bytes.
const MAX_INPUT: u64 = 4 * 1024 * 1024;
/// The most items that one page is asked for; no page of 1 MB holds so many.
const MAX_LIMIT: usize = 1_000_000;

/// Runs `put`.
pub async fn put(args: PutArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let text = match args.item.as_str() {
        "-" => {
            let mut text = String::new();
            let taken = std::io::stdin().take(MAX_INPUT).read_to_string(&mut text);
            taken.map_err(|error| Failure::new("cannot read the item from standard input", error))?;
            text
        }
        text => text.to_owned(),
    };
    let item = read(&text).map_err(|error| match error {
        NotTaken::Json(error) => Failure::usage("the item is no JSON", error)
            .next("write it as '{\"id\": \"a\", \"n\": 1}', quotes included"),
        rounded => Failure::usage("cannot take the item", rounded),
    })?;
    let platform = Platform::find(&args.target).await?;
    let key = platform.table_key(&args.table, None).await?;
    let input = json!({"TableName": args.table, "Item": typed_item(&item, &key)?});
    platform.dynamodb("cannot store the item", "PutItem", &input).await?;
    output.document(&json!({"stored": 1}));
    Ok(())
}

/// The typed key that the command line names.
fn item_key(args: &ItemArgs, key: &TableKey) -> Result<Value, Failure> {
    let mut fields = Map::new();
    let (name, kind) = &key.partition;
    fields.insert(name.clone(), key_value(name, kind, &Value::String(args.key.clone()))?);
    match (&key.sort, &args.sort) {
        (Some((name, kind)), Some(value)) => {
            fields.insert(name.clone(), key_value(name, kind, &Value::String(value.clone()))?);
        }
        (Some((name, _)), None) => {
            return Err(Failure::usage(
                format!("the key of {} has two parts", args.table),
                format!("the value of {name} is missing"),
            )
            .next(format!(
                "give it as well, or show all with `danbi table query {} {}`",
                args.table, args.key
            )));
        }
        (None, Some(value)) => {
            let why = format!("there is no sort key for {value}");
            return Err(Failure::usage(format!("the key of {} has one part", args.table), why));
        }
        (None, None) => {}
    }
    Ok(Value::Object(fields))
}

/// Runs `get`.
pub async fn get(args: ItemArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let platform = Platform::find(&args.target).await?;
    let key = platform.table_key(&args.table, None).await?;
    let input = json!({"TableName": args.table, "Key": item_key(&args, &key)?, "ConsistentRead": true});
    let answer = platform.dynamodb("cannot fetch the item", "GetItem", &input).await?;
    let Some(item) = answer.get("Item") else {
        let sort = args.sort.as_deref().map(|sort| format!(" {sort}")).unwrap_or_default();
        return Err(Failure::new(
            format!("there is no item {}{sort} in {}", args.key, args.table),
            "nothing has this key",
        )
        .next(format!("`danbi table scan {}` shows what there is", args.table)));
    };
    let item = plain_item(item);
    output.line(&item);
    output.document(&item);
    Ok(())
}

/// Runs `delete`.
pub async fn delete(args: ItemArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let platform = Platform::find(&args.target).await?;
    let key = platform.table_key(&args.table, None).await?;
    let input = json!({"TableName": args.table, "Key": item_key(&args, &key)?, "ReturnValues": "ALL_OLD"});
    let answer = platform
        .dynamodb("cannot remove the item", "DeleteItem", &input)
        .await?;
    let removed = usize::from(answer.get("Attributes").is_some());
    if removed == 0 {
        output.warn("nothing had this key");
    }
    output.document(&json!({"removed": removed}));
    Ok(())
}

/// Runs `query`.
pub async fn query(args: QueryArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let platform = Platform::find(&args.target).await?;
    let key = platform.table_key(&args.table, args.index.as_deref()).await?;
    let (mut condition, mut names, mut values) = ("#p = :p".to_owned(), Map::new(), Map::new());
    let (name, kind) = &key.partition;
    names.insert("#p".into(), json!(name));
    values.insert(":p".into(), key_value(name, kind, &json!(args.key))?);
    let sort = match (&args.begins_with, &args.from, &args.to) {
        (None, None, None) => None,
        (Some(prefix), _, _) => Some((" AND begins_with(#s, :a)", vec![prefix])),
        (None, Some(from), Some(to)) => Some((" AND #s BETWEEN :a AND :b", vec![from, to])),
        (None, Some(from), None) => Some((" AND #s >= :a", vec![from])),
        (None, None, Some(to)) => Some((" AND #s <= :a", vec![to])),
    };
    if let Some((clause, bounds)) = sort {
        let Some((name, kind)) = &key.sort else {
            return Err(Failure::usage(
                format!("{} has no sort key", args.table),
                "--begins-with, --from and --to are about it",
            ));
        };
        condition.push_str(clause);
        names.insert("#s".into(), json!(name));
        for (placeholder, bound) in [":a", ":b"].into_iter().zip(bounds) {
            values.insert(placeholder.into(), key_value(name, kind, &json!(bound))?);
        }
    }
    let mut input = json!({
        "TableName": args.table,
        "KeyConditionExpression": condition,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
        "ScanIndexForward": !args.reverse,
    });
    if let Some(index) = &args.index {
        input["IndexName"] = json!(index);
    }
    show(&platform, "Query", input, args.limit, &output).await
}

/// Runs `scan`.
pub async fn scan(args: ScanArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let platform = Platform::find(&args.target).await?;
    let mut input = json!({"TableName": args.table});
    if let Some(index) = &args.index {
        input["IndexName"] = json!(index);
    }
    show(&platform, "Scan", input, args.limit, &output).await
}

/// Prints the items of all pages, one a line, as they come.
async fn show(
    platform: &Platform,
    operation: &str,
    mut input: Value,
    limit: Option<usize>,
    output: &Output,
) -> Result<(), Failure> {
    let mut left = limit.unwrap_or(usize::MAX);
    while left > 0 {
        if limit.is_some() {
            input["Limit"] = json!(left.min(MAX_LIMIT));
        }
        let page = platform.dynamodb("cannot read the items", operation, &input).await?;
        for item in page["Items"].as_array().into_iter().flatten() {
            let item = plain_item(item);
            output.event(&item, &item);
            left = left.saturating_sub(1);
        }
        match page.get("LastEvaluatedKey") {
            Some(last) => input["ExclusiveStartKey"] = last.clone(),
            None => break,
        }
    }
    Ok(())
}
