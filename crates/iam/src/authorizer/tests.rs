use super::*;
use danbi_core::{Granted, PolicyUse, RequestId, SystemClock};
use std::net::{IpAddr, Ipv4Addr};

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

struct Document(&'static str);

#[async_trait]
impl ResourcePolicySource for Document {
    async fn resource_policy(&self, resource: &Arn) -> Result<Option<String>, ServiceError> {
        assert_eq!(resource.to_string(), FUNCTION);
        Ok((!self.0.is_empty()).then(|| self.0.to_owned()))
    }
}

fn context(principal: Principal) -> RequestContext {
    RequestContext {
        request_id: RequestId::new(),
        scope: Default::default(),
        principal,
        source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        secure: false,
        host: "localhost:4566".into(),
        user_agent: String::new(),
        facts: Default::default(),
    }
}

async fn ask(document: &'static str, principal: Principal, access: &Access) -> Result<(), ServiceError> {
    let authorizer = PolicyAuthorizer::new(Arc::new(SystemClock), Arc::new(NoIdentityPolicies))
        .with_resource_policies("lambda", Arc::new(Document(document)));
    authorizer.authorize(&context(principal), access).await
}

fn session() -> Principal {
    let arn = "arn:aws:sts::000000000000:assumed-role/worker/job".parse().unwrap();
    Principal::Identity {
        arn,
        id: "AROAEXAMPLE:job".into(),
        session: None,
    }
}

const PUBLIC_URL: &str = r#"{"Version":"2012-10-17","Id":"default","Statement":[{"Sid":"FunctionURLAllowPublicAccess",
    "Effect":"Allow","Principal":"*","Action":"lambda:InvokeFunctionUrl",
    "Resource":"arn:aws:lambda:us-east-1:000000000000:function:f",
    "Condition":{"StringEquals":{"lambda:FunctionUrlAuthType":"NONE"}}}]}"#;

const FROM_A_BUCKET: &str = r#"{"Version":"2012-10-17","Id":"default","Statement":[{"Sid":"s3-invoke","Effect":"Allow",
    "Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction",
    "Resource":"arn:aws:lambda:us-east-1:000000000000:function:f",
    "Condition":{"StringEquals":{"AWS:SourceAccount":"000000000000"},"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::photos"}}}]}"#;

