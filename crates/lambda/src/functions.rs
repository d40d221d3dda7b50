//! CreateFunction, GetFunction, GetFunctionConfiguration, ListFunctions, UpdateFunctionCode,
//! UpdateFunctionConfiguration, DeleteFunction.

use crate::code::MAX_ZIPPED_BYTES;
use crate::configuration::{Settings, listed, shown};
use crate::lambda::{Lambda, Resolved, resolve, version};
use crate::names::{FunctionId, FunctionName, FunctionRef, Qualifier};
use crate::records::{
    Alias, Code, Configuration, Function, Read, Reason, State, Update, Usage, Version, new_revision, put,
};
use crate::shapes::{
    Concurrency, CreateFunctionRequest, DeleteFunctionRequest, DeleteFunctionResponse, FunctionCodeLocation,
    FunctionConfiguration, GetFunctionConfigurationRequest, GetFunctionRequest, GetFunctionResponse,
    ListFunctionsRequest, ListFunctionsResponse, UpdateFunctionCodeRequest, UpdateFunctionConfigurationRequest,
};
use crate::{Error, keys, marker, prepare, provisioned, tags, uses, versions};
use bytes::Bytes;
use danbi_core::{ObjectLocation, RequestContext};
use danbi_store::key::KeyReader;
use danbi_store::{Direction, Transaction};
use std::sync::Arc;

/// The most bytes of code an account's region may store: 75 GiB.
pub(crate) const MAX_STORED_BYTES: u64 = 80_530_636_800;
/// The most functions in a page.
const PAGE: usize = 50;

/// Where the code of a request is.
struct Source<'a> {
    zip: Option<&'a Bytes>,
    bucket: Option<&'a String>,
    key: Option<&'a String>,
    version: Option<&'a String>,
}

impl Lambda {
    /// Fetches, checks, unpacks and keeps the code that a request brings or names.
    async fn take_code(&self, context: &RequestContext, source: Source<'_>) -> Result<Code, Error> {
        let bytes = match (source.zip, source.bucket, source.key) {
            (Some(zip), _, _) => zip.clone(),
            (None, Some(bucket), Some(key)) => self.fetch_code(context, bucket, key, source.version).await?,
            _ => {
                return Err(Error::InvalidParameter(
                    "Please provide a source for function code: a ZipFile, or an S3Bucket and an S3Key.".into(),
                ));
            }
        };
        if bytes.len() > MAX_ZIPPED_BYTES && source.zip.is_some() {
            return Err(Error::TooLarge(format!(
                "Zipped size must be smaller than {MAX_ZIPPED_BYTES} bytes"
            )));
        }
        self.code.store(bytes).await
    }

    /// Reads an archive from where objects are stored.
    pub(crate) async fn fetch_code(
        &self,
        context: &RequestContext,
        bucket: &str,
        key: &str,
        version: Option<&String>,
    ) -> Result<Bytes, Error> {
        let Some(objects) = &self.objects else {
            return Err(Error::Unsupported(
                "Code from S3Bucket and S3Key is not available: S3 is not supported by this platform yet. Send the archive as ZipFile.".into(),
            ));
        };
        let location = ObjectLocation {
            bucket: bucket.into(),
            key: key.into(),
            version: version.cloned(),
        };
        objects
            .object(context, &location, crate::code::MAX_UNPACKED_BYTES)
            .await
            .map_err(|error| {
                Error::InvalidParameter(format!(
                    "Error occurred while GetObject. S3 Error Code: {}. S3 Error Message: {}",
                    error.code, error.message
                ))
            })
    }
}

