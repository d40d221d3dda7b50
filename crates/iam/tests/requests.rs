//! Signed requests through the dispatcher: who they are found to be, and what they are refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use danbi_core::{AccountId, Body, Clock, RoleCredentials, SecretKey, SystemClock, Timestamp, full_body};
use danbi_iam::{Credentials, Directory, GivenRootKey, PolicyAuthorizer, RootCredentials, Sessions, sts};
use danbi_store::{EmbeddedOptions, Store};
use danbi_wire::sigv4::{SignedPayload, Signer};
use danbi_wire::{Dispatcher, Peer};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

struct Platform {
    dispatcher: Dispatcher,
    root: RootCredentials,
    directory: Arc<Directory>,
    store: Store,
    _folder: tempfile::TempDir,
}

impl Platform {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = Store::open_embedded(&folder.path().join("store"), EmbeddedOptions::default()).unwrap();
        let sessions = Arc::new(Sessions::open(&store, clock.clone()).await.unwrap());
        let given = GivenRootKey::from_environment(|_| Some("test".into())).unwrap();
        let root = RootCredentials::open(folder.path(), given).unwrap();
        let directory = Arc::new(Directory::new(store.clone(), clock.clone(), sessions.clone()));
        let account = AccountId::default();
        let sts = sts::Sts::new(store.clone(), directory.clone(), sessions.clone(), &root, &account);
        let credentials = Credentials::new(root.clone(), account, sessions, directory.clone());
        let authorizer = PolicyAuthorizer::new(clock.clone(), directory.clone());
        let dispatcher = Dispatcher::new(
            vec![sts::service(Arc::new(sts))],
            Arc::new(credentials),
            Arc::new(authorizer),
            clock,
            AccountId::default(),
        );
        Self {
            dispatcher,
            root,
            directory,
            store,
            _folder: folder,
        }
    }

    async fn call(&self, request: Request<Body>) -> (StatusCode, String) {
        let peer = Peer {
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            secure: false,
            client: danbi_core::Client::default(),
        };
        let response: Response<Body> = self.dispatcher.call(request, peer).await;
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

const FORM: &str = "Action=GetCallerIdentity&Version=2011-06-15";

fn request(key: &str, secret: &SecretKey, token: Option<&str>, at: Timestamp) -> Request<Body> {
    let (mut parts, ()) = Request::post("http://localhost:4566/")
        .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
        .body(())
        .unwrap()
        .into_parts();
    let signer = Signer {
        access_key_id: key,
        secret,
        session_token: token,
        region: "us-east-1",
        service: "sts",
        at,
    };
    signer.sign(&mut parts, SignedPayload::Bytes(FORM.as_bytes())).unwrap();
    Request::from_parts(parts, full_body(FORM))
}

#[tokio::test]
async fn the_root_is_told_that_it_is_the_root() {
    let platform = Platform::start().await;
    let root = &platform.root;
    let (status, body) = platform
        .call(request(
            &root.default.access_key_id,
            &root.default.secret,
            None,
            SystemClock.now(),
        ))
        .await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("<Arn>arn:aws:iam::000000000000:root</Arn>"), "{body}");
    assert!(
        body.contains("<UserId>000000000000</UserId>") && body.contains("<Account>000000000000</Account>"),
        "{body}"
    );
    platform.store.close().await;
}

#[tokio::test]
async fn a_session_is_told_whose_it_is_without_any_permission() {
    let platform = Platform::start().await;
    let role = "arn:aws:iam::000000000000:role/worker".parse().unwrap();
    let session = platform.directory.assume(&role, "resize").await.unwrap();
    let token = Some(session.session_token.as_str());
    let (status, body) = platform
        .call(request(
            &session.access_key_id,
            &session.secret,
            token,
            SystemClock.now(),
        ))
        .await;
    assert_eq!(status, 200, "{body}");
    assert!(
        body.contains("<Arn>arn:aws:sts::000000000000:assumed-role/worker/resize</Arn>"),
        "{body}"
    );
    for (token, code) in [(None, "InvalidClientTokenId"), (Some("AAAA"), "InvalidClientTokenId")] {
        let (status, body) = platform
            .call(request(
                &session.access_key_id,
                &session.secret,
                token,
                SystemClock.now(),
            ))
            .await;
        assert_eq!(status, 403);
        assert!(body.contains(&format!("<Code>{code}</Code>")), "{body}");
    }
    platform.store.close().await;
}

#[tokio::test]
async fn who_cannot_be_known_is_refused() {
    let platform = Platform::start().await;
    let root = &platform.root;
    let now = SystemClock.now();
    let wrong = SecretKey::new("wrong");
    let unsigned = Request::post("http://localhost:4566/")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(full_body(FORM))
        .unwrap();
    for (request, code) in [
        (
            request("AKIANOBODY", &root.default.secret, None, now),
            "InvalidClientTokenId",
        ),
        (
            request(&root.default.access_key_id, &wrong, None, now),
            "SignatureDoesNotMatch",
        ),
        (
            request(
                &root.default.access_key_id,
                &root.default.secret,
                None,
                now.plus_millis(-600_000),
            ),
            "SignatureDoesNotMatch",
        ),
        (
            request(&root.default.access_key_id, &root.default.secret, Some("token"), now),
            "InvalidClientTokenId",
        ),
        (unsigned, "MissingAuthenticationToken"),
    ] {
        let (status, body) = platform.call(request).await;
        assert_eq!(status, 403, "{body}");
        assert!(body.contains(&format!("<Code>{code}</Code>")), "{code}: {body}");
        assert!(!body.contains("test"), "no secret leaves: {body}");
    }
    platform.store.close().await;
}
