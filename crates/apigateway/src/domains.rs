//! Custom domain names and what stands behind their paths.

use crate::deployments::non_empty;
use crate::patch::{self, Holds, REPLACE, Rule, Words, rule};
use crate::records::{self, HostRecord, Read, StageRecord};
use crate::shapes::*;
use crate::{ApiGateway, Error, ids, keys, rest_apis};
use danbi_core::{RequestContext, Scope};
use danbi_store::KeyRange;
use danbi_wire::Empty;
use std::sync::Arc;

/// Custom domain names of an account; AWS's quota.
const MAX_DOMAINS: usize = 120;
const MAX_MAPPINGS: usize = 200;

const RULES: &[Rule] = &[
    rule("/certificateName", Holds::Text, REPLACE),
    rule("/certificateArn", Holds::Text, REPLACE),
    rule("/regionalCertificateName", Holds::Text, REPLACE),
    rule("/regionalCertificateArn", Holds::Text, REPLACE),
    rule("/ownershipVerificationCertificateArn", Holds::Text, REPLACE),
    rule("/securityPolicy", Holds::Text, REPLACE),
    rule("/endpointAccessMode", Holds::Text, REPLACE),
    rule("/endpointConfiguration/ipAddressType", Holds::Text, REPLACE),
];

const MAPPING_RULES: &[Rule] = &[
    rule("/basePath", Holds::Text, REPLACE),
    rule("/restapiId", Holds::Text, REPLACE).member("/restApiId"),
    rule("/stage", Holds::Text, REPLACE),
];

fn unknown() -> Error {
    Error::missing("Invalid domain name identifier specified")
}

fn unknown_mapping() -> Error {
    Error::missing("Invalid base path mapping identifier specified")
}

async fn find(view: &impl Read, scope: &Scope, name: &str) -> Result<DomainName, Error> {
    view.record(&keys::domain(scope, name)).await?.ok_or_else(unknown)
}

/// A host name that is nobody else's: not the platform's, nor AWS's.
fn check_name(name: &str) -> Result<(), Error> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name_fits = name.len() <= 253 && name.contains('.') && name.split('.').all(label);
    let is_number = name.parse::<std::net::IpAddr>().is_ok();
    let is_taken = [".amazonaws.com", ".on.aws"].iter().any(|end| name.ends_with(end))
        || [".execute-api.", ".lambda-url.", ".s3."]
            .iter()
            .any(|part| name.contains(part))
        || name.strip_suffix(".localhost").is_some_and(|stem| !stem.contains('.'));
    if name.starts_with("*.") {
        return Err(Error::NotBuilt("Wildcard domain names are not built yet.".into()));
    }
    if !name_fits || is_number || is_taken {
        return Err(Error::bad("Invalid domain name identifier specified"));
    }
    Ok(())
}