/// CreateFunction.
pub(crate) async fn create(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: CreateFunctionRequest,
) -> Result<FunctionConfiguration, Error> {
    let id = FunctionRef::parse_new(&context.scope, &input.function_name)?;
    let settings = Settings::of_new(&input)?;
    let tags = input.tags.clone().unwrap_or_default();
    tags::check(&tags)?;
    lambda.pass_role(&context, &input.role).await?;
    let layers = lambda
        .find_layers(&context, settings.layers.as_deref().unwrap_or_default())
        .await?;
    if lambda.snapshot().await?.function(&id).await?.is_some() {
        return Err(already_exists(&id));
    }
    let source = Source {
        zip: input.code.zip_file.as_deref(),
        bucket: input.code.s3_bucket.as_ref(),
        key: input.code.s3_key.as_ref(),
        version: input.code.s3_object_version.as_ref(),
    };
    let code = lambda.take_code(&context, source).await?;
    let architecture = input
        .architectures
        .as_ref()
        .and_then(|list| list.first())
        .map(String::as_str);
    let configuration = settings.build(&id, code, layers, architecture)?;
    let publish = input.publish.unwrap_or(false);
    let now = lambda.now_ms();
    let answer = lambda
        .store
        .transact(async |tx| {
            if tx.function(&id).await?.is_some() {
                return Err(already_exists(&id));
            }
            let latest = Version {
                number: None,
                revision: new_revision(),
                modified_ms: now,
                state: State::Pending,
                state_reason: Some(Reason::creating()),
                update: None,
                update_reason: None,
                optimised: false,
                configuration: configuration.clone(),
            };
            let mut function = Function {
                incarnation: new_revision(),
                latest,
                next_version: 1,
                published: None,
                reserved_concurrency: None,
                provisioned: 0,
            };
            change_usage(&tx, &id, |usage| usage.functions += 1).await?;
            add_code(&tx, &id, None, &configuration).await?;
            let mut answer = function.latest.clone();
            let mut published = Vec::new();
            if publish {
                let version = versions::cut(&mut function, None, now)?;
                published.extend(version.number);
                versions::keep(&tx, &id, &version).await?;
                answer = version;
            }
            put(&tx, &keys::function(&id), &function)?;
            tags::replace(&tx, &id, &tags).await?;
            prepare::mark(&tx, &id, &published)?;
            Ok(answer)
        })
        .await?;
    lambda.prepare(&id).await?;
    Ok(shown(&id, &answer, &id.arn()))
}

fn already_exists(id: &FunctionId) -> Error {
    Error::Conflict(format!("Function already exist: {}", id.name))
}

/// GetFunction.
pub(crate) async fn get(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: GetFunctionRequest,
) -> Result<GetFunctionResponse, Error> {
    let reference = FunctionRef::parse(&context.scope, &input.function_name, input.qualifier.as_deref())?;
    let view = lambda.snapshot().await?;
    let Resolved { function, version, arn } = resolve(&view, &reference).await?;
    let tags = tags::read(&view, &reference.id).await?;
    Ok(GetFunctionResponse {
        code: Some(FunctionCodeLocation {
            location: Some(lambda.downloads.url(&context, &version.configuration.code.digest)?),
            repository_type: Some("S3".into()),
            ..FunctionCodeLocation::default()
        }),
        concurrency: function.reserved_concurrency.map(|reserved| Concurrency {
            reserved_concurrent_executions: Some(reserved.cast_signed()),
        }),
        configuration: Some(shown(&reference.id, &version, &arn)),
        tags: (!tags.is_empty()).then_some(tags),
        tags_error: None,
    })
}

/// GetFunctionConfiguration.
pub(crate) async fn get_configuration(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: GetFunctionConfigurationRequest,
) -> Result<FunctionConfiguration, Error> {
    let reference = FunctionRef::parse(&context.scope, &input.function_name, input.qualifier.as_deref())?;
    let Resolved { version, arn, .. } = resolve(&lambda.snapshot().await?, &reference).await?;
    Ok(shown(&reference.id, &version, &arn))
}

