//! CreateFunctionUrlConfig, GetFunctionUrlConfig, UpdateFunctionUrlConfig, DeleteFunctionUrlConfig,
//! ListFunctionUrlConfigs.

use crate::lambda::Lambda;
use crate::names::{FunctionId, FunctionRef, Qualifier};
use crate::records::{Read, decode, iso_date, put};
use crate::shapes::{
    Cors, CreateFunctionUrlConfigRequest, CreateFunctionUrlConfigResponse, DeleteFunctionUrlConfigRequest,
    FunctionUrlConfig, GetFunctionUrlConfigRequest, GetFunctionUrlConfigResponse, ListFunctionUrlConfigsRequest,
    ListFunctionUrlConfigsResponse, UpdateFunctionUrlConfigRequest, UpdateFunctionUrlConfigResponse,
};
use crate::{Error, keys, marker};
use danbi_core::{Arn, RequestContext};
use danbi_store::key::KeyReader;
use danbi_store::{Direction, Transaction};
use danbi_wire::Empty;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

/// The most URLs in a page: a function has one, and one for each alias.
const PAGE: usize = 50;
/// What stands for the function itself where a qualifier would stand.
pub(crate) const LATEST: &str = "$LATEST";

/// A function URL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Url {
    /// 32 lower-case letters and digits; never changes.
    pub id: String,
    pub auth_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoke_mode: Option<String>,
    pub created_ms: i64,
    pub modified_ms: i64,
}

/// Where a URL's id leads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct UrlOwner {
    /// The ARN of the function, qualified with the alias if the URL is an alias's.
    pub arn: String,
}

/// What a request about a URL names.
struct Target {
    id: FunctionId,
    alias: Option<Box<str>>,
}

impl Target {
    fn parse(context: &RequestContext, name: &str, qualifier: Option<&str>) -> Result<Self, Error> {
        if let Some(qualifier) = qualifier {
            Qualifier::parse_for_url(qualifier)?;
        }
        let reference = FunctionRef::parse(&context.scope, name, qualifier)?;
        let alias = match &reference.qualifier {
            None => None,
            Some(qualifier) => Some(Qualifier::parse_for_url(&qualifier.to_string())?),
        };
        Ok(Self {
            id: reference.id,
            alias,
        })
    }

    fn qualifier(&self) -> &str {
        self.alias.as_deref().unwrap_or(LATEST)
    }

    fn arn(&self) -> Arn {
        arn(&self.id, self.qualifier())
    }

    /// Fails with AWS's words when the function or the alias is not there.
    async fn check(&self, view: &impl Read) -> Result<(), Error> {
        let missing = || Error::NotFound("Function does not exist".into());
        view.function(&self.id).await?.ok_or_else(missing)?;
        match &self.alias {
            Some(alias) => view
                .read(&keys::alias(&self.id, alias))
                .await?
                .map(|_| ())
                .ok_or_else(missing),
            None => Ok(()),
        }
    }

    async fn url(&self, view: &impl Read) -> Result<Url, Error> {
        let missing = || Error::NotFound("The resource you requested does not exist.".into());
        view.record(&keys::url(&self.id, self.qualifier()))
            .await?
            .ok_or_else(missing)
    }
}

fn arn(id: &FunctionId, qualifier: &str) -> Arn {
    if qualifier == LATEST {
        id.arn()
    } else {
        id.qualified_arn(qualifier)
    }
}

/// 32 random lower-case letters and digits, as AWS's ids are.
fn new_id() -> String {
    const DIGITS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = [0_u128; 2].map(|_| uuid::Uuid::new_v4().as_u128());
    let digit = |half: &mut u128| {
        let digit = (*half % 36) as usize;
        *half /= 36;
        char::from(DIGITS[digit])
    };
    // Sixteen digits of base 36 need 83 of a version 4 UUID's 122 random bits.
    random
        .iter_mut()
        .flat_map(|half| std::iter::repeat_with(move || digit(half)).take(16))
        .collect()
}

/// The URL, on the host by which the caller reached the platform.
fn address(context: &RequestContext, id: &FunctionId, url_id: &str) -> String {
    let scheme = if context.secure { "https" } else { "http" };
    let (host, port) = danbi_core::host::split(&context.host);
    let port = port.map_or(String::new(), |port| format!(":{port}"));
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let region = &id.scope.region;
    if host.ends_with("amazonaws.com") {
        return format!("https://{url_id}.lambda-url.{region}.on.aws/");
    }
    let local =
        host.is_empty() || host == "localhost" || host.ends_with(".localhost") || bare.parse::<IpAddr>().is_ok();
    let host = if local { "localhost" } else { host };
    format!("{scheme}://{url_id}.lambda-url.{region}.{host}{port}/")
}

