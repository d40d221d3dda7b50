//! PublishLayerVersion, GetLayerVersion, GetLayerVersionByArn, ListLayers, ListLayerVersions, DeleteLayerVersion.

use crate::code::MAX_ZIPPED_BYTES;
use crate::configuration::code_sha256;
use crate::functions::MAX_STORED_BYTES;
use crate::lambda::Lambda;
use crate::names::LayerId;
use crate::records::{Code, LayerUse, Read, decode, lambda_date, put};
use crate::shapes::{
    DeleteLayerVersionRequest, GetLayerVersionByArnRequest, GetLayerVersionRequest, GetLayerVersionResponse,
    LayerVersionContentOutput, LayerVersionsListItem, LayersListItem, ListLayerVersionsRequest,
    ListLayerVersionsResponse, ListLayersRequest, ListLayersResponse, PublishLayerVersionRequest,
    PublishLayerVersionResponse,
};
use crate::{Error, keys, marker, uses};
use danbi_core::{Access, Arn, RequestContext};
use danbi_store::Direction;
use danbi_store::key::KeyReader;
use danbi_wire::Empty;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The most layers of a function.
const MAX_LAYERS: usize = 5;
/// The most layers or versions in a page.
const PAGE: usize = 50;
/// The constraint that AWS quotes when a function's layer is no layer version.
const VERSION_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)";

/// A layer: only the number that its next version gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Layer {
    next_version: u64,
}

/// A version of a layer; it never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerVersion {
    pub number: u64,
    pub description: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtimes: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architectures: Option<Vec<String>>,
    pub created_ms: i64,
    pub code: Code,
}

impl Lambda {
    /// Looks up the layers that a function asks for, in the caller's name.
    pub(crate) async fn find_layers(&self, context: &RequestContext, arns: &[String]) -> Result<Vec<LayerUse>, Error> {
        if arns.len() > MAX_LAYERS {
            return Err(Error::InvalidParameter("Cannot reference more than 5 layers.".into()));
        }
        let view = self.snapshot().await?;
        let mut layers: Vec<LayerUse> = Vec::with_capacity(arns.len());
        let mut ids: Vec<LayerId> = Vec::with_capacity(arns.len());
        for text in arns {
            let parsed = text.parse::<Arn>().ok().and_then(|arn| LayerId::from_arn(&arn));
            let Some((id, Some(number))) = parsed else {
                let constraint = format!(
                    "Member must satisfy constraint: [Member must have length less than or equal to 2048, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: {VERSION_PATTERN}, Member must not be null]"
                );
                return Err(Error::constraint(
                    &format!("[{}]", arns.join(", ")),
                    "layers",
                    constraint,
                ));
            };
            if id.scope.region != context.scope.region {
                return Err(Error::InvalidParameter(format!(
                    "Layers are not in the same region as the function. Layers are expected to be in region {}.",
                    context.scope.region
                )));
            }
            if id.scope.account != context.scope.account {
                let arn = id.version_arn(number.cast_signed());
                self.authorizer
                    .authorize(context, &Access::new("lambda:GetLayerVersion", arn))
                    .await?;
            }
            let version: Option<LayerVersion> = view.record(&keys::layer_version(&id, number)).await?;
            let missing = || Error::InvalidParameter(format!("Layer version {text} does not exist."));
            let version = version.ok_or_else(missing)?;
            if let Some(other) = ids.iter().position(|other| *other == id) {
                return Err(Error::InvalidParameter(format!(
                    "Two different versions of the same layer are not allowed to be referenced in the same function. {} and {text} are versions of the same layer.",
                    layers[other].arn
                )));
            }
            ids.push(id);
            layers.push(LayerUse {
                arn: text.clone(),
                code: version.code,
            });
        }
        Ok(layers)
    }
}

