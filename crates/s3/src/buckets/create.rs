use crate::acl::{self, Acl, acl_headers};
use crate::bucket_config::{self, kind};
use crate::ids::BucketId;
use crate::ownership::{self, Ownership};
use crate::public_access::Blocks;
use crate::records::{self, Bucket, Listed, Versioning, View};
use crate::shapes::{CreateBucketOutput, CreateBucketRequest, Tag, Tagging};
use crate::{Error, NewBuckets, Result, S3, keys, names, tags};
use danbi_core::{RequestContext, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The region whose endpoint takes any location, and the one where making one's own bucket again is no error.
const HOME: &str = "us-east-1";
/// What `EU` means, a name from before there were regions.
const EU: &str = "eu-west-1";

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
    let (ownership, public_access) = guards(
        s3.options.new_buckets,
        input.object_ownership.as_deref(),
        input.acl.as_deref(),
    )?;
    let list = list(&s3, &context, &input, ownership, public_access)?;
    let given_tags = wanted.and_then(|wanted| wanted.tags.as_deref()).unwrap_or_default();
    check_tags(given_tags)?;
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
        no_usual_encryption: s3.options.new_buckets == NewBuckets::Open,
        ownership,
        public_access,
        policy: None,
        configured: BTreeSet::new(),
    };
    s3.store
        .transact(async |tx| {
            if let Some(mut old) = tx.record::<Bucket>(&keys::bucket(name)).await? {
                let kept = s3.options.dialect.keeps_lists();
                let in_the_way = kept && bucket_config::get::<Acl>(&tx, &old, kind::ACL).await? != list;
                return if old.owner != bucket.owner || in_the_way {
                    Err(Error::bucket_already_exists(name))
                } else if old.region == HOME && bucket.region == HOME && given_tags.is_empty() {
                    // Making one's own bucket again sets its list anew, where lists count, and changes nothing else.
                    match &list {
                        Some(list) if old.has_lists() => bucket_config::put(&tx, name, &mut old, kind::ACL, list),
                        _ => bucket_config::delete(&tx, name, &mut old, kind::ACL),
                    }
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
            if let Some(list) = &list {
                bucket_config::put(&tx, name, &mut bucket, kind::ACL, list)?;
            }
            if !given_tags.is_empty() {
                let tagging = Tagging {
                    tag_set: given_tags.to_vec(),
                };
                bucket_config::put(&tx, name, &mut bucket, kind::TAGGING, &tagging)?;
            }
            Ok(())
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

/// What the new bucket guards against: as the platform's setting has it, but for the ownership that the request names.
///
/// A request for a private bucket that says nothing of ownership gets lists that count: clients that send `private` then
/// send it with every object, which a bucket without lists refuses.
fn guards(setting: NewBuckets, given: Option<&str>, acl: Option<&str>) -> Result<(Option<Ownership>, Option<Blocks>)> {
    let (usual, blocks) = match setting {
        NewBuckets::Guarded => (Some(Ownership::BucketOwnerEnforced), Some(Blocks::ALL)),
        NewBuckets::Open => (None, None),
    };
    let Some(given) = given else {
        let listed = usual.filter(|_| acl == Some("private"));
        return Ok((listed.map(|_| Ownership::BucketOwnerPreferred).or(usual), blocks));
    };
    match Ownership::parse(given) {
        Some(ownership) => Ok((Some(ownership), blocks)),
        None => {
            let message = format!("Invalid x-amz-object-ownership header: {given}");
            Err(Error::client("InvalidArgument", 400, message).with("ArgumentName", "x-amz-object-ownership"))
        }
    }
}

/// The list that the request gives the new bucket, unless it is the owner's alone.
fn list(
    s3: &S3,
    context: &RequestContext,
    input: &CreateBucketRequest,
    ownership: Option<Ownership>,
    blocks: Option<Blocks>,
) -> Result<Option<Acl>> {
    let owner = acl::canonical_id(context.scope.account.as_str(), &*s3.accounts);
    let given = acl_headers!(input).read(&owner, &owner, &*s3.accounts)?;
    let Some(given) = given.filter(|given| *given != Acl::private(&owner)) else {
        return Ok(None);
    };
    if ownership == Some(Ownership::BucketOwnerEnforced) {
        return Err(ownership::list_in_the_way());
    }
    if given.is_public() && blocks.is_some_and(|blocks| blocks.public_acls) {
        let message = "Bucket cannot have public ACLs set with BlockPublicAccess enabled";
        return Err(Error::client(
            "InvalidBucketAclWithBlockPublicAccessError",
            400,
            message,
        ));
    }
    Ok(Some(given))
}

/// A bucket's first tags have a refusal of their own for the reserved prefix.
fn check_tags(given: &[Tag]) -> Result<()> {
    if given.iter().any(|tag| tags::is_system_tag(&tag.key)) {
        let message = "User-defined tag keys can't start with \"aws:\". This prefix is reserved for system tags. Remove \
                       \"aws:\" from your tag keys and try again.";
        return Err(Error::client("InvalidTag", 400, message));
    }
    tags::check_bucket_tags(given)
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
