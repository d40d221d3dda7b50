//! `danbi table create`, `ls` and `drop`.

use super::{CreateArgs, DropArgs, LsArgs};
use crate::cli::failure::Failure;
use crate::cli::platform::Platform;
use serde_json::{Value, json};
use std::time::Duration;

/// How often a new table is asked whether it is there.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a new table may take.
const READY_TIME_OUT: Duration = Duration::from_secs(60);

/// Runs `create`.
pub async fn create(args: CreateArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let what = format!("cannot make the table {}", args.name);
    let mut keys = vec![attribute(&args.key, "HASH")?];
    if let Some(sort) = &args.sort {
        keys.push(attribute(sort, "RANGE")?);
    }
    let schema: Vec<&Value> = keys.iter().map(|(schema, _)| schema).collect();
    let definitions: Vec<&Value> = keys.iter().map(|(_, definition)| definition).collect();
    let platform = Platform::find_or_start(&args.target, &output).await?;
    let input = json!({
        "TableName": args.name,
        "KeySchema": schema,
        "AttributeDefinitions": definitions,
        "BillingMode": "PAY_PER_REQUEST",
    });
    platform.dynamodb(&what, "CreateTable", &input).await?;
    output.step(format!("waiting for the table {}", args.name));
    let ready = async {
        loop {
            let answer = platform
                .dynamodb(&what, "DescribeTable", &json!({"TableName": args.name}))
                .await?;
            if answer["Table"]["TableStatus"] == "ACTIVE" {
                return Ok::<Value, Failure>(answer);
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let late = |_| Failure::new(&what, format!("it is not ready after {} s", READY_TIME_OUT.as_secs()));
    let answer = tokio::time::timeout(READY_TIME_OUT, ready).await.map_err(late)??;
    output.done();
    output.line(format!("made the table {}", args.name));
    output.document(&json!({"table": args.name, "arn": answer["Table"]["TableArn"]}));
    Ok(())
}

/// The key schema's element and the attribute's definition of `NAME[:TYPE]`.
fn attribute(text: &str, role: &str) -> Result<(Value, Value), Failure> {
    let (name, kind) = text.rsplit_once(':').unwrap_or((text, "S"));
    if !matches!(kind, "S" | "N" | "B") || name.is_empty() {
        return Err(Failure::usage(
            format!("{text} is no key"),
            format!("{kind} is none of S (text), N (numbers) and B (bytes)"),
        )
        .next("write NAME, or NAME:N for numbers"));
    }
    Ok((
        json!({"AttributeName": name, "KeyType": role}),
        json!({"AttributeName": name, "AttributeType": kind}),
    ))
}

/// Runs `ls`.
pub async fn ls(args: LsArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let platform = Platform::find(&args.target).await?;
    let (mut names, mut input) = (Vec::new(), json!({}));
    loop {
        let answer = platform
            .dynamodb("cannot list the tables", "ListTables", &input)
            .await?;
        let page = answer["TableNames"].as_array().into_iter().flatten();
        names.extend(page.filter_map(Value::as_str).map(str::to_owned));
        match &answer["LastEvaluatedTableName"] {
            Value::String(last) => input = json!({"ExclusiveStartTableName": last}),
            _ => break,
        }
    }
    names.iter().for_each(|name| output.line(name));
    if names.is_empty() {
        output.warn("there is no table yet: `danbi table create NAME` makes one");
    }
    output.document(&json!({"tables": names}));
    Ok(())
}

/// Runs `drop`.
pub async fn drop(args: DropArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let platform = Platform::find(&args.target).await?;
    let what = format!("cannot remove the table {}", args.name);
    platform
        .dynamodb(&what, "DeleteTable", &json!({"TableName": args.name}))
        .await?;
    output.line(format!("removed the table {}", args.name));
    output.document(&json!({"table": args.name}));
    Ok(())
}