/// PublishLayerVersion.
pub(crate) async fn publish(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: PublishLayerVersionRequest,
) -> Result<PublishLayerVersionResponse, Error> {
    let id = LayerId::parse(&context.scope, &input.layer_name)?;
    if id.scope != context.scope {
        return Err(Error::AccessDenied);
    }
    let content = &input.content;
    let bytes = match (&content.zip_file, &content.s3_bucket, &content.s3_key) {
        (Some(zip), ..) if zip.len() > MAX_ZIPPED_BYTES => {
            return Err(Error::TooLarge(format!(
                "Zipped size must be smaller than {MAX_ZIPPED_BYTES} bytes"
            )));
        }
        (Some(zip), ..) => zip.0.clone(),
        (None, Some(bucket), Some(key)) => {
            lambda
                .fetch_code(&context, bucket, key, content.s3_object_version.as_ref())
                .await?
        }
        _ => {
            return Err(Error::InvalidParameter(
                "Please provide a source for the layer's content: a ZipFile, or an S3Bucket and an S3Key.".into(),
            ));
        }
    };
    let code = lambda.code.store(bytes).await?;
    let now = lambda.now_ms();
    let version = lambda
        .store
        .transact(async |tx| {
            let layer: Layer = tx.record(&keys::layer(&id)).await?.unwrap_or(Layer { next_version: 1 });
            let version = LayerVersion {
                number: layer.next_version,
                description: input.description.clone().unwrap_or_default(),
                license: input.license_info.clone(),
                runtimes: input.compatible_runtimes.clone(),
                architectures: input.compatible_architectures.clone(),
                created_ms: now,
                code: code.clone(),
            };
            let mut usage = tx.usage(&id.scope).await?;
            usage.code_bytes += code.size;
            if usage.code_bytes > MAX_STORED_BYTES {
                return Err(Error::CodeStorageExceeded);
            }
            put(&tx, &keys::usage(&id.scope), &usage)?;
            uses::add_layer(&tx, &id, version.number, &code)?;
            put(
                &tx,
                &keys::layer(&id),
                &Layer {
                    next_version: layer.next_version + 1,
                },
            )?;
            put(&tx, &keys::layer_version(&id, version.number), &version)?;
            Ok(version)
        })
        .await?;
    let shown = show(&lambda, &context, &id, version)?;
    Ok(PublishLayerVersionResponse {
        compatible_architectures: shown.compatible_architectures,
        compatible_runtimes: shown.compatible_runtimes,
        content: shown.content,
        created_date: shown.created_date,
        description: shown.description,
        layer_arn: shown.layer_arn,
        layer_version_arn: shown.layer_version_arn,
        license_info: shown.license_info,
        version: shown.version,
    })
}

/// A layer version's number, which begins at 1.
pub(crate) fn number(version: i64) -> Result<u64, Error> {
    u64::try_from(version)
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| Error::InvalidParameter("Layer Version Cannot be less than 1".into()))
}

/// `The resource you requested does not exist.`
pub(crate) fn missing() -> Error {
    Error::NotFound("The resource you requested does not exist.".into())
}

/// GetLayerVersion.
pub(crate) async fn get(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: GetLayerVersionRequest,
) -> Result<GetLayerVersionResponse, Error> {
    let id = LayerId::parse(&context.scope, &input.layer_name)?;
    let number = number(input.version_number)?;
    let version = lambda
        .snapshot()
        .await?
        .record(&keys::layer_version(&id, number))
        .await?;
    show(&lambda, &context, &id, version.ok_or_else(missing)?)
}

/// GetLayerVersionByArn.
pub(crate) async fn get_by_arn(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: GetLayerVersionByArnRequest,
) -> Result<GetLayerVersionResponse, Error> {
    let (id, number) = version_arn(&input.arn)?;
    let version = lambda
        .snapshot()
        .await?
        .record(&keys::layer_version(&id, number))
        .await?;
    show(&lambda, &context, &id, version.ok_or_else(missing)?)
}

/// Reads the ARN of a layer's version.
pub(crate) fn version_arn(text: &str) -> Result<(LayerId, u64), Error> {
    match text.parse::<Arn>().ok().and_then(|arn| LayerId::from_arn(&arn)) {
        Some((id, Some(number))) => Ok((id, number)),
        _ => {
            let constraint = format!("Member must satisfy regular expression pattern: {VERSION_PATTERN}");
            Err(Error::constraint(text, "arn", constraint))
        }
    }
}

/// ListLayerVersions, newest first.
pub(crate) async fn list_versions(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: ListLayerVersionsRequest,
) -> Result<ListLayerVersionsResponse, Error> {
    let id = LayerId::parse(&context.scope, &input.layer_name)?;
    let limit = marker::limit(input.max_items, PAGE);
    let from: Option<u64> = marker::read(input.marker.as_deref())?;
    let filter = Filter {
        runtime: input.compatible_runtime.as_ref(),
        architecture: input.compatible_architecture.as_ref(),
    };
    let view = lambda.snapshot().await?;
    let mut range = keys::below(&keys::layer_versions(&id));
    if let Some(from) = from {
        range = range.before(&keys::layer_version(&id, from));
    }
    let mut versions = Vec::new();
    loop {
        let page = view.scan(range.clone(), Direction::Reverse, PAGE).await?;
        for (key, value) in &page.entries {
            let version: LayerVersion = decode(value)?;
            if filter.takes(&version) {
                if versions.len() == limit {
                    let last = versions.last().and_then(|shown: &LayerVersionsListItem| shown.version);
                    let next_marker = Some(marker::write(&last)?);
                    return Ok(ListLayerVersionsResponse {
                        layer_versions: Some(versions),
                        next_marker,
                    });
                }
                versions.push(item(&id, version));
            }
            range = range.before(key);
        }
        if !page.more {
            return Ok(ListLayerVersionsResponse {
                layer_versions: Some(versions),
                next_marker: None,
            });
        }
    }
}

