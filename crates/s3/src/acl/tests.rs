use super::*;
use danbi_core::AccountProfile;

/// Two accounts: one and two, with ids and addresses of that name.
pub(crate) struct Two;

fn profile(account: &AccountId) -> AccountProfile {
    let name = match account.as_str() {
        "111111111111" => "one",
        "222222222222" => "two",
        _ => "nobody",
    };
    AccountProfile {
        account: account.clone(),
        canonical_id: name.into(),
        display_name: (name == "two").then(|| "The Second".into()),
        email: Some(format!("{name}@example.com")),
    }
}

impl Accounts for Two {
    fn profile(&self, account: &AccountId) -> AccountProfile {
        profile(account)
    }

    fn by_canonical_id(&self, id: &str) -> Option<AccountProfile> {
        let account = match id {
            "one" => "111111111111",
            "two" => "222222222222",
            _ => return None,
        };
        Some(profile(&account.parse().unwrap()))
    }

    fn by_email(&self, email: &str) -> Option<AccountProfile> {
        self.by_canonical_id(email.strip_suffix("@example.com")?)
    }
}

fn caller(account: &str) -> Caller {
    Caller::of(&Principal::Root(account.parse().unwrap()), &Two)
}

fn stranger() -> Caller {
    Caller::of(&Principal::Anonymous, &Two)
}

fn read(headers: &AclHeaders<'_>) -> Result<Option<Acl>, (String, String)> {
    headers.read("one", "two", &Two).map_err(|error| match error {
        crate::Error::Answer(answer) => (
            answer.message,
            answer.members.get("ArgumentValue").cloned().unwrap_or_default(),
        ),
        other => panic!("{other}"),
    })
}

fn canned(name: &str) -> Acl {
    let headers = AclHeaders {
        canned: Some(name),
        ..AclHeaders::default()
    };
    read(&headers).unwrap().unwrap()
}

#[test]
fn named_lists_grant_what_aws_documents() {
    use Granted::{Nothing, ToAccount, ToEverybody};
    // name, permission, to the owner, to another account, to a stranger
    let rows = [
        ("private", Permission::Read, ToAccount, Nothing, Nothing),
        ("public-read", Permission::Read, ToEverybody, ToEverybody, ToEverybody),
        ("public-read", Permission::Write, ToAccount, Nothing, Nothing),
        (
            "public-read-write",
            Permission::Write,
            ToEverybody,
            ToEverybody,
            ToEverybody,
        ),
        (
            "authenticated-read",
            Permission::Read,
            ToEverybody,
            ToEverybody,
            Nothing,
        ),
        ("bucket-owner-read", Permission::Read, ToAccount, ToAccount, Nothing),
        ("bucket-owner-read", Permission::ReadAcp, ToAccount, Nothing, Nothing),
        (
            "bucket-owner-full-control",
            Permission::WriteAcp,
            ToAccount,
            ToAccount,
            Nothing,
        ),
        ("log-delivery-write", Permission::Write, ToAccount, Nothing, Nothing),
    ];
    for (name, permission, owner, other, anyone) in rows {
        let list = canned(name);
        assert_eq!(list.grants(permission, &caller("111111111111"), true), owner, "{name}");
        assert_eq!(list.grants(permission, &caller("222222222222"), true), other, "{name}");
        assert_eq!(list.grants(permission, &stranger(), true), anyone, "{name}");
    }
    let logs = Caller::of(&Principal::Service("logging.s3.amazonaws.com".into()), &Two);
    assert_eq!(
        canned("log-delivery-write").grants(Permission::Write, &logs, true),
        ToEverybody
    );
}

#[test]
fn grants_to_everybody_can_be_made_not_to_count() {
    let list = canned("public-read");
    assert!(list.is_public() && canned("authenticated-read").is_public() && !canned("private").is_public());
    assert_eq!(list.grants(Permission::Read, &stranger(), false), Granted::Nothing);
    assert_eq!(
        list.grants(Permission::Read, &caller("111111111111"), false),
        Granted::ToAccount
    );
}

#[test]
fn headers_name_accounts_by_id_or_address_and_groups_by_uri() {
    let list = read(&AclHeaders {
        read: Some(r#"id="two", uri=http://acs.amazonaws.com/groups/global/AllUsers"#),
        write_acp: Some("emailAddress=two@example.com"),
        ..AclHeaders::default()
    });
    let list = list.unwrap().unwrap();
    let two = Grantee::User("two".into());
    let expected = [
        (two.clone(), Permission::Read),
        (Grantee::AllUsers, Permission::Read),
        (two, Permission::WriteAcp),
    ];
    let found: Vec<_> = list
        .grants
        .iter()
        .map(|grant| (grant.grantee.clone(), grant.permission))
        .collect();
    assert_eq!(found, expected);
    let shown = list.shape(&Two);
    let grantee = shown[0].grantee.as_ref().unwrap();
    assert_eq!(grantee.display_name.as_deref(), Some("The Second"));
    assert!(read(&AclHeaders::default()).unwrap().is_none());
}

#[test]
fn headers_are_refused_in_the_words_of_s3() {
    let refusal = |value: &str| {
        let headers = AclHeaders {
            write: Some(value),
            ..AclHeaders::default()
        };
        let (message, value) = read(&headers).unwrap_err();
        format!("{message}: {value}")
    };
    assert_eq!(refusal("id=wrong-id"), "Invalid id: wrong-id");
    assert_eq!(refusal("uri=http://x"), "Invalid group uri: http://x");
    assert_eq!(
        refusal(r#"fakekey="1234""#),
        r#"Argument format not recognized: fakekey="1234""#
    );
    let both = AclHeaders {
        canned: Some("private"),
        read: Some("id=two"),
        ..AclHeaders::default()
    };
    assert_eq!(
        read(&both).unwrap_err().0,
        "Specifying both Canned ACLs and Header Grants is not allowed"
    );
    let unknown = AclHeaders {
        canned: Some("fake-acl"),
        ..AclHeaders::default()
    };
    assert_eq!(read(&unknown).unwrap_err(), (String::new(), "fake-acl".into()));
}

#[test]
fn a_bucket_without_lists_takes_only_what_changes_nothing() {
    let canned = |name| AclHeaders {
        canned: Some(name),
        ..AclHeaders::default()
    };
    assert!(canned("bucket-owner-full-control").only_bucket_owner("two"));
    assert!(!canned("private").only_bucket_owner("two"));
    let granted = |id| AclHeaders {
        full_control: Some(id),
        ..AclHeaders::default()
    };
    assert!(granted("id=\"two\"").only_bucket_owner("two"));
    assert!(!granted("id=one").only_bucket_owner("two"));
}
