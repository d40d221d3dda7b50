use super::*;
use danbi_core::{AccountId, Principal};
use proptest::prelude::*;
use std::sync::Arc;

const USER: &str = "arn:aws:iam::123456789012:user/ana";
const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/worker/job";

fn identity(arn: &str) -> Principal {
    Principal::Identity {
        arn: arn.parse().unwrap(),
        id: "AIDAEXAMPLE".into(),
        session: None,
    }
}

fn identity_policy(text: &str) -> Arc<Policy> {
    Arc::new(Policy::parse_identity(text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

fn resource_policy(text: &str) -> Arc<Policy> {
    Arc::new(Policy::parse_resource(text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

/// A policy with one statement, its elements given without braces.
fn statement(elements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{{{elements}}}]}}"#)
}

fn allow(resource: &str) -> String {
    statement(&format!(
        r#""Effect":"Allow","Action":"s3:GetObject","Resource":"{resource}""#
    ))
}

fn deny(resource: &str) -> String {
    allow(resource).replace("Allow", "Deny")
}

fn granting(principal: &str) -> String {
    statement(&format!(
        r#""Effect":"Allow","Principal":{principal},"Action":"s3:GetObject","Resource":"*""#
    ))
}

const OBJECT: &str = "arn:aws:s3:::bucket/key";

fn ask(principal: &Principal, policies: &PolicySet) -> Decision {
    let context = ContextKeys::new();
    decide(
        &Request {
            principal,
            action: "s3:GetObject",
            resource: OBJECT,
            resource_account: None,
            context: &context,
        },
        policies,
    )
}

/// The rows of AWS's table of how identity, resource, boundary and session policies combine in one account.
#[test]
fn policies_combine_as_aws_documents() {
    use Decision::*;
    use PolicyKind::*;
    let yes = || Some(allow("*"));
    let other = || Some(allow("arn:aws:s3:::another/*"));
    let no = || Some(deny("*"));
    let user = format!(r#"{{"AWS":"{USER}"}}"#);
    let session = format!(r#"{{"AWS":"{SESSION}"}}"#);
    let role = r#"{"AWS":"arn:aws:iam::123456789012:role/team/worker"}"#.to_owned();
    let account = r#"{"AWS":"arn:aws:iam::123456789012:root"}"#.to_owned();
    let everyone = r#""*""#.to_owned();
    type Text = Option<String>;
    // who, identity, resource's principal, boundary, session, what comes of it
    let rows: Vec<(&str, Text, Text, Text, Text, Decision)> = vec![
        (USER, None, None, None, None, ImplicitDeny(Identity)),
        (USER, yes(), None, None, None, Allowed),
        (USER, other(), None, None, None, ImplicitDeny(Identity)),
        (USER, no(), Some(user.clone()), None, None, ExplicitDeny(Identity)),
        (USER, None, Some(user.clone()), None, None, Allowed),
        (USER, None, Some(everyone.clone()), None, None, Allowed),
        (USER, None, Some(account.clone()), None, None, ImplicitDeny(Identity)),
        (USER, yes(), Some(account.clone()), None, None, Allowed),
        (USER, yes(), None, yes(), None, Allowed),
        (USER, yes(), None, other(), None, ImplicitDeny(Boundary)),
        (USER, None, None, yes(), None, ImplicitDeny(Identity)),
        (USER, yes(), None, no(), None, ExplicitDeny(Boundary)),
        (USER, None, Some(user.clone()), other(), None, Allowed),
        (USER, None, Some(role.clone()), None, None, ImplicitDeny(Identity)),
        (SESSION, None, Some(role.clone()), None, None, Allowed),
        (SESSION, None, Some(role.clone()), other(), None, ImplicitDeny(Boundary)),
        (SESSION, None, Some(role.clone()), None, other(), ImplicitDeny(Session)),
        (SESSION, None, Some(role.clone()), yes(), yes(), Allowed),
        (SESSION, None, Some(session.clone()), other(), other(), Allowed),
        (SESSION, yes(), None, None, yes(), Allowed),
        (SESSION, yes(), None, None, other(), ImplicitDeny(Session)),
        (SESSION, None, None, None, yes(), ImplicitDeny(Identity)),
        (SESSION, yes(), Some(session), None, no(), ExplicitDeny(Session)),
        (SESSION, yes(), Some(user), None, None, Allowed),
    ];
    for (number, (who, own, grants, boundary, session, expected)) in rows.into_iter().enumerate() {
        let own: Vec<_> = own.iter().map(|text| identity_policy(text)).collect();
        let session: Vec<_> = session.iter().map(|text| identity_policy(text)).collect();
        let boundary = boundary.map(|text| identity_policy(&text));
        let policies = PolicySet {
            identity: &own,
            resource: grants.map(|principal| resource_policy(&granting(&principal))),
            boundary: boundary.as_deref(),
            session: &session,
            ..PolicySet::default()
        };
        assert_eq!(ask(&identity(who), &policies), expected, "row {number}");
    }
}

#[test]
fn a_deny_of_the_resource_wins_over_everything() {
    for principal in [
        r#""*""#,
        r#"{"AWS":"123456789012"}"#,
        &format!(r#"{{"AWS":["{USER}"]}}"#),
    ] {
        let policies = PolicySet {
            identity: &[identity_policy(&allow("*"))],
            resource: Some(resource_policy(&granting(principal).replace("Allow", "Deny"))),
            ..PolicySet::default()
        };
        assert_eq!(
            ask(&identity(USER), &policies),
            Decision::ExplicitDeny(PolicyKind::Resource)
        );
    }
}

#[test]
fn across_accounts_both_sides_must_allow() {
    let owner: AccountId = "999999999999".parse().unwrap();
    let (principal, context) = (identity(USER), ContextKeys::new());
    let account = Some(resource_policy(&granting(r#"{"AWS":"123456789012"}"#)));
    let own = vec![identity_policy(&allow("*"))];
    let rows = [
        (own.clone(), account.clone(), Decision::Allowed),
        (own, None, Decision::ImplicitDeny(PolicyKind::Resource)),
        (Vec::new(), account, Decision::ImplicitDeny(PolicyKind::Identity)),
    ];
    for (identity, resource, expected) in rows {
        let request = Request {
            principal: &principal,
            action: "s3:GetObject",
            resource: OBJECT,
            resource_account: Some(&owner),
            context: &context,
        };
        assert_eq!(
            decide(
                &request,
                &PolicySet {
                    identity: &identity,
                    resource,
                    ..PolicySet::default()
                }
            ),
            expected
        );
    }
}

#[test]
fn services_and_strangers_have_what_the_resource_grants() {
    let service = Principal::Service("s3.amazonaws.com".into());
    let given = |principal: &str| PolicySet {
        resource: Some(resource_policy(&granting(principal))),
        ..PolicySet::default()
    };
    let denied = Decision::ImplicitDeny(PolicyKind::Resource);
    assert_eq!(
        ask(&service, &given(r#"{"Service":"s3.amazonaws.com"}"#)),
        Decision::Allowed
    );
    assert_eq!(ask(&service, &given(r#"{"Service":"sns.amazonaws.com"}"#)), denied);
    assert_eq!(ask(&Principal::Anonymous, &given(r#"{"AWS":"*"}"#)), Decision::Allowed);
    assert_eq!(ask(&Principal::Anonymous, &given(r#"{"AWS":"123456789012"}"#)), denied);
    assert_eq!(ask(&Principal::Anonymous, &PolicySet::default()), denied);
}

#[test]
fn not_principal_is_everyone_else() {
    let policy = |effect: &str| {
        let text = granting(&format!(r#"{{"AWS":"{USER}"}}"#)).replace("Principal", "NotPrincipal");
        PolicySet {
            resource: Some(resource_policy(&text.replace("Allow", effect))),
            ..PolicySet::default()
        }
    };
    assert_eq!(
        ask(&identity(SESSION), &policy("Deny")),
        Decision::ExplicitDeny(PolicyKind::Resource)
    );
    assert_eq!(
        ask(&identity(USER), &policy("Deny")),
        Decision::ImplicitDeny(PolicyKind::Identity)
    );
}

fn allows(elements: &str, action: &str, resource: &str, context: &ContextKeys) -> bool {
    let policy = identity_policy(&statement(&format!(r#""Effect":"Allow",{elements}"#)));
    let policies = PolicySet {
        identity: &[policy],
        ..PolicySet::default()
    };
    let request = Request {
        principal: &identity(USER),
        action,
        resource,
        resource_account: None,
        context,
    };
    decide(&request, &policies) == Decision::Allowed
}

#[test]
fn actions_and_resources_have_wildcards() {
    let function = "arn:aws:lambda:us-east-1:123456789012:function:orders";
    let rows = [
        (r#""Action":"lambda:InvokeFunction","Resource":"*""#, true),
        (r#""Action":"LAMBDA:invoke*","Resource":"*""#, true),
        (r#""Action":"lambda:Invoke?unction","Resource":"*""#, true),
        (r#""Action":["s3:*","lambda:*"],"Resource":"*""#, true),
        (r#""Action":"*","Resource":"*""#, true),
        (r#""Action":"s3:*","Resource":"*""#, false),
        (r#""Action":"lambda:Invoke","Resource":"*""#, false),
        (r#""NotAction":"s3:*","Resource":"*""#, true),
        (r#""NotAction":"lambda:*","Resource":"*""#, false),
        (r#""Action":"*","Resource":"arn:aws:lambda:*:*:function:ord*""#, true),
        (
            r#""Action":"*","Resource":"arn:aws:lambda:us-east-1:123456789012:function:order?""#,
            true,
        ),
        (r#""Action":"*","Resource":"arn:aws:lambda""#, true),
        (r#""Action":"*","Resource":"arn:aws:lambda:*:function:orders""#, false),
        (
            r#""Action":"*","Resource":"arn:aws:lambda:us-east-1:123456789012:function:order""#,
            false,
        ),
        (
            r#""Action":"*","Resource":"arn:aws:lambda:us-east-1:123456789012:FUNCTION:orders""#,
            false,
        ),
        (r#""Action":"*","NotResource":"arn:aws:s3:::*""#, true),
        (r#""Action":"*","NotResource":"arn:aws:lambda:*:*:*""#, false),
    ];
    for (elements, expected) in rows {
        assert_eq!(
            allows(elements, "lambda:InvokeFunction", function, &ContextKeys::new()),
            expected,
            "{elements}"
        );
    }
    assert!(!allows(
        r#""Action":"*","Resource":"arn:aws:s3:::*""#,
        "s3:ListAllMyBuckets",
        "*",
        &ContextKeys::new()
    ));
}

#[test]
fn variables_stand_for_what_the_request_says() {
    let home = r#""Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}/*""#;
    let as_user = |name: &str, key: &str| {
        allows(
            home,
            "s3:GetObject",
            &format!("arn:aws:s3:::b/{key}"),
            &ContextKeys::new().with("aws:username", name),
        )
    };
    assert!(as_user("ana", "ana/x"));
    assert!(!as_user("ana", "bob/x"));
    assert!(!as_user("*", "bob/x"), "a value is no pattern");
    assert!(
        !allows(home, "s3:GetObject", "arn:aws:s3:::b//x", &ContextKeys::new()),
        "a variable without a value"
    );
    let guest = r#""Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username, 'guest'}/*""#;
    assert!(allows(
        guest,
        "s3:GetObject",
        "arn:aws:s3:::b/guest/x",
        &ContextKeys::new()
    ));
    let star = r#""Action":"s3:*","Resource":"arn:aws:s3:::b/${*}""#;
    assert!(allows(star, "s3:GetObject", "arn:aws:s3:::b/*", &ContextKeys::new()));
    assert!(!allows(star, "s3:GetObject", "arn:aws:s3:::b/x", &ContextKeys::new()));
}

#[test]
fn old_policies_have_no_variables() {
    let old = r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}"}}"#;
    let policies = PolicySet {
        identity: &[identity_policy(old)],
        ..PolicySet::default()
    };
    let context = ContextKeys::new().with("aws:username", "ana");
    let asks = |resource| {
        let principal = identity(USER);
        let request = Request {
            principal: &principal,
            action: "s3:GetObject",
            resource,
            resource_account: None,
            context: &context,
        };
        decide(&request, &policies) == Decision::Allowed
    };
    assert!(!asks("arn:aws:s3:::b/ana"));
    assert!(asks("arn:aws:s3:::b/${aws:username}"));
}

#[test]
fn conditions_compare_as_their_operators_say() {
    // condition, values of the key `aws:x` (none: absent), whether it holds
    let rows: &[(&str, Option<&[&str]>, bool)] = &[
        (r#"{"StringEquals":{"aws:x":"a"}}"#, Some(&["a"]), true),
        (r#"{"StringEquals":{"aws:x":"a"}}"#, Some(&["A"]), false),
        (r#"{"StringEquals":{"AWS:X":["b","a"]}}"#, Some(&["a"]), true),
        (r#"{"StringEquals":{"aws:x":"a*"}}"#, Some(&["ab"]), false),
        (r#"{"StringEquals":{"aws:x":"a"}}"#, None, false),
        (r#"{"StringEqualsIfExists":{"aws:x":"a"}}"#, None, true),
        (r#"{"StringEqualsIfExists":{"aws:x":"a"}}"#, Some(&["b"]), false),
        (r#"{"StringNotEquals":{"aws:x":["a","b"]}}"#, Some(&["a"]), false),
        (r#"{"StringNotEquals":{"aws:x":["a","b"]}}"#, Some(&["c"]), true),
        (r#"{"StringNotEquals":{"aws:x":"a"}}"#, None, true),
        (r#"{"StringEqualsIgnoreCase":{"aws:x":"A"}}"#, Some(&["a"]), true),
        (r#"{"StringNotEqualsIgnoreCase":{"aws:x":"A"}}"#, Some(&["a"]), false),
        (r#"{"StringLike":{"aws:x":"a*c?"}}"#, Some(&["abbcd"]), true),
        (r#"{"StringNotLike":{"aws:x":"a*"}}"#, Some(&["abc"]), false),
        (r#"{"NumericEquals":{"aws:x":10}}"#, Some(&["10.0"]), true),
        (r#"{"NumericNotEquals":{"aws:x":"10"}}"#, Some(&["11"]), true),
        (r#"{"NumericLessThan":{"aws:x":"10"}}"#, Some(&["9"]), true),
        (r#"{"NumericLessThan":{"aws:x":"10"}}"#, Some(&["ten"]), false),
        (r#"{"NumericLessThanEquals":{"aws:x":"10"}}"#, Some(&["10"]), true),
        (r#"{"NumericGreaterThan":{"aws:x":"10"}}"#, Some(&["10"]), false),
        (r#"{"NumericGreaterThanEquals":{"aws:x":"10"}}"#, Some(&["10"]), true),
        (
            r#"{"DateLessThan":{"aws:x":"2026-01-02T00:00:00Z"}}"#,
            Some(&["2026-01-01T23:59:59Z"]),
            true,
        ),
        (
            r#"{"DateGreaterThan":{"aws:x":"2026-01-02"}}"#,
            Some(&["2026-01-01T23:59:59Z"]),
            false,
        ),
        (
            r#"{"DateEquals":{"aws:x":"1767225600"}}"#,
            Some(&["2026-01-01T00:00:00Z"]),
            true,
        ),
        (
            r#"{"DateGreaterThanEquals":{"aws:x":"2026-01-01T00:00:00+01:00"}}"#,
            Some(&["2025-12-31T23:00:00Z"]),
            true,
        ),
        (r#"{"Bool":{"aws:x":"true"}}"#, Some(&["true"]), true),
        (r#"{"Bool":{"aws:x":false}}"#, Some(&["true"]), false),
        (r#"{"Bool":{"aws:x":"false"}}"#, None, false),
        (r#"{"BoolIfExists":{"aws:x":"false"}}"#, None, true),
        (r#"{"BinaryEquals":{"aws:x":"QUJD"}}"#, Some(&["QUJD"]), true),
        (r#"{"BinaryEquals":{"aws:x":"QUJD"}}"#, Some(&["QUJE"]), false),
        (
            r#"{"IpAddress":{"aws:x":"203.0.113.0/24"}}"#,
            Some(&["203.0.113.77"]),
            true,
        ),
        (
            r#"{"IpAddress":{"aws:x":"203.0.113.0/24"}}"#,
            Some(&["203.0.114.1"]),
            false,
        ),
        (
            r#"{"IpAddress":{"aws:x":"203.0.113.0/24"}}"#,
            Some(&["::ffff:203.0.113.9"]),
            true,
        ),
        (
            r#"{"IpAddress":{"aws:x":"2001:db8::/32"}}"#,
            Some(&["2001:db8:1::1"]),
            true,
        ),
        (r#"{"IpAddress":{"aws:x":"0.0.0.0/0"}}"#, Some(&["8.8.8.8"]), true),
        (r#"{"IpAddress":{"aws:x":"10.0.0.1"}}"#, Some(&["10.0.0.1"]), true),
        (r#"{"IpAddress":{"aws:x":"10.0.0.0/33"}}"#, Some(&["10.0.0.0"]), false),
        (
            r#"{"NotIpAddress":{"aws:x":"203.0.113.0/24"}}"#,
            Some(&["203.0.113.77"]),
            false,
        ),
        (
            r#"{"ArnLike":{"aws:x":"arn:aws:s3:::b*"}}"#,
            Some(&["arn:aws:s3:::bucket"]),
            true,
        ),
        (
            r#"{"ArnEquals":{"aws:x":"arn:aws:lambda:*:*:function:f"}}"#,
            Some(&["arn:aws:lambda:r:1:function:f"]),
            true,
        ),
        (
            r#"{"ArnLike":{"aws:x":"arn:aws:lambda:*:function:f"}}"#,
            Some(&["arn:aws:lambda:r:1:function:f"]),
            false,
        ),
        (
            r#"{"ArnNotLike":{"aws:x":"arn:aws:s3:::b*"}}"#,
            Some(&["arn:aws:s3:::bucket"]),
            false,
        ),
        (r#"{"Null":{"aws:x":"true"}}"#, None, true),
        (r#"{"Null":{"aws:x":"true"}}"#, Some(&["a"]), false),
        (r#"{"Null":{"aws:x":"false"}}"#, Some(&["a"]), true),
        (
            r#"{"ForAllValues:StringEquals":{"aws:x":["a","b"]}}"#,
            Some(&["a", "b"]),
            true,
        ),
        (
            r#"{"ForAllValues:StringEquals":{"aws:x":["a","b"]}}"#,
            Some(&["a", "c"]),
            false,
        ),
        (r#"{"ForAllValues:StringEquals":{"aws:x":["a","b"]}}"#, None, true),
        (
            r#"{"ForAllValues:StringNotEquals":{"aws:x":["a","b"]}}"#,
            Some(&["c", "a"]),
            false,
        ),
        (
            r#"{"ForAnyValue:StringEquals":{"aws:x":["a","b"]}}"#,
            Some(&["c", "a"]),
            true,
        ),
        (
            r#"{"ForAnyValue:StringLike":{"aws:x":["a*"]}}"#,
            Some(&["c", "abc"]),
            true,
        ),
        (
            r#"{"ForAnyValue:StringEquals":{"aws:x":["a","b"]}}"#,
            Some(&["c"]),
            false,
        ),
        (r#"{"ForAnyValue:StringEquals":{"aws:x":["a","b"]}}"#, None, false),
        (r#"{"ForAnyValue:StringEqualsIfExists":{"aws:x":"a"}}"#, None, true),
        (
            r#"{"StringEquals":{"aws:x":"a"},"Null":{"aws:y":"true"}}"#,
            Some(&["a"]),
            true,
        ),
        (r#"{"StringEquals":{"aws:x":"a","aws:y":"b"}}"#, Some(&["a"]), false),
        (r#"{"StringEquals":{"aws:x":"${aws:userid}"}}"#, Some(&["me"]), true),
        (r#"{"StringEquals":{"aws:x":"${aws:nothing}"}}"#, Some(&["me"]), false),
    ];
    for (condition, values, expected) in rows {
        let mut context = ContextKeys::new().with("aws:userid", "me");
        if let Some(values) = values {
            context.add_all("aws:x", values.iter().map(ToString::to_string));
        }
        let elements = format!(r#""Action":"*","Resource":"*","Condition":{condition}"#);
        assert_eq!(
            allows(&elements, "s3:GetObject", OBJECT, &context),
            *expected,
            "{condition} with {values:?}"
        );
    }
}

#[test]
fn malformed_documents_are_refused_in_awss_words() {
    let statement_error = |elements: &str| Policy::parse_identity(&statement(elements)).unwrap_err();
    use PolicyError as E;
    for text in [
        "",
        "[]",
        "{}",
        "null",
        r#"{"Statement":[]}"#,
        r#"{"Statement":[],"Statement":[]}"#,
        "{\"a\":",
        "{} {}",
    ] {
        assert_eq!(Policy::parse_identity(text).unwrap_err(), E::Syntax, "{text}");
    }
    let rows = [
        (
            r#""Effect":"Allow","Action":"s3:*","Resource":"*","Extra":1"#,
            E::Syntax,
        ),
        (r#""Effect":"Permit","Action":"s3:*","Resource":"*""#, E::Syntax),
        (r#""Action":"s3:*","Resource":"*""#, E::Syntax),
        (
            r#""Effect":"Allow","Effect":"Deny","Action":"s3:*","Resource":"*""#,
            E::Syntax,
        ),
        (
            r#""Effect":"Allow","Action":"s3:*","NotAction":"s3:*","Resource":"*""#,
            E::Syntax,
        ),
        (r#""Effect":"Allow","Resource":"*""#, E::NoAction),
        (r#""Effect":"Allow","Action":[],"Resource":"*""#, E::NoAction),
        (
            r#""Effect":"Allow","Action":"GetObject","Resource":"*""#,
            E::ActionVendor,
        ),
        (r#""Effect":"Allow","Action":"s3:*""#, E::NoResource),
        (
            r#""Effect":"Allow","Action":"s3:*","Resource":"bucket""#,
            E::Resource("bucket".into()),
        ),
        (
            r#""Effect":"Allow","Action":"s3:*","Resource":"*","Principal":"*""#,
            E::PrincipalNotAllowed,
        ),
        (r#""Sid":"a-b","Effect":"Allow","Action":"s3:*","Resource":"*""#, E::Sid),
        (
            r#""Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"Equals":{"aws:x":"a"}}"#,
            E::Syntax,
        ),
        (
            r#""Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"x":"a"}}"#,
            E::ConditionVendor,
        ),
        (
            r#""Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"NullIfExists":{"aws:x":"true"}}"#,
            E::Syntax,
        ),
    ];
    for (elements, expected) in rows {
        assert_eq!(statement_error(elements), expected, "{elements}");
    }
    assert_eq!(
        Policy::parse_identity(&allow("*").replace("2012", "2013")).unwrap_err(),
        E::Version
    );
    assert_eq!(
        Policy::parse_identity(&" ".repeat(MAX_POLICY_BYTES + 1)).unwrap_err(),
        E::TooLong
    );
    assert_eq!(Policy::parse_resource(&allow("*")).unwrap_err(), E::Principal);
    for principal in [
        r#"{}"#,
        r#"{"AWS":[]}"#,
        r#"{"AWS":"arn:aws:iam::123456789012:user/*"}"#,
        r#""everyone""#,
    ] {
        assert_eq!(
            Policy::parse_resource(&granting(principal)).unwrap_err(),
            E::Principal,
            "{principal}"
        );
    }
    let twice = r#"{"Statement":[{"Sid":"A","Effect":"Allow","Action":"s3:*","Resource":"*"},{"Sid":"A","Effect":"Deny","Action":"s3:*","Resource":"*"}]}"#;
    assert_eq!(Policy::parse_identity(twice).unwrap_err(), E::RepeatedSid);
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(Policy::parse_identity(&deep).unwrap_err(), E::Syntax);
    let answer = danbi_core::ServiceError::from(E::Syntax);
    assert_eq!((answer.code, answer.status), ("MalformedPolicyDocument", 400));
}

/// The plainest definition of what a pattern means, too slow for long texts.
fn plain_glob(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => (0..=text.len()).any(|skip| plain_glob(rest, &text[skip..])),
        Some(('?', rest)) => !text.is_empty() && plain_glob(rest, &text[1..]),
        Some((wanted, rest)) => text.first() == Some(wanted) && plain_glob(rest, &text[1..]),
    }
}

proptest! {
    #[test]
    fn wildcards_match_by_their_definition(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
        let compiled = pattern::Pattern::parse(&pattern, pattern::Variables::Replaced, pattern::Wildcards::Meant);
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        prop_assert_eq!(compiled.matches(&text, &ContextKeys::new()), plain_glob(&chars(&pattern), &chars(&text)));
    }

    #[test]
    fn any_document_is_decided_or_refused(
        effect in "Allow|Deny|x", action in "[a-z*?:${}]{0,12}", resource in "(arn:|)[a-z*?:${},' ]{0,20}",
        operator in "(ForAllValues:|ForAnyValue:|)(String|Numeric|Date|Arn|Not|)(Equals|Like|LessThan|IpAddress|Bool|Null)(IfExists|)",
        key in "(aws:|)[a-z]{0,4}", value in "[ -~]{0,12}", given in "[ -~]{0,12}",
    ) {
        let document = serde_json::json!({"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action,
            "Resource": resource, "Condition": {operator: {key: value}}}]}).to_string();
        if let Ok(policy) = Policy::parse_identity(&document) {
            let policies = PolicySet { identity: &[Arc::new(policy)], ..PolicySet::default() };
            let context = ContextKeys::new().with("aws:x", given.as_str());
            let principal = identity(USER);
            let request = Request { principal: &principal, action: &given, resource: &given, resource_account: None, context: &context };
            decide(&request, &policies);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}\":,a-zA-Z0-9 ]{0,60}") {
        let _ = Policy::parse_identity(&text);
        let _ = Policy::parse_resource(&text);
    }
}
