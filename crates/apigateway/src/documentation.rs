use crate::family::Family;
use crate::keys::Kind;
use crate::patch::{Holds, REPLACE, Words, rule};
use crate::records;
use crate::shapes::*;
use crate::{ApiGateway, Error, ids, keys, rest_apis};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::sync::Arc;

const MAX_PARTS: usize = 2_000;
const MAX_VERSIONS: usize = 100;

const PARTS: Family = Family {
    kind: Kind::DocumentationPart,
    unknown: |_| Error::missing("Invalid Documentation part identifier specified"),
    hides_api: true,
    rules: &[rule("/properties", Holds::Text, REPLACE)],
    words: Words::Listing,
};

const VERSIONS: Family = Family {
    kind: Kind::DocumentationVersion,
    unknown: |_| Error::missing("Invalid Documentation version specified"),
    hides_api: true,
    rules: &[rule("/description", Holds::Text, REPLACE)],
    words: Words::Listing,
};

fn check_part(part: &DocumentationPart) -> Result<(), Error> {
    let properties = part.properties.as_deref().unwrap_or_default();
    match serde_json::from_str::<serde_json::Value>(properties) {
        Ok(serde_json::Value::Object(_)) => Ok(()),
        _ => Err(Error::bad(
            "Documentation part properties must be non-empty JSON object",
        )),
    }
}

/// CreateDocumentationPart.
pub(crate) async fn create_part(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: CreateDocumentationPartRequest,
) -> Result<DocumentationPart, Error> {
    let id = ids::id()?;
    let part = DocumentationPart {
        id: Some(id.clone()),
        location: Some(input.location),
        properties: Some(input.properties),
    };
    let place = (&context.scope, input.rest_api_id.as_str(), id.as_str());
    PARTS
        .create(&gateway, place, MAX_PARTS, &part, |all| {
            check_part(&part)?;
            if all
                .iter()
                .any(|other: &DocumentationPart| other.location == part.location)
            {
                return Err(Error::Conflict(
                    "Documentation part already exists for the specified location".into(),
                ));
            }
            Ok(())
        })
        .await?;
    Ok(part)
}

/// GetDocumentationPart.
pub(crate) async fn get_part(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetDocumentationPartRequest,
) -> Result<DocumentationPart, Error> {
    PARTS
        .get(&gateway, &context, &input.rest_api_id, &input.documentation_part_id)
        .await
}

/// GetDocumentationParts.
pub(crate) async fn list_parts(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetDocumentationPartsRequest,
) -> Result<DocumentationParts, Error> {
    let view = gateway.store.snapshot().await?;
    rest_apis::find(&view, &context.scope, &input.rest_api_id).await?;
    let wanted = |part: &DocumentationPart| {
        let location = part.location.clone().unwrap_or_default();
        input.r#type.as_ref().is_none_or(|kind| location.r#type == *kind)
            && input
                .path
                .as_ref()
                .is_none_or(|path| location.path.as_ref() == Some(path))
            && input
                .name_query
                .as_ref()
                .is_none_or(|name| location.name.as_ref().is_some_and(|own| own.contains(name.as_str())))
    };
    let prefix = keys::children(&input.rest_api_id, Kind::DocumentationPart);
    let (items, position) = records::list(&view, prefix, input.position.as_deref(), input.limit, wanted).await?;
    Ok(DocumentationParts {
        position,
        items: Some(items),
    })
}

/// DeleteDocumentationPart.
pub(crate) async fn delete_part(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: DeleteDocumentationPartRequest,
) -> Result<Empty, Error> {
    let view = gateway.store.snapshot().await?;
    rest_apis::find(&view, &context.scope, &input.rest_api_id).await?;
    PARTS
        .delete(&gateway, &context, &input.rest_api_id, &input.documentation_part_id)
        .await
}

/// UpdateDocumentationPart.
pub(crate) async fn update_part(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: UpdateDocumentationPartRequest,
) -> Result<DocumentationPart, Error> {
    let place = (input.rest_api_id.as_str(), input.documentation_part_id.as_str());
    PARTS
        .update(&gateway, &context, place, input.patch_operations.as_deref(), check_part)
        .await
}

/// CreateDocumentationVersion.
pub(crate) async fn create_version(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: CreateDocumentationVersionRequest,
) -> Result<DocumentationVersion, Error> {
    let version = DocumentationVersion {
        version: Some(input.documentation_version.clone()),
        created_date: Some(gateway.now()),
        description: input.description,
    };
    let place = (
        &context.scope,
        input.rest_api_id.as_str(),
        input.documentation_version.as_str(),
    );
    VERSIONS
        .create(&gateway, place, MAX_VERSIONS, &version, |all| {
            if all
                .iter()
                .any(|other: &DocumentationVersion| other.version == version.version)
            {
                return Err(Error::Conflict(
                    "Documentation version already exists for the API".into(),
                ));
            }
            Ok(())
        })
        .await?;
    if let Some(stage) = input.stage_name {
        let operation = PatchOperation {
            op: Some("replace".into()),
            path: Some("/documentationVersion".into()),
            value: Some(input.documentation_version),
            from: None,
        };
        let update = UpdateStageRequest {
            rest_api_id: input.rest_api_id,
            stage_name: stage,
            patch_operations: Some(vec![operation]),
        };
        crate::stages::update(gateway, context, update).await?;
    }
    Ok(version)
}

/// GetDocumentationVersion.
pub(crate) async fn get_version(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetDocumentationVersionRequest,
) -> Result<DocumentationVersion, Error> {
    VERSIONS
        .get(&gateway, &context, &input.rest_api_id, &input.documentation_version)
        .await
}

/// GetDocumentationVersions.
pub(crate) async fn list_versions(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetDocumentationVersionsRequest,
) -> Result<DocumentationVersions, Error> {
    let position = input.position.as_deref();
    let (items, position) = VERSIONS
        .list(&gateway, &context, &input.rest_api_id, position, input.limit)
        .await?;
    Ok(DocumentationVersions {
        position,
        items: Some(items),
    })
}

/// DeleteDocumentationVersion.
pub(crate) async fn delete_version(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: DeleteDocumentationVersionRequest,
) -> Result<Empty, Error> {
    VERSIONS
        .delete(&gateway, &context, &input.rest_api_id, &input.documentation_version)
        .await
}

/// UpdateDocumentationVersion.
pub(crate) async fn update_version(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: UpdateDocumentationVersionRequest,
) -> Result<DocumentationVersion, Error> {
    let place = (input.rest_api_id.as_str(), input.documentation_version.as_str());
    VERSIONS
        .update(&gateway, &context, place, input.patch_operations.as_deref(), |_| Ok(()))
        .await
}
