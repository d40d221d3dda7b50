use crate::bucket_config::{self, kind};
use crate::ids::BucketId;
use crate::records::{self, Bucket, Listed, Versioning, View};
use crate::shapes::{CreateBucketOutput, CreateBucketRequest, OwnershipControls, OwnershipControlsRule};
use crate::{Error, Result, S3, keys, names};
use danbi_core::{RequestContext, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The region whose endpoint takes any location, and the one where making one's own bucket again is no error.
const HOME: &str = "us-east-1";
/// What `EU` means, a name from before there were regions.
const EU: &str = "eu-west-1";

const OWNERSHIPS: [&str; 3] = ["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"];

/// CreateBucket.
pub(crate) async fn create(
    s3: Arc<S3>,
    context: RequestContext,
    input: CreateBucketRequest,
) -> Result<CreateBucketOutput> {
    let name = input.bucket.as_str();
    names::check_bucket_name(name)?;
    let wanted = input.create_bucket_configuration.as_ref();
    let region = region(
        context.scope.region.as_str(),
        wanted.and_then(|wanted| wanted.location_constraint.as_deref()),
    )?;
    let ownership = match input.object_ownership.as_deref() {
        None => OWNERSHIPS[0],
        Some(given) if OWNERSHIPS.contains(&given) => given,
        Some(given) => {
            let message = format!("Invalid x-amz-object-ownership header: {given}");
            return Err(Error::client("InvalidArgument", 400, message).with("ArgumentName", "x-amz-object-ownership"));
        }
    };
    let bucket = Bucket {
        id: BucketId::new(),
        owner: context.scope.account.to_string(),
        region,
        created: whole_second(s3.now()),
        versioning: if input.object_lock_enabled_for_bucket == Some(true) {
            Versioning::Enabled
        } else {
            Versioning::Never
        },
        object_lock: input.object_lock_enabled_for_bucket == Some(true),
        configured: BTreeSet::new(),
    };
    let again = wanted.and_then(|wanted| wanted.tags.as_ref()).is_none_or(Vec::is_empty);
    s3.store
        .transact(async |tx| {
            if let Some(old) = tx.record::<Bucket>(&keys::bucket(name)).await? {
                return if old.owner != bucket.owner {
                    Err(Error::bucket_already_exists(name))
                } else if old.region == HOME && bucket.region == HOME && again {
                    Ok(())
                } else {
                    Err(Error::bucket_already_owned_by_you(name))
                };
            }
            let mut bucket = bucket.clone();
            tx.put(&keys::bucket(name), records::encode(&bucket)?)?;
            tx.put(
                &keys::owned(&bucket.owner, name),
                records::encode(&Listed {
                    created: bucket.created,
                    region: bucket.region.clone(),
                })?,
            )?;
            let controls = OwnershipControls {
                rules: vec![OwnershipControlsRule {
                    object_ownership: ownership.to_owned(),
                }],
            };
            bucket_config::put(&tx, name, &mut bucket, kind::OWNERSHIP, &controls)
        })
        .await?;
    let location = if bucket.region == HOME {
        format!("/{name}")
    } else {
        format!("http://{name}.s3.amazonaws.com/")
    };
    Ok(CreateBucketOutput {
        location: Some(location),
        bucket_arn: Some(names::bucket_arn(name)),
    })
}

/// Where the bucket is to be: what the request says, which must agree with the endpoint's region.
fn region(endpoint: &str, constraint: Option<&str>) -> Result<String> {
    let incompatible = |constraint: &str| {
        let message = format!(
            "The {constraint} location constraint is incompatible for the region specific endpoint this request was \
             sent to."
        );
        Error::client("IllegalLocationConstraintException", 400, message)
    };
    match constraint.filter(|constraint| !constraint.is_empty()) {
        None if endpoint == HOME => Ok(HOME.into()),
        None => Err(incompatible("unspecified")),
        Some("EU") if endpoint == HOME || endpoint == EU => Ok("EU".into()),
        Some(constraint) if endpoint == HOME => {
            if constraint != HOME && names::is_region(constraint) {
                return Ok(constraint.to_owned());
            }
            let message = "The specified location-constraint is not valid";
            Err(Error::client("InvalidLocationConstraint", 400, message).with("LocationConstraint", constraint))
        }
        Some(constraint) if constraint == endpoint => Ok(constraint.to_owned()),
        Some(constraint) => Err(incompatible(constraint)),
    }
}

/// AWS gives a bucket's creation to the second.
fn whole_second(now: Timestamp) -> Timestamp {
    Timestamp::from_millis(now.as_secs() * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_location_agrees_with_the_endpoint() {
        let code = |endpoint, constraint| region(endpoint, constraint).unwrap_err().code();
        assert_eq!(region(HOME, None).unwrap(), HOME);
        assert_eq!(region(HOME, Some("")).unwrap(), HOME);
        assert_eq!(region(HOME, Some("ap-southeast-2")).unwrap(), "ap-southeast-2");
        assert_eq!(region("eu-west-1", Some("EU")).unwrap(), "EU");
        assert_eq!(region("eu-west-1", Some("eu-west-1")).unwrap(), "eu-west-1");
        assert_eq!(code(HOME, Some(HOME)), Some("InvalidLocationConstraint"));
        assert_eq!(code(HOME, Some("foo")), Some("InvalidLocationConstraint"));
        let illegal = Some("IllegalLocationConstraintException");
        assert_eq!(code("eu-west-1", None), illegal);
        assert_eq!(code("eu-west-1", Some("bar")), illegal);
        assert_eq!(code("eu-central-1", Some("EU")), illegal);
    }
}
