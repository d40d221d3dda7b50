use super::delete::{Removal, Removed, tell};
use crate::records::Versioning;
use crate::shapes::{self, DeleteObjectsOutput, DeleteObjectsRequest, DeletedObject, ObjectIdentifier};
use crate::{Error, Result, S3, names};
use danbi_core::{Access, RequestContext, ServiceError};
use std::sync::Arc;

/// The most keys of a request.
const MAX_KEYS: usize = 1000;
/// Keys that one transaction deletes.
const AT_ONCE: usize = 250;

/// DeleteObjects: each key for itself, with an answer of its own.
pub(crate) async fn delete_many(
    s3: Arc<S3>,
    context: RequestContext,
    input: DeleteObjectsRequest,
) -> Result<DeleteObjectsOutput> {
    let named = &input.delete.objects;
    if named.is_empty() || named.len() > MAX_KEYS {
        return Err(Error::malformed_xml());
    }
    let owner = input.expected_bucket_owner.as_deref();
    let bypass = input.bypass_governance_retention;
    {
        let view = s3.snapshot().await?;
        // AWS refuses the bypass header on a bucket without Object Lock, here as for one object. Many clean-up scripts
        // send it always, and where nothing is locked it asks for nothing.
        s3.bucket(&view, &context, &input.bucket, owner).await?;
    }
    let mut output = DeleteObjectsOutput::default();
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    let mut doomed = false;
    for batch in named.chunks(AT_ONCE) {
        let mut allowed = Vec::with_capacity(batch.len());
        for object in batch {
            match may_delete(&s3, &context, &input, object).await {
                Ok(()) => allowed.push(object),
                Err(error) => errors.push(failure(object, &error)),
            }
        }
        if allowed.is_empty() {
            continue;
        }
        let (outcomes, told) = s3
            .store
            .transact(async |tx| {
                let bucket = s3.bucket(&tx, &context, &input.bucket, owner).await?;
                let mut outcomes = Vec::with_capacity(allowed.len());
                let mut told = false;
                for object in &allowed {
                    let removal = Removal {
                        key: &object.key,
                        version: object.version_id.as_deref(),
                        if_match: object.e_tag.as_deref(),
                        bypass: bypass == Some(true),
                    };
                    let unknown = bucket.versioning == Versioning::Never
                        && object.version_id.as_deref().is_some_and(|id| id != "null");
                    let outcome = match unknown {
                        true => Ok(Removed {
                            unknown: true,
                            ..Removed::default()
                        }),
                        false => {
                            removal
                                .run(&tx, &bucket, context.scope.account.as_str(), s3.now())
                                .await
                        }
                    };
                    if let Ok(removed) = &outcome {
                        told |= tell(&s3, &tx, &context, (&input.bucket, &bucket), &object.key, removed).await?;
                    }
                    outcomes.push(match outcome {
                        Ok(removed) => Ok(removed),
                        Err(Error::Answer(answer)) => Err(*answer),
                        Err(fault) => return Err(fault),
                    });
                }
                Ok::<_, Error>((outcomes, told))
            })
            .await?;
        s3.tell(told);
        for (object, outcome) in allowed.into_iter().zip(outcomes) {
            match outcome {
                Ok(removed) if removed.unknown => {
                    let id = object.version_id.as_deref().unwrap_or_default();
                    errors.push(failure(object, &Error::no_such_version(&object.key, id).into()));
                }
                Ok(removed) => {
                    doomed |= removed.doomed;
                    deleted.push(success(object, removed));
                }
                Err(error) => errors.push(failure(object, &error)),
            }
        }
    }
    if doomed {
        s3.doomed.notify_one();
    }
    if input.delete.quiet != Some(true) && !deleted.is_empty() {
        output.deleted = Some(deleted);
    }
    output.errors = Some(errors).filter(|errors| !errors.is_empty());
    Ok(output)
}

/// Asks for each key: the request's own question was about none of them.
async fn may_delete(
    s3: &S3,
    context: &RequestContext,
    input: &DeleteObjectsRequest,
    object: &ObjectIdentifier,
) -> Result<(), ServiceError> {
    names::check_key(&object.key)?;
    let resource = names::object_arn(&input.bucket, &object.key);
    let access = match &object.version_id {
        Some(id) => Access::new("s3:DeleteObjectVersion", &resource).with("s3:VersionId", id.as_str()),
        None => Access::new("s3:DeleteObject", &resource),
    };
    s3.authorizer.authorize(context, &access).await?;
    if input.bypass_governance_retention == Some(true) {
        let access = Access::new("s3:BypassGovernanceRetention", &resource);
        s3.authorizer.authorize(context, &access).await?;
    }
    Ok(())
}

fn success(object: &ObjectIdentifier, removed: Removed) -> DeletedObject {
    let made = removed.made.is_some();
    DeletedObject {
        key: Some(object.key.clone()),
        version_id: object.version_id.clone(),
        delete_marker: removed.delete_marker.then_some(true),
        delete_marker_version_id: match made {
            true => removed.made,
            false if removed.delete_marker => object.version_id.clone(),
            false => None,
        },
    }
}

fn failure(object: &ObjectIdentifier, error: &ServiceError) -> shapes::Error {
    // IAM's own code for a refusal is not S3's.
    let code = match error.code {
        "AccessDeniedException" => "AccessDenied",
        code => code,
    };
    shapes::Error {
        key: Some(object.key.clone()),
        version_id: object.version_id.clone(),
        code: Some(code.to_owned()),
        message: Some(error.message.clone()),
    }
}
