use super::*;
use crate::authorizer::IdentityPolicySource;
use crate::records::{Identity, RoleFacts, put, save};
use danbi_core::{RoleCredentials, ServiceRoles, SourceResource, SystemClock};
use danbi_store::EmbeddedOptions;

/// Two nodes over one store.
struct Nodes {
    store: Store,
    here: Directory,
    there: Directory,
    _folder: tempfile::TempDir,
}

const TRUSTS_LAMBDA: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":
    {"Service":["lambda.amazonaws.com"]},"Action":"sts:AssumeRole"}}"#;
const TRUSTS_EVENTS_OF_A_RULE: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":
    {"Service":"events.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:events:*:*:rule/*"}}}}"#;
const READS: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}}"#;

impl Nodes {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_embedded(folder.path(), EmbeddedOptions::default()).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let sessions = Arc::new(Sessions::open(&store, clock.clone()).await.unwrap());
        let node = || Directory::new(store.clone(), clock.clone(), sessions.clone());
        Self {
            here: node(),
            there: node(),
            store,
            _folder: folder,
        }
    }

    /// Writes an identity as an operation on the first node would.
    async fn write(&self, identity: &Identity) {
        let account = &AccountId::default();
        let revision = &crate::random::bytes::<16>().unwrap();
        self.store
            .transact(async |tx| {
                tx.put(&keys::revision(account), revision.to_vec())?;
                save(&tx, account, identity)
            })
            .await
            .unwrap();
        self.here.forget(account);
    }
}

fn identity(kind: Kind, name: &str) -> Identity {
    Identity {
        kind,
        name: name.into(),
        path: "/".into(),
        id: format!("{}{}", kind.id_prefix(), name.to_uppercase()),
        created: Timestamp::default(),
        inline: Default::default(),
        attached: Vec::new(),
        boundary: None,
        tags: Vec::new(),
        groups: Vec::new(),
        keys: Vec::new(),
        role: None,
    }
}

fn role(name: &str, trust: &str) -> Identity {
    Identity {
        role: Some(RoleFacts {
            trust: trust.into(),
            description: None,
            max_session: 3600,
            service: None,
        }),
        ..identity(Kind::Role, name)
    }
}

fn user(name: &str) -> Principal {
    Principal::Identity {
        arn: format!("arn:aws:iam::000000000000:user/{name}").parse().unwrap(),
        id: format!("AIDA{}", name.to_uppercase()),
        session: None,
    }
}

async fn policies(node: &Directory, principal: &Principal) -> usize {
    node.policies(principal).await.unwrap().own.identity.len()
}

#[tokio::test]
async fn a_change_counts_here_at_once_and_there_soon() {
    let nodes = Nodes::start().await;
    let (mut ana, principal) = (identity(Kind::User, "ana"), user("ana"));
    nodes.write(&ana).await;
    assert_eq!(policies(&nodes.here, &principal).await, 0);
    assert_eq!(policies(&nodes.there, &principal).await, 0);
    ana.inline.insert("reads".into(), READS.into());
    ana.attached = vec![
        "arn:aws:iam::aws:policy/AdministratorAccess".into(),
        "arn:aws:iam::000000000000:policy/gone".into(),
    ];
    nodes.write(&ana).await;
    assert_eq!(policies(&nodes.here, &principal).await, 2);
    while policies(&nodes.there, &principal).await != 2 {
        tokio::task::yield_now().await;
    }
    // Who has the name now is somebody else.
    let other = Identity {
        id: "AIDAOTHER".into(),
        ..ana
    };
    nodes.write(&other).await;
    assert_eq!(policies(&nodes.here, &principal).await, 0);
    nodes.store.close().await;
}

#[tokio::test]
async fn groups_and_boundaries_count_and_what_is_missing_bounds_everything() {
    let nodes = Nodes::start().await;
    let mut readers = identity(Kind::Group, "Readers");
    readers.inline.insert("reads".into(), READS.into());
    let ana = Identity {
        groups: vec!["Readers".into()],
        boundary: Some("arn:aws:iam::000000000000:policy/gone".into()),
        ..identity(Kind::User, "ana")
    };
    nodes.write(&readers).await;
    nodes.write(&ana).await;
    let held = nodes.here.policies(&user("ana")).await.unwrap();
    assert_eq!(held.own.identity.len(), 1);
    assert_eq!(held.own.boundary.as_deref(), Some(&Policy::deny_all()));
    nodes.store.close().await;
}

