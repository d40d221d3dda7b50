use crate::patch::{self, Holds, REPLACE, Rule, Words, rule};
use crate::records::{self, Read};
use crate::rest_apis::find_or;
use crate::shapes::*;
use crate::{ApiGateway, Error, ids, keys, rest_apis};
use danbi_core::RequestContext;
use danbi_store::{KeyRange, Transaction};
use danbi_wire::Empty;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Resources that an API may have; AWS's quota.
const MAX_RESOURCES: usize = 300;

const RULES: &[Rule] = &[
    rule("/parentId", Holds::Text, REPLACE),
    rule("/pathPart", Holds::Text, REPLACE),
];

/// CreateResource.
pub(crate) async fn create(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: CreateResourceRequest,
) -> Result<Resource, Error> {
    let id = ids::id()?;
    let (scope, input, id) = (&context.scope, &input, &id);
    gateway
        .store
        .transact(async |tx| {
            find_or(&tx, scope, &input.rest_api_id, Error::resource).await?;
            let all: Vec<Resource> = tx.children(&input.rest_api_id, keys::Kind::Resource).await?;
            if all.len() >= MAX_RESOURCES {
                return Err(Error::LimitExceeded(
                    "Maximum number of resources for this API has been reached.".into(),
                ));
            }
            let resource = child(&all, &input.parent_id, &input.path_part, id)?;
            records::put(
                &tx,
                &keys::child(&input.rest_api_id, keys::Kind::Resource, id),
                &resource,
            )?;
            Ok(resource)
        })
        .await
}

/// The new resource `id` below `parent`, if it may be there beside `all`.
pub(crate) fn child(all: &[Resource], parent: &str, part: &str, id: &str) -> Result<Resource, Error> {
    let parent = by_id(all, parent).ok_or_else(Error::resource)?;
    check_part(part)?;
    check_place(all, parent, part, id)?;
    Ok(Resource {
        id: Some(id.into()),
        parent_id: parent.id.clone(),
        path_part: Some(part.into()),
        path: Some(below(parent, part)),
        resource_methods: None,
    })
}

fn by_id<'a>(all: &'a [Resource], id: &str) -> Option<&'a Resource> {
    all.iter().find(|resource| resource.id.as_deref() == Some(id))
}

fn below(parent: &Resource, part: &str) -> String {
    let path = parent.path.as_deref().unwrap_or("/").trim_end_matches('/');
    format!("{path}/{part}")
}

fn is_variable(part: &str) -> bool {
    part.starts_with('{') && part.ends_with('}')
}

/// Letters, digits and a few signs, or one of them in braces, perhaps greedy.
fn check_part(part: &str) -> Result<(), Error> {
    let name = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let name = name.map_or(part, |name| name.strip_suffix('+').unwrap_or(name));
    let fine = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*,;=@%+".contains(c);
    if name.is_empty() || name.len() > 512 || !name.chars().all(fine) {
        return Err(Error::bad(
            "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and the end.",
        ));
    }
    Ok(())
}

fn check_place(all: &[Resource], parent: &Resource, part: &str, id: &str) -> Result<(), Error> {
    let parent_part = parent.path_part.as_deref().unwrap_or_default();
    if parent_part.ends_with("+}") {
        return Err(Error::bad(format!(
            "Cannot create a child of a resource with a greedy path variable: {parent_part}"
        )));
    }
    let siblings = all
        .iter()
        .filter(|resource| resource.parent_id == parent.id && resource.id.as_deref() != Some(id));
    for sibling in siblings {
        let name = sibling.path_part.as_deref().unwrap_or_default();
        if name == part {
            return Err(Error::Conflict(format!(
                "Another resource with the same parent already has this name: {part}"
            )));
        }
        if is_variable(name) && is_variable(part) {
            return Err(Error::bad(format!(
                "A sibling ({name}) of this resource already has a variable path part -- only one is allowed"
            )));
        }
    }
    Ok(())
}

/// GetResource.
pub(crate) async fn get(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetResourceRequest,
) -> Result<Resource, Error> {
    let view = gateway.store.snapshot().await?;
    find_or(&view, &context.scope, &input.rest_api_id, Error::resource).await?;
    let resource = records::resource(&view, &input.rest_api_id, &input.resource_id).await?;
    with_methods(
        &view,
        &input.rest_api_id,
        resource.ok_or_else(Error::resource)?,
        embeds(input.embed.as_deref()),
    )
    .await
}

/// GetResources.
pub(crate) async fn list(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetResourcesRequest,
) -> Result<Resources, Error> {
    let view = gateway.store.snapshot().await?;
    rest_apis::find(&view, &context.scope, &input.rest_api_id).await?;
    let prefix = keys::children(&input.rest_api_id, keys::Kind::Resource);
    let (found, position) = records::list(&view, prefix, input.position.as_deref(), input.limit, |_| true).await?;
    let mut items = Vec::with_capacity(found.len());
    for resource in found {
        items.push(with_methods(&view, &input.rest_api_id, resource, embeds(input.embed.as_deref())).await?);
    }
    items.sort_by(|a: &Resource, b| a.path.cmp(&b.path));
    Ok(Resources {
        position,
        items: Some(items),
    })
}