/// CreateDomainName. The platform serves the name over its own certificate; the certificate named here is kept and shown.
pub(crate) async fn create(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: CreateDomainNameRequest,
) -> Result<DomainName, Error> {
    let name = input.domain_name;
    check_name(&name)?;
    if input.mutual_tls_authentication.is_some() {
        return Err(Error::NotBuilt("Mutual TLS of domain names is not built yet.".into()));
    }
    let scope = &context.scope;
    let id = ids::id()?;
    let types = input
        .endpoint_configuration
        .as_ref()
        .and_then(|given| given.types.clone());
    let types = types.unwrap_or_else(|| vec!["EDGE".into()]);
    let is_edge = types.iter().any(|kind| kind == "EDGE");
    let domain = &DomainName {
        domain_name: Some(name.clone()),
        domain_name_arn: Some(format!("arn:aws:apigateway:{}::/domainnames/{name}", scope.region)),
        certificate_upload_date: is_edge.then(|| gateway.now()),
        certificate_name: input.certificate_name,
        certificate_arn: input.certificate_arn,
        regional_certificate_name: input.regional_certificate_name,
        regional_certificate_arn: input.regional_certificate_arn,
        ownership_verification_certificate_arn: input.ownership_verification_certificate_arn,
        regional_domain_name: (!is_edge).then(|| format!("d-{id}.execute-api.{}.amazonaws.com", scope.region)),
        regional_hosted_zone_id: (!is_edge).then(|| "Z1UJRXOUMOOFQ8".into()),
        distribution_domain_name: is_edge.then(|| format!("d{id}.cloudfront.net")),
        distribution_hosted_zone_id: is_edge.then(|| "Z2FDTNDATAQYW2".into()),
        endpoint_configuration: Some(EndpointConfiguration {
            types: Some(types),
            ip_address_type: Some("ipv4".into()),
            vpc_endpoint_ids: None,
        }),
        domain_name_status: Some("AVAILABLE".into()),
        security_policy: Some(input.security_policy.unwrap_or_else(|| "TLS_1_2".into())),
        tags: non_empty(input.tags),
        ..DomainName::default()
    };
    let name = &name;
    gateway
        .store
        .transact(async |tx| {
            if tx.bytes(&keys::host(name)).await?.is_some() {
                return Err(Error::Conflict("The domain name you provided already exists.".into()));
            }
            let all = tx
                .page(KeyRange::prefix(keys::domains(scope).build()), MAX_DOMAINS)
                .await?;
            if all.entries.len() >= MAX_DOMAINS {
                return Err(Error::LimitExceeded(
                    "Maximum number of domain names for this account has been reached.".into(),
                ));
            }
            let owner = HostRecord {
                account: scope.account.as_str().into(),
                region: scope.region.as_str().into(),
                domain: name.clone(),
            };
            records::put(&tx, &keys::host(name), &owner)?;
            records::put(&tx, &keys::domain(scope, name), domain)?;
            Ok(domain.clone())
        })
        .await
}

/// GetDomainName.
pub(crate) async fn get(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetDomainNameRequest,
) -> Result<DomainName, Error> {
    let view = gateway.store.snapshot().await?;
    find(&view, &context.scope, &input.domain_name).await
}

/// GetDomainNames.
pub(crate) async fn list(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetDomainNamesRequest,
) -> Result<DomainNames, Error> {
    let view = gateway.store.snapshot().await?;
    let prefix = keys::domains(&context.scope);
    let (items, position) = records::list(&view, prefix, input.position.as_deref(), input.limit, |_| true).await?;
    Ok(DomainNames {
        position,
        items: Some(items),
    })
}

/// DeleteDomainName, with its base path mappings.
pub(crate) async fn delete(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: DeleteDomainNameRequest,
) -> Result<Empty, Error> {
    let (scope, name) = (&context.scope, &input.domain_name);
    gateway
        .store
        .transact(async |tx| {
            find(&tx, scope, name).await?;
            tx.delete(&keys::domain(scope, name))?;
            tx.delete(&keys::host(name))?;
            tx.delete_range(KeyRange::prefix(keys::mappings(scope, name).build()))?;
            Ok::<_, Error>(Empty {})
        })
        .await
}

/// UpdateDomainName.
pub(crate) async fn update(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: UpdateDomainNameRequest,
) -> Result<DomainName, Error> {
    let (scope, input) = (&context.scope, &input);
    gateway
        .store
        .transact(async |tx| {
            let old = find(&tx, scope, &input.domain_name).await?;
            let new = patch::apply(&old, input.patch_operations.as_deref(), RULES, Words::Short)?;
            records::put(&tx, &keys::domain(scope, &input.domain_name), &new)?;
            Ok::<_, Error>(new)
        })
        .await
}

/// The empty base path as clients write it.
fn normal(base_path: Option<&str>) -> String {
    match base_path {
        None | Some("" | "(none)") => "(none)".into(),
        Some(path) => path.trim_matches('/').into(),
    }
}

async fn check_mapping(view: &impl Read, scope: &Scope, mapping: &BasePathMapping) -> Result<(), Error> {
    let base = mapping.base_path.as_deref().unwrap_or_default();
    let fine = |c: char| c.is_ascii_alphanumeric() || "$-_.+!*'()/".contains(c);
    if base != "(none)" && (base.is_empty() || base.len() > 300 || !base.chars().all(fine)) {
        return Err(Error::bad("Invalid base path specified"));
    }
    let api = mapping.rest_api_id.as_deref().unwrap_or_default();
    rest_apis::find_or(view, scope, api, || Error::bad("Invalid REST API identifier specified")).await?;
    if let Some(stage) = mapping.stage.as_deref().filter(|stage| !stage.is_empty()) {
        let found: Option<StageRecord> = view.record(&keys::child(api, keys::Kind::Stage, stage)).await?;
        found.ok_or_else(|| Error::bad("Invalid stage identifier specified"))?;
    }
    Ok(())
}

