//! The dispatcher from outside: signed HTTP requests in, AWS's responses out.

mod compression;
mod direct_json;
mod errors;
mod inside;
mod s3;
mod service;
mod success;

use bytes::Bytes;
use danbi_core::{
    AccountId, Authorizer, Body, Clock, Credential, CredentialSource, Principal, RequestContext, SecretKey,
    ServiceError, Timestamp, full_body,
};
use danbi_wire::sigv4::{SignedPayload, Signer, sha256};
use danbi_wire::{Dispatcher, Peer};
use http::{Request, Response};
use http_body_util::BodyExt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// 2026-11-21T12:00:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_795_262_400_000);

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        NOW
    }
}

struct OneKey;

#[async_trait::async_trait]
impl CredentialSource for OneKey {
    async fn credential(&self, id: &str, _token: Option<&str>) -> Result<Option<Credential>, ServiceError> {
        let principal = Principal::Root(AccountId::default());
        let secret = SecretKey::new("secret");
        Ok((id == "AKIDTEST").then_some(Credential {
            secret,
            principal,
            expires: None,
        }))
    }
}

/// Refuses what touches a resource called `forbidden`, or comes from a program of that name.
struct NotForbidden;

#[async_trait::async_trait]
impl Authorizer for NotForbidden {
    async fn authorize(&self, context: &RequestContext, access: &danbi_core::Access) -> Result<(), ServiceError> {
        if access.resource == "forbidden" || context.user_agent == "forbidden" {
            return Err(ServiceError::client("AccessDeniedException", 403, "no"));
        }
        Ok(())
    }
}

fn dispatcher() -> Dispatcher {
    let services = vec![
        service::logs(),
        service::lambda(),
        service::sts(),
        s3::service(),
        direct_json::service(),
        direct_json::streams(),
    ];
    Dispatcher::new(
        services,
        Arc::new(OneKey),
        Arc::new(NotForbidden),
        Arc::new(Fixed),
        AccountId::default(),
    )
}

struct Answer {
    status: u16,
    response: Response<()>,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.response
            .headers()
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }
}

async fn send(request: Request<Bytes>) -> Answer {
    send_body(request.map(full_body)).await
}

async fn send_body(request: Request<Body>) -> Answer {
    let peer = Peer {
        ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        secure: false,
        client: danbi_core::Client::default(),
    };
    let response = dispatcher().call(request, peer).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    Answer {
        status: parts.status.as_u16(),
        response: Response::from_parts(parts, ()),
        body,
    }
}

fn request(method: &str, uri: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Request<Bytes> {
    let mut builder = Request::builder()
        .method(method)
        .uri(uri)
        .header("host", "localhost:4566");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body.into()).expect("a request")
}

fn sign(request: Request<Bytes>, service: &str) -> Request<Bytes> {
    let (mut parts, body) = request.into_parts();
    let secret = SecretKey::new("secret");
    let signer = Signer {
        access_key_id: "AKIDTEST",
        secret: &secret,
        session_token: None,
        region: "eu-central-1",
        service,
        at: NOW,
    };
    signer
        .sign(&mut parts, SignedPayload::Sha256(sha256(&body)))
        .expect("signed");
    Request::from_parts(parts, body)
}

fn logs(operation: &str, body: &str) -> Request<Bytes> {
    let target = format!("Logs_20140328.{operation}");
    let headers = [
        ("x-amz-target", target.as_str()),
        ("content-type", "application/x-amz-json-1.1"),
    ];
    request("POST", "/", &headers, body.to_owned())
}