/// CreateFunctionUrlConfig.
pub(crate) async fn create(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: CreateFunctionUrlConfigRequest,
) -> Result<CreateFunctionUrlConfigResponse, Error> {
    let target = Target::parse(&context, &input.function_name, input.qualifier.as_deref())?;
    let now = lambda.now_ms();
    let url = lambda
        .store
        .transact(async |tx| {
            target.check(&tx).await?;
            let key = keys::url(&target.id, target.qualifier());
            if tx.get(&key).await?.is_some() {
                return Err(Error::Conflict(format!(
                    "Failed to create function url config for [functionArn = {}]. Error message:  FunctionUrlConfig exists for this Lambda function",
                    target.arn()
                )));
            }
            let url = Url {
                id: new_id(),
                auth_type: input.auth_type.clone(),
                cors: input.cors.clone(),
                invoke_mode: input.invoke_mode.clone(),
                created_ms: now,
                modified_ms: now,
            };
            put(&tx, &key, &url)?;
            put(&tx, &keys::url_id(&url.id), &UrlOwner { arn: target.arn().to_string() })?;
            Ok(url)
        })
        .await?;
    Ok(CreateFunctionUrlConfigResponse {
        function_url: address(&context, &target.id, &url.id),
        function_arn: target.arn().to_string(),
        auth_type: url.auth_type,
        cors: url.cors,
        creation_time: iso_date(url.created_ms),
        invoke_mode: url.invoke_mode,
    })
}

/// GetFunctionUrlConfig.
pub(crate) async fn get(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: GetFunctionUrlConfigRequest,
) -> Result<GetFunctionUrlConfigResponse, Error> {
    let target = Target::parse(&context, &input.function_name, input.qualifier.as_deref())?;
    let url = target.url(&lambda.snapshot().await?).await?;
    let shown = show(&context, &target.id, target.qualifier(), url);
    Ok(GetFunctionUrlConfigResponse {
        auth_type: shown.auth_type,
        cors: shown.cors,
        creation_time: shown.creation_time,
        function_arn: shown.function_arn,
        function_url: shown.function_url,
        invoke_mode: shown.invoke_mode,
        last_modified_time: shown.last_modified_time,
    })
}

/// UpdateFunctionUrlConfig: what the request leaves out stays.
pub(crate) async fn update(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: UpdateFunctionUrlConfigRequest,
) -> Result<UpdateFunctionUrlConfigResponse, Error> {
    let target = Target::parse(&context, &input.function_name, input.qualifier.as_deref())?;
    let now = lambda.now_ms();
    let url = lambda
        .store
        .transact(async |tx| {
            target.check(&tx).await?;
            let mut url = target.url(&tx).await?;
            if let Some(auth_type) = &input.auth_type {
                url.auth_type.clone_from(auth_type);
            }
            if input.cors.is_some() {
                url.cors.clone_from(&input.cors);
            }
            if input.invoke_mode.is_some() {
                url.invoke_mode.clone_from(&input.invoke_mode);
            }
            url.modified_ms = now;
            put(&tx, &keys::url(&target.id, target.qualifier()), &url)?;
            Ok::<_, Error>(url)
        })
        .await?;
    let invoke_mode = url.invoke_mode.clone();
    let shown = show(&context, &target.id, target.qualifier(), url);
    Ok(UpdateFunctionUrlConfigResponse {
        auth_type: shown.auth_type,
        cors: shown.cors,
        creation_time: shown.creation_time,
        function_arn: shown.function_arn,
        function_url: shown.function_url,
        invoke_mode,
        last_modified_time: shown.last_modified_time,
    })
}

/// DeleteFunctionUrlConfig.
pub(crate) async fn delete(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: DeleteFunctionUrlConfigRequest,
) -> Result<Empty, Error> {
    let target = Target::parse(&context, &input.function_name, input.qualifier.as_deref())?;
    lambda
        .store
        .transact(async |tx| {
            target.url(&tx).await?;
            forget(&tx, &target.id, target.qualifier()).await?;
            Ok::<_, Error>(Empty {})
        })
        .await
}