/// ListLayers: each with its newest version that fits.
pub(crate) async fn list(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: ListLayersRequest,
) -> Result<ListLayersResponse, Error> {
    let limit = marker::limit(input.max_items, PAGE);
    let from: Option<String> = marker::read(input.marker.as_deref())?;
    let filter = Filter {
        runtime: input.compatible_runtime.as_ref(),
        architecture: input.compatible_architecture.as_ref(),
    };
    let view = lambda.snapshot().await?;
    let prefix = keys::layers(&context.scope);
    let mut range = keys::below(&prefix);
    if let Some(name) = from {
        range = range.after(&keys::layer(&LayerId {
            scope: context.scope.clone(),
            name,
        }));
    }
    let mut layers = Vec::new();
    loop {
        let page = view.scan(range.clone(), Direction::Forward, PAGE).await?;
        for (key, _) in &page.entries {
            let name = KeyReader::after_prefix(key, &prefix)
                .and_then(|mut reader| reader.str())
                .map_err(Error::internal)?;
            let id = LayerId {
                scope: context.scope.clone(),
                name,
            };
            if let Some(version) = newest(&view, &id, &filter).await? {
                if layers.len() == limit {
                    let last = layers
                        .last()
                        .and_then(|shown: &LayersListItem| shown.layer_name.clone());
                    return Ok(ListLayersResponse {
                        layers: Some(layers),
                        next_marker: Some(marker::write(&last)?),
                    });
                }
                layers.push(LayersListItem {
                    layer_arn: Some(id.arn().to_string()),
                    latest_matching_version: Some(item(&id, version)),
                    layer_name: Some(id.name),
                });
            }
            range = range.after(key);
        }
        if !page.more {
            return Ok(ListLayersResponse {
                layers: Some(layers),
                next_marker: None,
            });
        }
    }
}

async fn newest(view: &impl Read, id: &LayerId, filter: &Filter<'_>) -> Result<Option<LayerVersion>, Error> {
    let mut range = keys::below(&keys::layer_versions(id));
    loop {
        let page = view.page(range.clone(), Direction::Reverse, 10).await?;
        for (key, value) in &page.entries {
            let version: LayerVersion = decode(value)?;
            if filter.takes(&version) {
                return Ok(Some(version));
            }
            range = range.before(key);
        }
        if !page.more {
            return Ok(None);
        }
    }
}

/// DeleteLayerVersion: functions that use it keep it. One that is not there is no error.
pub(crate) async fn delete(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: DeleteLayerVersionRequest,
) -> Result<Empty, Error> {
    let id = LayerId::parse(&context.scope, &input.layer_name)?;
    let number = number(input.version_number)?;
    lambda
        .store
        .transact(async |tx| {
            let key = keys::layer_version(&id, number);
            let Some(version) = tx.record::<LayerVersion>(&key).await? else {
                return Ok(Empty {});
            };
            let mut usage = tx.usage(&id.scope).await?;
            usage.code_bytes = usage.code_bytes.saturating_sub(version.code.size);
            put(&tx, &keys::usage(&id.scope), &usage)?;
            uses::remove_layer(&tx, &id, number, &version.code)?;
            tx.delete(&keys::layer_policy(&id, number))?;
            tx.delete(&key)?;
            Ok::<_, Error>(Empty {})
        })
        .await
}

/// Which versions a listing shows.
struct Filter<'a> {
    runtime: Option<&'a String>,
    architecture: Option<&'a String>,
}

impl Filter<'_> {
    fn takes(&self, version: &LayerVersion) -> bool {
        let fits = |wanted: Option<&String>, has: &Option<Vec<String>>| {
            wanted.is_none_or(|wanted| has.as_ref().is_some_and(|has| has.contains(wanted)))
        };
        fits(self.runtime, &version.runtimes) && fits(self.architecture, &version.architectures)
    }
}

fn item(id: &LayerId, version: LayerVersion) -> LayerVersionsListItem {
    let number = version.number.cast_signed();
    LayerVersionsListItem {
        compatible_architectures: version.architectures,
        compatible_runtimes: version.runtimes,
        created_date: Some(lambda_date(version.created_ms)),
        description: Some(version.description),
        layer_version_arn: Some(id.version_arn(number).to_string()),
        license_info: version.license,
        version: Some(number),
    }
}

fn show(
    lambda: &Lambda,
    context: &RequestContext,
    id: &LayerId,
    version: LayerVersion,
) -> Result<GetLayerVersionResponse, Error> {
    let number = version.number.cast_signed();
    Ok(GetLayerVersionResponse {
        content: Some(LayerVersionContentOutput {
            code_sha256: Some(code_sha256(&version.code)),
            code_size: i64::try_from(version.code.size).ok(),
            location: Some(lambda.downloads.url(context, &version.code.digest)?),
            ..LayerVersionContentOutput::default()
        }),
        compatible_architectures: version.architectures,
        compatible_runtimes: version.runtimes,
        created_date: Some(lambda_date(version.created_ms)),
        description: Some(version.description),
        layer_arn: Some(id.arn().to_string()),
        layer_version_arn: Some(id.version_arn(number).to_string()),
        license_info: version.license,
        version: Some(number),
    })
}