#[tokio::test]
async fn the_root_of_the_account_may_do_everything_in_it() {
    let access = Access::new("lambda:DeleteFunction", FUNCTION);
    ask("", Principal::Root(AccountId::default()), &access).await.unwrap();
    assert!(
        ask("", Principal::Root("111111111111".parse().unwrap()), &access)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_refusal_says_who_what_on_what_and_why() {
    let error = ask("", session(), &Access::new("lambda:InvokeFunction", FUNCTION))
        .await
        .unwrap_err();
    assert_eq!((error.code, error.status), ("AccessDeniedException", 403));
    assert_eq!(
        error.message,
        "User: arn:aws:sts::000000000000:assumed-role/worker/job is not authorized to perform: lambda:InvokeFunction on \
         resource: arn:aws:lambda:us-east-1:000000000000:function:f because no identity-based policy allows the \
         lambda:InvokeFunction action"
    );
    let denying = r#"{"Statement":[{"Effect":"Deny","Principal":"*","Action":"lambda:*"}]}"#;
    let error = ask(denying, session(), &Access::new("lambda:InvokeFunction", FUNCTION))
        .await
        .unwrap_err();
    assert!(
        error
            .message
            .ends_with("function:f with an explicit deny in a resource-based policy"),
        "{}",
        error.message
    );
}

#[tokio::test]
async fn a_public_function_url_is_open_to_anyone_and_only_as_a_url() {
    let url = |auth: &str| Access::new("lambda:InvokeFunctionUrl", FUNCTION).with("lambda:FunctionUrlAuthType", auth);
    ask(PUBLIC_URL, Principal::Anonymous, &url("NONE")).await.unwrap();
    assert!(ask(PUBLIC_URL, Principal::Anonymous, &url("AWS_IAM")).await.is_err());
    assert!(
        ask(
            PUBLIC_URL,
            Principal::Anonymous,
            &Access::new("lambda:InvokeFunction", FUNCTION)
        )
        .await
        .is_err()
    );
    assert!(ask("", Principal::Anonymous, &url("NONE")).await.is_err());
}

#[tokio::test]
async fn a_service_may_act_for_the_resource_that_the_permission_names() {
    let event = |bucket: &str| {
        Access::new("lambda:InvokeFunction", FUNCTION)
            .with("aws:SourceArn", format!("arn:aws:s3:::{bucket}"))
            .with("aws:SourceAccount", "000000000000")
    };
    let s3 = || Principal::Service("s3.amazonaws.com".into());
    ask(FROM_A_BUCKET, s3(), &event("photos")).await.unwrap();
    assert!(ask(FROM_A_BUCKET, s3(), &event("other")).await.is_err());
    assert!(
        ask(
            FROM_A_BUCKET,
            Principal::Service("sns.amazonaws.com".into()),
            &event("photos")
        )
        .await
        .is_err()
    );
    assert!(
        ask(FROM_A_BUCKET, s3(), &Access::new("lambda:InvokeFunction", FUNCTION))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_policy_that_cannot_be_read_lets_nobody_pass() {
    let error = ask("{", session(), &Access::new("lambda:InvokeFunction", FUNCTION))
        .await
        .unwrap_err();
    assert_eq!((error.code, error.status), ("InternalFailure", 500));
}

#[tokio::test]
async fn actions_without_a_resource_are_decided_too() {
    let error = ask("", session(), &Access::any("lambda:ListFunctions"))
        .await
        .unwrap_err();
    assert!(error.message.contains("on resource: * because"), "{}", error.message);
}

/// A bucket of the account 111111111111, as its service knows it.
struct Bucket(ResourceSide);

const OBJECT: &str = "arn:aws:s3:::photos/cat";

#[async_trait]
impl ResourcePolicySource for Bucket {
    async fn resource_policy(&self, _: &Arn) -> Result<Option<String>, ServiceError> {
        unreachable!("the whole side is asked for")
    }

    async fn resource_side(&self, _: &RequestContext, _: &Access) -> Result<ResourceSide, ServiceError> {
        Ok(self.0.clone())
    }
}

fn side() -> ResourceSide {
    ResourceSide {
        owner: Some("111111111111".parse().unwrap()),
        refusal: Some(Refusal::Code("AccessDenied")),
        ..ResourceSide::default()
    }
}

async fn ask_bucket(side: ResourceSide, principal: Principal) -> Result<(), ServiceError> {
    let authorizer = PolicyAuthorizer::new(Arc::new(SystemClock), Arc::new(NoIdentityPolicies))
        .with_resource_policies("s3", Arc::new(Bucket(side)));
    let access = Access::new("s3:GetObject", OBJECT);
    authorizer.authorize(&context(principal), &access).await
}

fn root(account: &str) -> Principal {
    Principal::Root(account.parse().unwrap())
}

#[tokio::test]
async fn a_foreign_root_needs_leave_of_the_resource_and_the_owner_does_not() {
    ask_bucket(side(), root("111111111111")).await.unwrap();
    let error = ask_bucket(side(), root("222222222222")).await.unwrap_err();
    assert_eq!((error.code, error.status), ("AccessDenied", 403));
    let policy = r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":"222222222222"},"Action":"s3:GetObject",
        "Resource":"arn:aws:s3:::photos/*"}]}"#;
    let granting = ResourceSide {
        policy: Some(policy.into()),
        ..side()
    };
    ask_bucket(granting.clone(), root("222222222222")).await.unwrap();
    ask_bucket(granting.clone(), root("333333333333")).await.unwrap_err();
    let withheld = ResourceSide {
        policy_use: PolicyUse::DeniesOnly,
        ..granting
    };
    ask_bucket(withheld, root("222222222222")).await.unwrap_err();
}

#[tokio::test]
async fn a_policy_may_deny_the_owner_but_not_the_mending_of_the_policy() {
    let denying = ResourceSide {
        policy: Some(r#"{"Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*"}]}"#.into()),
        ..side()
    };
    ask_bucket(denying.clone(), root("111111111111")).await.unwrap_err();
    let sparing = ResourceSide {
        policy_use: PolicyUse::SparesRoot,
        ..denying
    };
    ask_bucket(sparing.clone(), root("111111111111")).await.unwrap();
    ask_bucket(sparing, root("222222222222")).await.unwrap_err();
}

#[tokio::test]
async fn access_control_lists_grant_to_accounts_or_to_everybody() {
    let granting = |granted| ResourceSide { granted, ..side() };
    // Whose identity policies say nothing: an account's grant is passed on to them, everybody's is not.
    for (granted, foreign_root, foreign_user, stranger) in [
        (Granted::Nothing, false, false, false),
        (Granted::ToAccount, true, false, true),
        (Granted::ToEverybody, true, false, true),
    ] {
        assert_eq!(
            ask_bucket(granting(granted), root("222222222222")).await.is_ok(),
            foreign_root
        );
        assert_eq!(ask_bucket(granting(granted), session()).await.is_ok(), foreign_user);
        assert_eq!(
            ask_bucket(granting(granted), Principal::Anonymous).await.is_ok(),
            stranger
        );
    }
    let own = ResourceSide {
        owner: Some(AccountId::default()),
        ..granting(Granted::ToEverybody)
    };
    ask_bucket(own, session()).await.unwrap();
}

/// A user whose only policy is this one.
struct Only(&'static str);

#[async_trait]
impl IdentityPolicySource for Only {
    async fn policies(&self, _: &Principal) -> Result<Held, ServiceError> {
        let own = KnownIdentity {
            identity: vec![Arc::new(Policy::parse_identity(self.0).unwrap())],
            arn: Some("arn:aws:iam::000000000000:role/path/worker".into()),
            tags: vec![("team".into(), "blue".into())],
            ..KnownIdentity::default()
        };
        Ok(Held {
            own: Arc::new(own),
            session: Vec::new(),
        })
    }
}

async fn may(policy: &'static str, action: &'static str) -> bool {
    let authorizer = PolicyAuthorizer::new(Arc::new(SystemClock), Arc::new(Only(policy)));
    let access = Access::new(action, "arn:aws:dynamodb:us-east-1:000000000000:table/t");
    authorizer.authorize(&context(session()), &access).await.is_ok()
}

#[tokio::test]
async fn identity_policies_know_the_roles_path_and_tags() {
    let allow = r#"{"Statement":{"Effect":"Allow","Action":"sqs:*","Resource":"*","Condition":{"StringEquals":
        {"aws:PrincipalTag/TEAM":"blue","aws:PrincipalArn":"arn:aws:iam::000000000000:role/path/worker"}}}}"#;
    assert!(may(allow, "sqs:SendMessage").await);
    assert!(!may(allow, "sns:Publish").await);
}
