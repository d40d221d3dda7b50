//! PutParameter.

use super::tags;
use crate::error::{Error, Result};
use crate::policies::{self, Policy};
use crate::records::{Version, View, put};
use crate::shapes::{PutParameterRequest, PutParameterResult};
use crate::{MOST_VERSIONS, Ssm, keys, names, secrets};
use danbi_core::{RequestContext, Scope};
use danbi_store::Transaction;
use std::sync::Arc;
use uuid::Uuid;

/// Bytes of a value. Source: <https://docs.aws.amazon.com/general/latest/gr/ssm.html>.
const STANDARD_BYTES: usize = 4_096;
const ADVANCED_BYTES: usize = 8_192;
/// How often a pattern may go back while it looks at a value.
const BACKTRACKS: usize = 100_000;
/// The key that AWS would manage.
const MANAGED_KEY: &str = "alias/aws/ssm";

/// PutParameter.
pub(crate) async fn put_parameter(
    ssm: Arc<Ssm>,
    context: RequestContext,
    input: PutParameterRequest,
) -> Result<PutParameterResult> {
    let overwrite = input.overwrite.unwrap_or_default();
    names::check_new(&input.name)?;
    if input.value.is_empty() {
        return Err(Error::validation(
            "1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member must have length \
             greater than or equal to 1.",
        ));
    }
    let given_tags = tags::read(input.tags.as_deref().unwrap_or_default())?;
    if overwrite && input.tags.as_ref().is_some_and(|tags| !tags.is_empty()) {
        return Err(Error::validation(
            "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove \
             overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or \
             RemoveTagsFromResource.",
        ));
    }
    let data_type = input.data_type.as_deref().filter(|kind| !kind.is_empty());
    match data_type {
        None | Some("text" | "aws:ssm:integration") => {}
        Some("aws:ec2:image") => {
            return Err(Error::not_built(
                "The data type aws:ec2:image is not built: there is no EC2.",
            ));
        }
        Some(other) => {
            return Err(Error::validation(format!(
                "The following data type is not supported: {other} (Data type names are all lowercase.)"
            )));
        }
    }
    let name = names::key_name(&input.name).to_owned();
    let scope = &context.scope;
    let before: Option<Version> = ssm.snapshot().await?.record(&keys::parameter(scope, &name)).await?;
    let before = before.filter(|before| !before.is_expired(ssm.now()));
    let mut version = next(&ssm, &context, &input, before.as_ref())?;
    if version.is_secret() {
        let key = version.key_id.as_deref();
        let arn = version.arn(scope);
        version.value = secrets::seal(
            &ssm,
            &context,
            key.filter(|key| *key != MANAGED_KEY),
            &input.value,
            &arn,
        )
        .await?;
    }
    let (ssm_, name, version, given_tags) = (&*ssm, &name, &version, &given_tags);
    let expected = before.map(|before| before.id);
    let number = ssm
        .store
        .transact(async |tx: Transaction| {
            let there: Option<Version> = tx.record(&keys::parameter(scope, name)).await?;
            if let Some(expired) = there.as_ref().filter(|there| there.is_expired(ssm_.now())) {
                super::delete::remove(ssm_, &tx, scope, name, expired)?;
            }
            let there = there.filter(|there| !there.is_expired(ssm_.now()));
            if there.is_some() && !overwrite {
                return Err(exists());
            }
            if there.as_ref().map(|there| there.id) != expected {
                // What was not given was taken from a version that is not the newest any more.
                return Err(Error::client(
                    "TooManyUpdates",
                    "The parameter is being changed by other requests. Try again.",
                ));
            }
            let mut version = version.clone();
            version.number = there.as_ref().map_or(1, |there| there.number + 1);
            make_room(&tx, scope, name, version.number).await?;
            put(&tx, &keys::version(scope, name, version.number), &version)?;
            put(&tx, &keys::parameter(scope, name), &version)?;
            if !given_tags.is_empty() {
                put(&tx, &keys::tags(scope, name), given_tags)?;
            }
            for (place, policy) in version.policies.iter().enumerate() {
                let key = keys::due(policy.at, scope, name, version.number, place);
                tx.put(&key, version.id.as_bytes().to_vec())?;
            }
            let operation = if there.is_some() { "Update" } else { "Create" };
            ssm_.tell(&tx, scope, operation, &version)?;
            Ok(version.number)
        })
        .await?;
    ssm.outbox.ring();
    Ok(PutParameterResult {
        version: Some(number),
        tier: Some(version.tier.clone()),
    })
}

fn exists() -> Error {
    Error::client(
        "ParameterAlreadyExists",
        "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
    )
}