/// ListFunctions.
pub(crate) async fn list(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: ListFunctionsRequest,
) -> Result<ListFunctionsResponse, Error> {
    let all_versions = input.function_version.as_deref() == Some("ALL");
    let limit = marker::limit(input.max_items, PAGE);
    // The last function, and its last version, that the page before showed.
    let from: Option<(String, u64)> = marker::read(input.marker.as_deref())?;
    let view = lambda.snapshot().await?;
    let prefix = keys::functions(&context.scope);
    let mut range = keys::below(&prefix);
    let mut resume = None;
    if let Some((name, last)) = &from {
        let name = FunctionName::parse(name).ok_or_else(marker::invalid)?;
        let id = FunctionId {
            scope: context.scope.clone(),
            name,
        };
        range = range.after(&keys::function(&id));
        resume = all_versions.then_some((id, *last));
    }
    let mut shown = Vec::new();
    let mut last = None;
    if let Some((id, number)) = resume {
        let more = versions::collect(&view, &id, number, limit, &mut shown).await?;
        if let Some(number) = more {
            return Ok(ListFunctionsResponse {
                functions: Some(shown),
                next_marker: Some(marker::write(&(id.name.as_str(), number))?),
            });
        }
        last = Some((id.name.as_str().to_owned(), u64::MAX));
    }
    let mut unread = true;
    while unread && shown.len() < limit {
        let page = view
            .scan(range.clone(), Direction::Forward, limit - shown.len())
            .await?;
        unread = page.more;
        for (key, value) in &page.entries {
            if shown.len() >= limit {
                break;
            }
            range = range.after(key);
            let mut reader = KeyReader::after_prefix(key, &prefix).map_err(Error::internal)?;
            let name = reader.str().ok().and_then(|name| FunctionName::parse(&name));
            let name = name.ok_or_else(|| Error::internal("a function's key without its name"))?;
            let id = FunctionId {
                scope: context.scope.clone(),
                name,
            };
            let function: Function = crate::records::decode(value)?;
            let arn = if all_versions {
                id.qualified_arn(Qualifier::Latest)
            } else {
                id.arn()
            };
            shown.push(listed(&id, &function.latest, &arn));
            let mut next = None;
            if all_versions {
                next = versions::collect(&view, &id, 0, limit, &mut shown).await?;
            }
            if let Some(number) = next {
                let next_marker = Some(marker::write(&(id.name.as_str(), number))?);
                return Ok(ListFunctionsResponse {
                    functions: Some(shown),
                    next_marker,
                });
            }
            last = Some((id.name.as_str().to_owned(), u64::MAX));
        }
    }
    let more = shown.len() >= limit && view.any(range).await?;
    let next_marker = last.filter(|_| more).map(|last| marker::write(&last)).transpose()?;
    Ok(ListFunctionsResponse {
        functions: Some(shown),
        next_marker,
    })
}

/// UpdateFunctionCode.
pub(crate) async fn update_code(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: UpdateFunctionCodeRequest,
) -> Result<FunctionConfiguration, Error> {
    let id = FunctionRef::parse(&context.scope, &input.function_name, None)?.id;
    if input.publish_to.is_some() {
        return Err(Error::Unsupported(
            "PublishTo is not supported by this platform.".into(),
        ));
    }
    let function = lambda
        .settled(&id)
        .await?
        .ok_or_else(|| Error::function_not_found(id.arn()))?;
    check_updatable(&id, &function, input.revision_id.as_deref())?;
    if input.image_uri.is_some() {
        return Err(Error::InvalidParameter(
            "Please don't provide ImageUri when updating a function with packageType Zip.".into(),
        ));
    }
    let source = Source {
        zip: input.zip_file.as_deref(),
        bucket: input.s3_bucket.as_ref(),
        key: input.s3_key.as_ref(),
        version: input.s3_object_version.as_ref(),
    };
    let code = lambda.take_code(&context, source).await?;
    let architecture = input.architectures.as_ref().and_then(|list| list.first()).cloned();
    let change = |configuration: &mut Configuration| {
        configuration.code = code.clone();
        if let Some(architecture) = &architecture {
            configuration.architecture.clone_from(architecture);
        }
        crate::configuration::check_unpacked(configuration)
    };
    if input.dry_run == Some(true) {
        let mut latest = function.latest;
        change(&mut latest.configuration)?;
        return Ok(shown(&id, &latest, &id.arn()));
    }
    let publish = input.publish.unwrap_or(false);
    let answer = lambda
        .update(&id, input.revision_id.as_deref(), publish, change)
        .await?;
    let arn = if publish {
        id.qualified_arn(answer.label())
    } else {
        id.arn()
    };
    Ok(shown(&id, &answer, &arn))
}