#[tokio::test]
async fn services_act_as_roles_that_trust_them() {
    let nodes = Nodes::start().await;
    nodes.write(&role("rules", TRUSTS_EVENTS_OF_A_RULE)).await;
    let arn: Arn = "arn:aws:iam::000000000000:role/rules".parse().unwrap();
    let source = |arn: &str| SourceResource {
        arn: arn.into(),
        account: AccountId::default(),
    };
    let rule = source("arn:aws:events:us-east-1:000000000000:rule/nightly");
    let act = async |role: &Arn, service: &str, source: Option<&SourceResource>| {
        nodes.here.act_as(role, service, "nightly", source).await
    };
    let principal = act(&arn, "events.amazonaws.com", Some(&rule)).await.unwrap();
    let Principal::Identity { arn: who, id, session } = principal else {
        panic!("an identity")
    };
    assert_eq!(who.to_string(), "arn:aws:sts::000000000000:assumed-role/rules/nightly");
    assert_eq!(id, "AROARULES:nightly");
    assert!(session.is_some());
    let other = source("arn:aws:sns:us-east-1:000000000000:topic");
    let elsewhere: Arn = "arn:aws:iam::000000000000:role/path/rules".parse().unwrap();
    for (role, service, source) in [
        (&arn, "events.amazonaws.com", None),
        (&arn, "events.amazonaws.com", Some(&other)),
        (&arn, "lambda.amazonaws.com", Some(&rule)),
        (&elsewhere, "events.amazonaws.com", Some(&rule)),
    ] {
        let refused = act(role, service, source).await.unwrap_err();
        assert_eq!((refused.code, refused.status), ("AccessDenied", 403));
    }
    nodes.store.close().await;
}

#[tokio::test]
async fn a_function_has_the_rights_of_a_role_that_trusts_lambda_and_no_others() {
    let nodes = Nodes::start().await;
    let mut worker = role("worker", TRUSTS_LAMBDA);
    worker.inline.insert("reads".into(), READS.into());
    nodes.write(&worker).await;
    nodes.write(&role("foreign", TRUSTS_EVENTS_OF_A_RULE)).await;
    for (name, rights) in [("worker", 1), ("foreign", 0), ("gone", 0)] {
        let arn = format!("arn:aws:iam::000000000000:role/{name}").parse().unwrap();
        let issued = nodes.here.assume(&arn, "f").await.unwrap();
        assert_eq!(issued.warning.is_some(), rights == 0, "{name}");
        let found = nodes
            .here
            .sessions
            .credential(&issued.access_key_id, &issued.session_token);
        assert_eq!(policies(&nodes.here, &found.unwrap().principal).await, rights, "{name}");
    }
    nodes.store.close().await;
}

#[tokio::test]
async fn a_key_is_its_users_until_it_is_deleted() {
    let nodes = Nodes::start().await;
    let account = &AccountId::default();
    nodes.write(&identity(Kind::User, "ana")).await;
    let key = &AccessKey {
        account: account.to_string(),
        user: "ana".into(),
        user_id: "AIDAANA".into(),
        active: true,
        created: Timestamp::default(),
        salt: "00".into(),
    };
    let store = &nodes.store;
    store
        .transact(async |tx| put(&tx, &keys::access_key("AKIAX"), key))
        .await
        .unwrap();
    let known = nodes.here.key("AKIAX").await.unwrap().unwrap();
    assert_eq!(known.principal, user("ana"));
    assert!(known.active && known.secret.expose().len() == 40);
    assert!(nodes.here.key("AKIAY").await.unwrap().is_none());
    nodes.here.note_use("AKIAX", "s3", "eu-central-1").await;
    let used: Option<records::LastUsed> = store
        .snapshot()
        .await
        .unwrap()
        .record(&keys::last_used("AKIAX"))
        .await
        .unwrap();
    assert_eq!(used.unwrap().region, "eu-central-1");
    store
        .transact(async |tx| {
            tx.put(&keys::revision(account), vec![1])?;
            Ok::<_, crate::IamError>(tx.delete(&keys::access_key("AKIAX"))?)
        })
        .await
        .unwrap();
    while nodes.there.key("AKIAX").await.unwrap().is_some() {
        tokio::task::yield_now().await;
    }
    nodes.here.forget(account);
    assert!(nodes.here.key("AKIAX").await.unwrap().is_none());
    nodes.store.close().await;
}
