//! The platform as a verb sees it: found, reached, started when there is none, and spoken to in AWS's own words.

mod client;
mod credentials;
mod dynamodb;
mod iam;
mod lambda;
mod logs;
mod rds;
mod s3;
mod sqs;
mod start;
mod xml;

pub use credentials::Credentials;
pub use dynamodb::TableKey;
pub use lambda::{Alias, Code, FunctionConfiguration, LIVE, Update};
pub use logs::{LogQuery, LogRecord};
pub use s3::{ObjectEntry, ObjectHead};
pub use start::Started;
pub use xml::Element;

use super::{Failure, Output, Target};
use client::{Call, Http};
use danbi_core::AccountId;
use http::{Method, Uri};

const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:4566";

/// A platform that answers, with credentials that it knows.
#[derive(Clone)]
pub struct Platform {
    http: Http,
    /// The base URL, without a path.
    pub endpoint: Uri,
    /// The region of everything this verb touches.
    pub region: String,
    /// What requests are signed with.
    pub credentials: Credentials,
    /// How it came to run, when this verb started it.
    pub started: Option<Started>,
}

impl Platform {
    /// Finds the platform that `target` names. It must be running.
    pub async fn find(target: &Target) -> Result<Self, Failure> {
        let endpoint = endpoint(target)?;
        let http = Http::new()?;
        match http.health(&endpoint).await {
            Ok(_) => Self::connect(target, http, endpoint, None).await,
            Err(reason) => Err(unreachable(&endpoint, &reason)),
        }
    }

    /// What the platform says of itself: what is built, and its environments.
    pub async fn health(&self) -> Result<serde_json::Value, Failure> {
        let health = self.http.health(&self.endpoint).await;
        health.map_err(|reason| unreachable(&self.endpoint, &reason))
    }

    /// Says at once what long work would end with: a platform that was named and does not answer. Where none is named, one
    /// can be started later.
    pub async fn expect(target: &Target) -> Result<(), Failure> {
        if target.endpoint.is_none() {
            return Ok(());
        }
        let endpoint = endpoint(target)?;
        let health = Http::new()?.health(&endpoint).await;
        health.map(drop).map_err(|reason| unreachable(&endpoint, &reason))
    }

    /// As [`Platform::find`]; when none runs at the default address, starts one in the background.
    pub async fn find_or_start(target: &Target, output: &Output) -> Result<Self, Failure> {
        let endpoint = endpoint(target)?;
        let http = Http::new()?;
        let started = match http.health(&endpoint).await {
            Ok(_) => None,
            Err(reason) if target.endpoint.is_some() => return Err(unreachable(&endpoint, &reason)),
            Err(_) => {
                output.step("starting the platform");
                Some(start::detached(&target.data_folder(), &http, &endpoint).await?)
            }
        };
        Self::connect(target, http, endpoint, started).await
    }

    async fn connect(target: &Target, http: Http, endpoint: Uri, started: Option<Started>) -> Result<Self, Failure> {
        let region = target.region.as_ref().map(|region| region.as_str().to_owned());
        let region = region
            .or_else(credentials::region)
            .unwrap_or_else(|| "us-east-1".into());
        let mut platform = Self {
            http,
            endpoint,
            region,
            credentials: credentials::find(&target.data_folder())?,
            started,
        };
        platform.replace_foreign_credentials(&target.data_folder()).await;
        Ok(platform)
    }

    /// A default profile in `~/.aws` is usually for AWS itself. When the platform does not know its key and the data
    /// folder can be read, the platform's own root credentials are meant.
    async fn replace_foreign_credentials(&mut self, data: &std::path::Path) {
        if !self.credentials.is_default_profile() {
            return;
        }
        let Some(own) = credentials::of_data_folder(data) else {
            return;
        };
        if let Err(refusal) = self.functions_page(None).await
            && [
                "UnrecognizedClientException",
                "InvalidClientTokenId",
                "InvalidSignatureException",
            ]
            .iter()
            .any(|code| refusal.is(code))
        {
            self.credentials = own;
        }
    }

    /// The account that the credentials belong to (STS `GetCallerIdentity`).
    pub async fn account(&self) -> Result<AccountId, Failure> {
        let what = "cannot tell whose account this is";
        let mut call = Call::new("sts", Method::POST, "/".into(), &serde_json::Value::Null);
        call.body = "Action=GetCallerIdentity&Version=2011-06-15".into();
        call.headers
            .push(("content-type", "application/x-www-form-urlencoded".into()));
        let reply = self.call(what, call).await?;
        let text = String::from_utf8_lossy(&reply.body);
        let account = text
            .split_once("<Account>")
            .and_then(|(_, rest)| rest.split_once("</Account>"));
        account
            .and_then(|(account, _)| account.trim().parse().ok())
            .ok_or_else(|| Failure::new(what, "the answer names no account"))
    }

    /// The app's URLs: by host name, and by path for clients that cannot resolve `*.localhost`.
    pub fn app_urls(&self, name: &str) -> AppUrls {
        let scheme = self.endpoint.scheme_str().unwrap_or("http");
        let authority = self.endpoint.authority().map(ToString::to_string).unwrap_or_default();
        let port = self
            .endpoint
            .port_u16()
            .map(|port| format!(":{port}"))
            .unwrap_or_default();
        AppUrls {
            url: format!("{scheme}://{name}.localhost{port}/"),
            path_url: format!("{scheme}://{authority}/_danbi/app/{name}/"),
        }
    }
}

/// See [`Platform::app_urls`].
#[derive(Debug, Clone, serde::Serialize)]
pub struct AppUrls {
    /// `http://NAME.localhost:PORT/`.
    pub url: String,
    /// `http://ADDRESS/_danbi/app/NAME/`.
    pub path_url: String,
}

/// The base URL that a verb speaks to.
pub fn endpoint(target: &Target) -> Result<Uri, Failure> {
    let text = target
        .endpoint
        .as_deref()
        .filter(|text| !text.is_empty())
        .unwrap_or(DEFAULT_ENDPOINT);
    let text = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let wrong = |why: String| {
        Failure::usage(format!("{text} is not the address of a platform"), why).next("give it as http://127.0.0.1:4566")
    };
    let uri: Uri = text
        .parse()
        .map_err(|error: http::uri::InvalidUri| wrong(error.to_string()))?;
    match uri.scheme_str() {
        Some("http" | "https") if uri.host().is_some_and(|host| !host.is_empty()) => Ok(uri),
        _ => Err(wrong("it must begin with http:// or https:// and name a host".into())),
    }
}

fn unreachable(endpoint: &Uri, reason: &str) -> Failure {
    Failure::new(format!("no platform answers at {endpoint}"), reason)
        .next("start one with `danbi serve`, name another with --endpoint or DANBI_ENDPOINT, or name none: then `danbi deploy` starts one by itself")
}