/// UpdateFunctionConfiguration.
pub(crate) async fn update_configuration(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: UpdateFunctionConfigurationRequest,
) -> Result<FunctionConfiguration, Error> {
    let id = FunctionRef::parse(&context.scope, &input.function_name, None)?.id;
    let settings = Settings::of_update(&input)?;
    if let Some(role) = &input.role {
        lambda.pass_role(&context, role).await?;
    }
    let function = lambda
        .settled(&id)
        .await?
        .ok_or_else(|| Error::function_not_found(id.arn()))?;
    check_updatable(&id, &function, input.revision_id.as_deref())?;
    let layers = match &settings.layers {
        Some(arns) => Some(lambda.find_layers(&context, arns).await?),
        None => None,
    };
    let change = |configuration: &mut Configuration| settings.apply(configuration, layers.clone());
    let answer = lambda.update(&id, input.revision_id.as_deref(), false, change).await?;
    Ok(shown(&id, &answer, &id.arn()))
}

fn check_updatable(id: &FunctionId, function: &Function, revision: Option<&str>) -> Result<(), Error> {
    if revision.is_some_and(|revision| revision != function.latest.revision) {
        return Err(Error::RevisionMismatch("GetFunction/GetAlias"));
    }
    if function.latest.state == State::Pending {
        return Err(Error::state("Pending"));
    }
    if function.latest.unsettled() {
        return Err(Error::update_in_progress(&id.arn()));
    }
    Ok(())
}

impl Lambda {
    /// Changes `$LATEST` in one transaction, has it prepared, and gives it (or the version published of it) as the
    /// commit left it.
    async fn update(
        self: &Arc<Self>,
        id: &FunctionId,
        revision: Option<&str>,
        publish: bool,
        change: impl Fn(&mut Configuration) -> Result<(), Error> + Send + Sync,
    ) -> Result<Version, Error> {
        let now = self.now_ms();
        let change = &change;
        let answer = self
            .store
            .transact(async |tx| {
                let mut function = tx
                    .function(id)
                    .await?
                    .ok_or_else(|| Error::function_not_found(id.arn()))?;
                check_updatable(id, &function, revision)?;
                let before = function.latest.configuration.clone();
                let latest = &mut function.latest;
                change(&mut latest.configuration)?;
                latest.modified_ms = now;
                latest.update = Some(Update::InProgress);
                latest.update_reason = Some(Reason::creating());
                latest.touch();
                remove_code(&tx, id, None, &before).await?;
                add_code(&tx, id, None, &function.latest.configuration).await?;
                let mut answer = function.latest.clone();
                let mut published = Vec::new();
                if publish {
                    answer = match versions::unchanged(&tx, id, &function).await? {
                        Some(version) => version,
                        None => {
                            let version = versions::cut(&mut function, None, now)?;
                            published.extend(version.number);
                            versions::keep(&tx, id, &version).await?;
                            version
                        }
                    };
                }
                put(&tx, &keys::function(id), &function)?;
                prepare::mark(&tx, id, &published)?;
                Ok::<_, Error>(answer)
            })
            .await?;
        self.prepare(id).await?;
        let latest = id.qualified_arn(Qualifier::Latest).to_string();
        let warm = self.executor.is_warm(&latest);
        self.executor.retire(&latest);
        if warm {
            self.anticipate(id, None);
        }
        Ok(answer)
    }
}

/// DeleteFunction: the function with all that belongs to it, or one of its versions.
pub(crate) async fn delete(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: DeleteFunctionRequest,
) -> Result<DeleteFunctionResponse, Error> {
    let reference = FunctionRef::parse(&context.scope, &input.function_name, input.qualifier.as_deref())?;
    match &reference.qualifier {
        None => lambda.delete_function(&reference.id).await?,
        Some(Qualifier::Latest) => {
            return Err(Error::InvalidParameter(
                "$LATEST version cannot be deleted without deleting the function.".into(),
            ));
        }
        Some(Qualifier::Version(number)) => lambda.delete_version(&reference.id, *number).await?,
        Some(Qualifier::Alias(_) | Qualifier::Unknown(_)) => {
            return Err(Error::InvalidParameter(
                "Deletion of aliases is not currently supported.".into(),
            ));
        }
    }
    lambda.executor.retire(&reference.arn().to_string());
    lambda.provisions.notify_one();
    Ok(DeleteFunctionResponse { status_code: Some(204) })
}