/// ListFunctionUrlConfigs.
pub(crate) async fn list(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: ListFunctionUrlConfigsRequest,
) -> Result<ListFunctionUrlConfigsResponse, Error> {
    let id = FunctionRef::parse(&context.scope, &input.function_name, None)?.id;
    let limit = marker::limit(input.max_items, PAGE);
    let from: Option<String> = marker::read(input.marker.as_deref())?;
    let view = lambda.snapshot().await?;
    view.function(&id)
        .await?
        .ok_or_else(|| Error::NotFound("Function does not exist".into()))?;
    let prefix = keys::urls(&id);
    let mut range = keys::below(&prefix);
    if let Some(from) = &from {
        range = range.after(&keys::url(&id, from));
    }
    let page = view.scan(range, Direction::Forward, limit).await?;
    let mut last = None;
    let mut configs = Vec::new();
    for (key, value) in &page.entries {
        let qualifier = KeyReader::after_prefix(key, &prefix)
            .and_then(|mut reader| reader.str())
            .map_err(Error::internal)?;
        configs.push(show(&context, &id, &qualifier, decode(value)?));
        last = Some(qualifier);
    }
    let next_marker = last
        .filter(|_| page.more)
        .map(|last| marker::write(&last))
        .transpose()?;
    Ok(ListFunctionUrlConfigsResponse {
        function_url_configs: configs,
        next_marker,
    })
}

fn show(context: &RequestContext, id: &FunctionId, qualifier: &str, url: Url) -> FunctionUrlConfig {
    FunctionUrlConfig {
        function_url: address(context, id, &url.id),
        function_arn: arn(id, qualifier).to_string(),
        auth_type: url.auth_type,
        cors: url.cors,
        creation_time: iso_date(url.created_ms),
        invoke_mode: Some(url.invoke_mode.unwrap_or_else(|| "BUFFERED".into())),
        last_modified_time: iso_date(url.modified_ms),
    }
}

/// Removes one URL, and that its id leads anywhere.
pub(crate) async fn forget(tx: &Transaction, id: &FunctionId, qualifier: &str) -> Result<(), Error> {
    if let Some(url) = tx.record::<Url>(&keys::url(id, qualifier)).await? {
        tx.delete(&keys::url_id(&url.id))?;
        tx.delete(&keys::url(id, qualifier))?;
    }
    Ok(())
}

/// Removes every URL of a function.
pub(crate) async fn forget_all(tx: &Transaction, id: &FunctionId) -> Result<(), Error> {
    let range = keys::below(&keys::urls(id));
    let mut rest = range.clone();
    loop {
        let page = tx.scan(rest.clone(), Direction::Forward, 1000).await?;
        for (key, value) in &page.entries {
            tx.delete(&keys::url_id(&decode::<Url>(value)?.id))?;
            rest = rest.after(key);
        }
        if !page.more {
            return Ok(tx.delete_range(range)?);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use danbi_core::{Principal, RequestId, Scope};

    fn context(host: &str, secure: bool) -> RequestContext {
        RequestContext {
            request_id: RequestId::new(),
            scope: Scope::default(),
            principal: Principal::Anonymous,
            source_ip: [127, 0, 0, 1].into(),
            secure,
            host: host.into(),
            user_agent: String::new(),
            facts: Default::default(),
        }
    }

    #[test]
    fn urls_are_on_the_host_that_the_caller_used() {
        let id = FunctionRef::parse(&Scope::default(), "f", None).unwrap().id;
        for (host, secure, expected) in [
            (
                "127.0.0.1:4566",
                false,
                "http://abc.lambda-url.us-east-1.localhost:4566/",
            ),
            (
                "localhost:4566",
                false,
                "http://abc.lambda-url.us-east-1.localhost:4566/",
            ),
            ("[::1]:8000", false, "http://abc.lambda-url.us-east-1.localhost:8000/"),
            (
                "danbi.example.com",
                true,
                "https://abc.lambda-url.us-east-1.danbi.example.com/",
            ),
            (
                "lambda.us-east-1.amazonaws.com",
                true,
                "https://abc.lambda-url.us-east-1.on.aws/",
            ),
        ] {
            assert_eq!(address(&context(host, secure), &id, "abc"), expected);
        }
    }

    #[test]
    fn ids_are_32_lower_case_letters_and_digits() {
        let id = new_id();
        assert_eq!(id.len(), 32);
        assert!(id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
        assert_ne!(id, new_id());
    }
}