/// CreateBasePathMapping.
pub(crate) async fn create_mapping(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: CreateBasePathMappingRequest,
) -> Result<BasePathMapping, Error> {
    let base = normal(input.base_path.as_deref());
    let mapping = &BasePathMapping {
        base_path: Some(base.clone()),
        rest_api_id: Some(input.rest_api_id),
        stage: input.stage,
    };
    let (scope, domain, base) = (&context.scope, &input.domain_name, &base);
    gateway
        .store
        .transact(async |tx| {
            find(&tx, scope, domain).await?;
            check_mapping(&tx, scope, mapping).await?;
            let all: Vec<BasePathMapping> = tx.all(KeyRange::prefix(keys::mappings(scope, domain).build())).await?;
            if all.iter().any(|other| other.base_path.as_ref() == Some(base)) {
                return Err(Error::Conflict("Base path already exists for this domain name".into()));
            }
            if all.len() >= MAX_MAPPINGS {
                return Err(Error::LimitExceeded(
                    "A domain name has at most 200 base path mappings.".into(),
                ));
            }
            records::put(&tx, &keys::mapping(scope, domain, base), mapping)?;
            Ok(mapping.clone())
        })
        .await
}

/// GetBasePathMapping.
pub(crate) async fn get_mapping(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetBasePathMappingRequest,
) -> Result<BasePathMapping, Error> {
    let view = gateway.store.snapshot().await?;
    find(&view, &context.scope, &input.domain_name).await?;
    let key = keys::mapping(&context.scope, &input.domain_name, &normal(Some(&input.base_path)));
    view.record(&key).await?.ok_or_else(unknown_mapping)
}

/// GetBasePathMappings.
pub(crate) async fn list_mappings(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetBasePathMappingsRequest,
) -> Result<BasePathMappings, Error> {
    let view = gateway.store.snapshot().await?;
    find(&view, &context.scope, &input.domain_name).await?;
    let prefix = keys::mappings(&context.scope, &input.domain_name);
    let (items, position) = records::list(&view, prefix, input.position.as_deref(), input.limit, |_| true).await?;
    Ok(BasePathMappings {
        position,
        items: Some(items),
    })
}

/// DeleteBasePathMapping.
pub(crate) async fn delete_mapping(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: DeleteBasePathMappingRequest,
) -> Result<Empty, Error> {
    let scope = &context.scope;
    let key = &keys::mapping(scope, &input.domain_name, &normal(Some(&input.base_path)));
    gateway
        .store
        .transact(async |tx| {
            tx.bytes(key).await?.ok_or_else(unknown_mapping)?;
            tx.delete(key)?;
            Ok::<_, Error>(Empty {})
        })
        .await
}

/// UpdateBasePathMapping.
pub(crate) async fn update_mapping(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: UpdateBasePathMappingRequest,
) -> Result<BasePathMapping, Error> {
    let (scope, input) = (&context.scope, &input);
    gateway
        .store
        .transact(async |tx| {
            let base = normal(Some(&input.base_path));
            let key = keys::mapping(scope, &input.domain_name, &base);
            let old: BasePathMapping = tx.record(&key).await?.ok_or_else(unknown_mapping)?;
            let mut new = patch::apply(&old, input.patch_operations.as_deref(), MAPPING_RULES, Words::Short)?;
            let moved = normal(new.base_path.as_deref());
            new.base_path = Some(moved.clone());
            check_mapping(&tx, scope, &new).await?;
            if moved != base {
                let taken = tx.bytes(&keys::mapping(scope, &input.domain_name, &moved)).await?;
                if taken.is_some() {
                    return Err(Error::Conflict("Base path already exists for this domain name".into()));
                }
                tx.delete(&key)?;
            }
            records::put(&tx, &keys::mapping(scope, &input.domain_name, &moved), &new)?;
            Ok(new)
        })
        .await
}