impl Lambda {
    async fn delete_function(&self, id: &FunctionId) -> Result<(), Error> {
        self.store
            .transact(async |tx| {
                let function = tx
                    .function(id)
                    .await?
                    .ok_or_else(|| Error::function_not_found(id.arn()))?;
                remove_code(&tx, id, None, &function.latest.configuration).await?;
                let mut range = keys::below(&keys::versions(id));
                loop {
                    let page = tx.scan(range.clone(), Direction::Forward, 1000).await?;
                    for (key, value) in &page.entries {
                        let version: Version = crate::records::decode(value)?;
                        remove_code(&tx, id, version.number, &version.configuration).await?;
                        range = range.after(key);
                    }
                    if !page.more {
                        break;
                    }
                }
                crate::url_configs::forget_all(&tx, id).await?;
                tags::replace(&tx, id, &std::collections::BTreeMap::new()).await?;
                change_usage(&tx, id, |usage| {
                    usage.functions = usage.functions.saturating_sub(1);
                    usage.reserved_concurrency = usage.reserved_concurrency.saturating_sub(function.held_concurrency());
                })
                .await?;
                for prefix in [
                    keys::versions(id),
                    keys::aliases(id),
                    keys::policies(id),
                    keys::event_configs(id),
                    keys::events(id),
                    keys::provisions(id),
                    keys::snapshots(id),
                ] {
                    tx.delete_range(keys::below(&prefix))?;
                }
                tx.delete(&keys::pending(id))?;
                Ok::<_, Error>(tx.delete(&keys::function(id))?)
            })
            .await
    }

    async fn delete_version(&self, id: &FunctionId, number: u64) -> Result<(), Error> {
        self.store
            .transact(async |tx| {
                tx.function(id)
                    .await?
                    .ok_or_else(|| Error::function_not_found(id.arn()))?;
                // A version that is not there is as good as deleted: so AWS answers.
                let Some(version) = version(&tx, id, number).await? else {
                    return Ok(());
                };
                let prefix = keys::aliases(id);
                let aliases = tx.scan(keys::below(&prefix), Direction::Forward, 10_000).await?;
                let mut pointing = Vec::new();
                for (key, value) in &aliases.entries {
                    let alias: Alias = crate::records::decode(value)?;
                    if alias.version == number.to_string() || alias.second.is_some_and(|(second, _)| second == number) {
                        let name = KeyReader::after_prefix(key, &prefix).and_then(|mut reader| reader.str());
                        pointing.push(name.map_err(Error::internal)?);
                    }
                }
                if !pointing.is_empty() {
                    return Err(Error::Conflict(format!(
                        "Unable to delete version because the following aliases reference it: [{}]",
                        pointing.join(", ")
                    )));
                }
                remove_code(&tx, id, Some(number), &version.configuration).await?;
                tx.delete(&keys::policy(id, &number.to_string()))?;
                tx.delete(&keys::event_config(id, &number.to_string()))?;
                tx.delete(&keys::snapshot(id, number))?;
                provisioned::forget(&tx, id, &number.to_string()).await?;
                Ok::<_, Error>(tx.delete(&keys::version(id, number))?)
            })
            .await
    }
}

/// Counts a version's code and says that it is used; refuses it when the account has no room.
pub(crate) async fn add_code(
    tx: &Transaction,
    id: &FunctionId,
    number: Option<u64>,
    configuration: &Configuration,
) -> Result<(), Error> {
    uses::add(tx, id, number, configuration)?;
    let mut usage = tx.usage(&id.scope).await?;
    usage.code_bytes += configuration.code.size;
    if usage.code_bytes > MAX_STORED_BYTES {
        return Err(Error::CodeStorageExceeded);
    }
    put(tx, &keys::usage(&id.scope), &usage)
}

async fn remove_code(
    tx: &Transaction,
    id: &FunctionId,
    number: Option<u64>,
    configuration: &Configuration,
) -> Result<(), Error> {
    uses::remove(tx, id, number, configuration)?;
    change_usage(tx, id, |usage| {
        usage.code_bytes = usage.code_bytes.saturating_sub(configuration.code.size)
    })
    .await
}

async fn change_usage(tx: &Transaction, id: &FunctionId, change: impl FnOnce(&mut Usage) + Send) -> Result<(), Error> {
    let mut usage = tx.usage(&id.scope).await?;
    change(&mut usage);
    put(tx, &keys::usage(&id.scope), &usage)
}
