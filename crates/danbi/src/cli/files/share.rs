//! `danbi files sign` and `danbi files public`.

use super::copy::missing;
use super::location::Remote;
use super::{PublicArgs, SignArgs};
use crate::cli::failure::Failure;
use crate::cli::platform::Platform;
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// The longest life of a signed URL.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// Runs `sign`.
pub async fn sign(args: SignArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let at = Remote::object(&args.at)?;
    if args.expires > LONGEST || args.expires.is_zero() {
        return Err(
            Failure::usage("a URL cannot be signed for that long", "S3 takes 1 second to 7 days")
                .next(format!("danbi files sign {at} --expires 7d")),
        );
    }
    let platform = Platform::find(&args.target).await?;
    let method = if args.put { Method::PUT } else { Method::GET };
    if !args.put && platform.head_object(&at.bucket, &at.key).await?.is_none() {
        return Err(missing(&at).next("put it there first, or sign a URL that stores it with --put"));
    }
    // Seven days at most: it fits.
    let seconds = args.expires.as_secs() as u32;
    let url = platform.presigned(&method, &at.bucket, &at.key, seconds);
    output.document(&json!({"url": url, "method": method.as_str(), "expiresIn": seconds}));
    output.line(url);
    Ok(())
}

/// Runs `public`.
pub async fn public(args: PublicArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let at = Remote::parse(&args.at)?;
    let platform = Platform::find(&args.target).await?;
    let resource = match at.key.is_empty() || at.key.ends_with('/') {
        true => format!("arn:aws:s3:::{}/{}*", at.bucket, at.key),
        false => format!("arn:aws:s3:::{at}"),
    };
    let policy = platform.bucket_policy(&at.bucket).await?;
    let policy = match args.off {
        true => without(policy, &resource),
        false => {
            platform.allow_public_policy(&at.bucket).await?;
            Some(with(policy, &resource))
        }
    };
    platform.set_bucket_policy(&at.bucket, policy.as_ref()).await?;
    let url = platform.object_url(&at.bucket, &at.key);
    output.document(&json!({"url": url, "public": !args.off, "resource": resource}));
    match args.off {
        true => output.line(format!("{at} is no longer public")),
        false => output.line(url),
    }
    Ok(())
}

/// Statements of this verb bear this name, so that it finds them again.
const NAME: &str = "DanbiFilesPublic";

/// The policy with a statement that lets anyone read `resource`.
fn with(policy: Option<Value>, resource: &str) -> Value {
    let mut resources = ours(policy.as_ref());
    if !resources.iter().any(|known| known == resource) {
        resources.push(resource.to_owned());
    }
    assembled(policy, resources)
}

/// The policy without it; `None` when nothing is left.
fn without(policy: Option<Value>, resource: &str) -> Option<Value> {
    let mut resources = ours(policy.as_ref());
    resources.retain(|known| known != resource);
    let policy = assembled(policy, resources);
    let empty = policy["Statement"].as_array().is_none_or(Vec::is_empty);
    (!empty).then_some(policy)
}

/// What this verb has made public.
fn ours(policy: Option<&Value>) -> Vec<String> {
    let statements = policy.map(statements).unwrap_or_default();
    let own = statements.iter().find(|statement| statement["Sid"] == NAME);
    match own.map(|statement| &statement["Resource"]) {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many.iter().filter_map(|one| Some(one.as_str()?.to_owned())).collect(),
        _ => Vec::new(),
    }
}

fn assembled(policy: Option<Value>, resources: Vec<String>) -> Value {
    let mut policy = policy.unwrap_or_else(|| json!({"Version": "2012-10-17"}));
    let mut statements = statements(&policy);
    statements.retain(|statement| statement["Sid"] != NAME);
    if !resources.is_empty() {
        statements.push(
            json!({"Sid": NAME, "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": resources}),
        );
    }
    policy["Statement"] = statements.into();
    policy
}

fn statements(policy: &Value) -> Vec<Value> {
    match &policy["Statement"] {
        Value::Array(many) => many.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_into_the_policy_stays() {
        let theirs = json!({"Version": "2012-10-17", "Statement": {"Sid": "Theirs", "Effect": "Deny"}});
        let both = with(with(Some(theirs), "a").into(), "b");
        assert_eq!(both["Statement"].as_array().unwrap().len(), 2);
        assert_eq!(ours(Some(&both)), ["a", "b"]);
        assert_eq!(with(Some(both.clone()), "b"), both);
        let one = without(Some(both), "a");
        let none = without(one, "b").unwrap();
        assert_eq!(none["Statement"][0]["Sid"], "Theirs");
        assert_eq!(without(Some(with(None, "a")), "a"), None);
    }
}