/// The version that a request wants: what it does not say is as it was.
fn next(ssm: &Ssm, context: &RequestContext, input: &PutParameterRequest, before: Option<&Version>) -> Result<Version> {
    if before.is_some() && !input.overwrite.unwrap_or_default() {
        return Err(exists());
    }
    let now = ssm.now();
    let kind = match (&input.r#type, before) {
        (Some(kind), _) => kind.clone(),
        (None, Some(before)) => before.kind.clone(),
        (None, None) => {
            return Err(Error::validation(
                "A parameter type is required when you create a parameter.",
            ));
        }
    };
    let key_id = match (kind.as_str(), &input.key_id) {
        ("SecureString", Some(key)) => Some(key.clone()),
        ("SecureString", None) => before
            .and_then(|before| before.key_id.clone())
            .or_else(|| Some(MANAGED_KEY.to_owned())),
        (_, Some(_)) => {
            return Err(Error::validation(
                "KeyId is required for SecureString type parameter only.",
            ));
        }
        (_, None) => None,
    };
    let kept = |given: &Option<String>, before: Option<&String>| match given {
        Some(given) => Some(given.clone()).filter(|given| !given.is_empty()),
        None => before.cloned(),
    };
    let allowed_pattern = kept(
        &input.allowed_pattern,
        before.and_then(|before| before.allowed_pattern.as_ref()),
    );
    if let Some(pattern) = &allowed_pattern {
        check_pattern(pattern, &input.value)?;
    }
    let policies = match &input.policies {
        Some(text) => policies::read(text, now)?,
        None => before.map_or_else(Vec::new, |before| renewed(&before.policies, before, now)),
    };
    let tier = tier(input, before, !policies.is_empty())?;
    Ok(Version {
        name: before.map_or_else(|| input.name.clone(), |before| before.name.clone()),
        number: 0,
        id: Uuid::new_v4(),
        value: if kind == "SecureString" {
            String::new()
        } else {
            input.value.clone()
        },
        kind,
        key_id,
        description: kept(
            &input.description,
            before.and_then(|before| before.description.as_ref()),
        ),
        allowed_pattern,
        tier: tier.to_owned(),
        data_type: kept(&input.data_type, before.map(|before| &before.data_type)).unwrap_or_else(|| "text".into()),
        policies,
        modified: now,
        by: context.principal.arn().unwrap_or_default(),
    })
}

/// The policies that go on: how long nothing was changed begins anew.
fn renewed(policies: &[Policy], before: &Version, now: danbi_core::Timestamp) -> Vec<Policy> {
    let renew = |policy: &Policy| match policy.kind.as_str() {
        "NoChangeNotification" => Policy {
            at: now.plus_millis(policy.at.as_millis() - before.modified.as_millis()),
            finished: false,
            ..policy.clone()
        },
        _ => policy.clone(),
    };
    policies.iter().map(renew).collect()
}

/// The tier that a value and its policies need, unless the request says which.
fn tier(input: &PutParameterRequest, before: Option<&Version>, has_policies: bool) -> Result<&'static str> {
    let was_advanced = before.is_some_and(|before| before.tier == "Advanced");
    let needs_advanced = has_policies || input.value.len() > STANDARD_BYTES;
    let tier = match input.tier.as_deref() {
        Some("Standard") if was_advanced => {
            return Err(Error::validation(
                "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the \
                 advanced-parameter tier to the standard-parameter tier. If necessary, you can delete the advanced \
                 parameter and recreate it as a standard parameter. Be aware that deletion removes all its versions.",
            ));
        }
        Some("Advanced") => "Advanced",
        Some("Intelligent-Tiering") if was_advanced || needs_advanced => "Advanced",
        None if was_advanced => "Advanced",
        _ => "Standard",
    };
    let most = if tier == "Advanced" {
        ADVANCED_BYTES
    } else {
        STANDARD_BYTES
    };
    if tier == "Standard" && has_policies {
        return Err(Error::validation(
            "Standard tier parameters don't support parameter policies. To use parameter policies, upgrade the parameter \
             to use the advanced-parameter tier. For more information, see \
             https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html",
        ));
    }
    if input.value.len() <= most {
        return Ok(tier);
    }
    Err(Error::validation(if tier == "Standard" {
        "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter value, \
         upgrade the parameter to use the advanced-parameter tier. For more information, see \
         https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"
    } else {
        "Advanced tier parameters support a maximum parameter value of 8192 characters."
    }))
}

fn check_pattern(pattern: &str, value: &str) -> Result<()> {
    let compiled = fancy_regex::RegexBuilder::new(&format!("\\A(?:{pattern})\\z"))
        .backtrack_limit(BACKTRACKS)
        .build();
    let compiled = compiled.map_err(|_| {
        Error::client(
            "InvalidAllowedPatternException",
            "The request doesn't meet the regular expression requirement.",
        )
    })?;
    // A pattern that goes back without end has not matched.
    if compiled.is_match(value).unwrap_or_default() {
        return Ok(());
    }
    Err(Error::client(
        "ParameterPatternMismatchException",
        format!("Parameter value, cannot be validated against allowedPattern: {pattern}"),
    ))
}

/// Removes the version that falls out of the history, unless a label holds it.
async fn make_room(tx: &Transaction, scope: &Scope, name: &str, number: i64) -> Result<()> {
    let oldest = number - MOST_VERSIONS;
    if oldest < 1 {
        return Ok(());
    }
    for (_, value) in tx.all(keys::labels(scope, name)).await? {
        if crate::records::decode::<i64>(&value)? == oldest {
            return Err(Error::client(
                "ParameterMaxVersionLimitExceeded",
                format!(
                    "You attempted to create a new version of {name} by calling the PutParameter API with the overwrite \
                     flag. Version {oldest}, the oldest version, can't be deleted because it has a label associated with \
                     it. Move the label to another version of the parameter, and try again."
                ),
            ));
        }
    }
    Ok(tx.delete(&keys::version(scope, name, oldest))?)
}