fn embeds(embed: Option<&[String]>) -> bool {
    embed.is_some_and(|embed| embed.iter().any(|name| name == "methods"))
}

/// The resource with the names of its methods, and with all that they are when `embed` says so.
async fn with_methods(view: &impl Read, api: &str, resource: Resource, embed: bool) -> Result<Resource, Error> {
    let id = resource.id.as_deref().unwrap_or_default();
    let methods: Vec<Method> = view.all(keys::methods(api, id)).await?;
    let shown = |method: Method| {
        let name = method.http_method.clone().unwrap_or_default();
        (name, if embed { method } else { Method::default() })
    };
    let methods: BTreeMap<String, Method> = methods.into_iter().map(shown).collect();
    Ok(Resource {
        resource_methods: Some(methods).filter(|methods| !methods.is_empty()),
        ..resource
    })
}

/// DeleteResource: the resource and everything below it.
pub(crate) async fn delete(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: DeleteResourceRequest,
) -> Result<Empty, Error> {
    let (scope, api, id) = (&context.scope, &input.rest_api_id, &input.resource_id);
    gateway
        .store
        .transact(async |tx| {
            find_or(&tx, scope, api, Error::resource).await?;
            let all: Vec<Resource> = tx.children(api, keys::Kind::Resource).await?;
            let resource = by_id(&all, id).ok_or_else(Error::resource)?;
            if resource.parent_id.is_none() {
                return Err(Error::bad("Cannot delete root resource"));
            }
            remove_tree(&tx, api, &all, id)?;
            Ok(Empty {})
        })
        .await
}

/// Removes the resource `id` and all below it.
pub(crate) fn remove_tree(tx: &Transaction, api: &str, all: &[Resource], id: &str) -> Result<(), Error> {
    let mut doomed = vec![id.to_owned()];
    let mut at = 0;
    while at < doomed.len() {
        let parent = Some(doomed[at].clone());
        let below = all.iter().filter(|resource| resource.parent_id == parent);
        doomed.extend(below.filter_map(|resource| resource.id.clone()));
        at += 1;
    }
    for id in doomed {
        tx.delete(&keys::child(api, keys::Kind::Resource, &id))?;
        let methods: KeyRange = keys::methods(api, &id);
        tx.delete_range(methods)?;
    }
    Ok(())
}

/// UpdateResource.
pub(crate) async fn update(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: UpdateResourceRequest,
) -> Result<Resource, Error> {
    let (scope, api, id) = (&context.scope, &input.rest_api_id, &input.resource_id);
    let operations = input.patch_operations.as_deref();
    let resource = gateway
        .store
        .transact(async |tx| {
            find_or(&tx, scope, api, Error::resource).await?;
            let mut all: Vec<Resource> = tx.children(api, keys::Kind::Resource).await?;
            let old = by_id(&all, id).ok_or_else(Error::resource)?.clone();
            let new = patch::apply(&old, operations, RULES, Words::Listing)?;
            if old.parent_id.is_none() {
                let member = if new.path_part == old.path_part {
                    "parentId"
                } else {
                    "pathPart"
                };
                return Err(Error::bad(format!("Root resource cannot update its {member}.")));
            }
            let moved = moved(&all, &new, id)?;
            all.retain(|resource| resource.id != moved.id);
            all.push(moved.clone());
            for resource in repathed(&all, &moved) {
                let id = resource.id.as_deref().unwrap_or_default();
                records::put(&tx, &keys::child(api, keys::Kind::Resource, id), &resource)?;
            }
            Ok(moved)
        })
        .await?;
    let view = gateway.store.snapshot().await?;
    with_methods(&view, api, resource, false).await
}

/// The resource at its new place, if it may be there.
fn moved(all: &[Resource], new: &Resource, id: &str) -> Result<Resource, Error> {
    let parent_id = new.parent_id.as_deref().unwrap_or_default();
    let parent = by_id(all, parent_id).ok_or_else(Error::resource)?;
    let mut ancestor = Some(parent);
    while let Some(resource) = ancestor {
        if resource.id.as_deref() == Some(id) {
            return Err(Error::bad("Resources cannot be cyclical."));
        }
        ancestor = resource.parent_id.as_deref().and_then(|id| by_id(all, id));
    }
    let part = new.path_part.as_deref().unwrap_or_default();
    check_part(part)?;
    check_place(all, parent, part, id)?;
    Ok(Resource {
        path: Some(below(parent, part)),
        ..new.clone()
    })
}

/// `top` and all below it, with the paths that follow from its own.
fn repathed(all: &[Resource], top: &Resource) -> Vec<Resource> {
    let mut done = vec![top.clone()];
    let mut at = 0;
    while at < done.len() {
        let parent = done[at].clone();
        for resource in all.iter().filter(|resource| resource.parent_id == parent.id) {
            let part = resource.path_part.as_deref().unwrap_or_default();
            done.push(Resource {
                path: Some(below(&parent, part)),
                ..resource.clone()
            });
        }
        at += 1;
    }
    done
}
