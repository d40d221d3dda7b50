use super::days::Days;
use super::rules::{Rules, Subject};
use super::transition::Smallest;
use super::validate::validate;
use crate::Error;
use crate::shapes::{
    AbortIncompleteMultipartUpload, LifecycleExpiration, LifecycleRule, LifecycleRuleAndOperator, LifecycleRuleFilter,
    NoncurrentVersionExpiration, Tag, Transition,
};
use danbi_core::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

const DAY: i64 = 86_400_000;

fn day(number: i64) -> Timestamp {
    Timestamp::from_millis(number * DAY)
}

fn rule(id: &str, prefix: &str) -> LifecycleRule {
    LifecycleRule {
        id: Some(id.into()),
        status: "Enabled".into(),
        filter: Some(LifecycleRuleFilter {
            prefix: Some(prefix.into()),
            ..LifecycleRuleFilter::default()
        }),
        ..LifecycleRule::default()
    }
}

fn expiring(id: &str, prefix: &str, days: i32) -> LifecycleRule {
    LifecycleRule {
        expiration: Some(LifecycleExpiration {
            days: Some(days),
            ..LifecycleExpiration::default()
        }),
        ..rule(id, prefix)
    }
}

fn tag(key: &str, value: &str) -> Tag {
    Tag {
        key: key.into(),
        value: value.into(),
    }
}

fn refusal(rules: Vec<LifecycleRule>) -> String {
    match validate(&mut rules.clone()) {
        Ok(()) => String::new(),
        Err(Error::Answer(answer)) => format!("{}: {}", answer.code, answer.message),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn configurations_are_refused_in_the_words_of_s3() {
    assert_eq!(refusal(vec![expiring("a", "logs/", 1), expiring("b", "", 2)]), "");
    let malformed = "MalformedXML: The XML you provided was not well-formed or did not validate against our published \
                     schema";
    assert_eq!(refusal(vec![]), malformed);
    let no_place = LifecycleRule {
        filter: None,
        ..expiring("a", "", 1)
    };
    assert_eq!(refusal(vec![no_place]), malformed);
    let lower = LifecycleRule {
        status: "enabled".into(),
        ..expiring("a", "", 1)
    };
    assert_eq!(refusal(vec![lower]), malformed);
    assert_eq!(
        refusal(vec![expiring("a", "x", 1), expiring("a", "y", 1)]),
        "InvalidArgument: Rule ID must be unique. Found same ID for more than one rule"
    );
    assert_eq!(
        refusal(vec![expiring(&"a".repeat(256), "", 1)]),
        "InvalidArgument: ID length should not exceed allowed limit of 255"
    );
    assert_eq!(
        refusal(vec![expiring("a", "", 0)]),
        "InvalidArgument: 'Days' for Expiration action must be a positive integer"
    );
    assert_eq!(
        refusal(vec![rule("a", "")]),
        "InvalidRequest: At least one action needs to be specified in a rule"
    );
    let at = LifecycleRule {
        expiration: Some(LifecycleExpiration {
            date: Some(Timestamp::from_millis(DAY + 1)),
            ..LifecycleExpiration::default()
        }),
        ..rule("a", "")
    };
    assert_eq!(refusal(vec![at]), "InvalidArgument: 'Date' must be at midnight GMT");
    let early = LifecycleRule {
        transitions: Some(vec![Transition {
            days: Some(10),
            storage_class: Some("STANDARD_IA".into()),
            ..Transition::default()
        }]),
        ..rule("a", "")
    };
    assert!(refusal(vec![early]).contains("greater than or equal to 30"));
    let twice = LifecycleRule {
        filter: Some(LifecycleRuleFilter {
            and: Some(LifecycleRuleAndOperator {
                tags: Some(vec![tag("a", "1"), tag("a", "2")]),
                ..LifecycleRuleAndOperator::default()
            }),
            ..LifecycleRuleFilter::default()
        }),
        ..expiring("a", "", 1)
    };
    assert_eq!(
        refusal(vec![twice]),
        "InvalidRequest: Duplicate Tag Keys are not allowed."
    );
}

#[test]
fn a_rule_without_a_name_gets_one() {
    let mut rules = vec![LifecycleRule {
        id: None,
        ..expiring("", "", 1)
    }];
    validate(&mut rules).unwrap();
    assert!(rules[0].id.as_ref().is_some_and(|id| !id.is_empty()));
}

#[test]
fn a_day_ends_at_the_midnight_after_it() {
    let half_past_ten = Timestamp::from_millis(5 * DAY + 37_800_000);
    assert_eq!(Days::Calendar.after(half_past_ten, 3), day(9));
    assert_eq!(Days::Calendar.after(day(5), 1), day(7));
    let short = Days::Of(Duration::from_secs(10));
    assert_eq!(short.after(day(5), 2), day(5).plus_millis(20_000));
}

#[test]
fn the_earliest_of_the_rules_that_cover_an_object_counts() {
    let tags = BTreeMap::from([("keep".to_owned(), "no".to_owned())]);
    let subject = |key| Subject {
        key,
        size: 1000,
        tags: &tags,
    };
    let tagged = LifecycleRule {
        filter: Some(LifecycleRuleFilter {
            tag: Some(tag("keep", "no")),
            ..LifecycleRuleFilter::default()
        }),
        ..expiring("tagged", "", 5)
    };
    let large = LifecycleRule {
        filter: Some(LifecycleRuleFilter {
            object_size_greater_than: Some(1000),
            ..LifecycleRuleFilter::default()
        }),
        ..expiring("large", "", 1)
    };
    let off = LifecycleRule {
        status: "Disabled".into(),
        ..expiring("off", "", 1)
    };
    let rules = Rules::of(
        vec![expiring("logs", "logs/", 2), tagged, large, off],
        Smallest::default(),
        Days::Calendar,
    );
    let expiry = |key| {
        let expiry = rules.expiry(&subject(key), day(10)).unwrap();
        (expiry.at, expiry.rule.to_owned())
    };
    assert_eq!(expiry("logs/a"), (day(13), "logs".to_owned()));
    assert_eq!(expiry("else"), (day(16), "tagged".to_owned()));
    assert_eq!(rules.prefixes_of_current(), [""]);
}

#[test]
fn old_versions_go_when_they_are_old_enough_and_enough_are_newer() {
    let tags = BTreeMap::new();
    let subject = Subject {
        key: "k",
        size: 1,
        tags: &tags,
    };
    let rules = Rules::of(
        vec![LifecycleRule {
            noncurrent_version_expiration: Some(NoncurrentVersionExpiration {
                noncurrent_days: Some(1),
                newer_noncurrent_versions: Some(2),
            }),
            ..rule("old", "")
        }],
        Smallest::default(),
        Days::Calendar,
    );
    assert!(!rules.removes_noncurrent(&subject, 1, day(0), day(100)));
    assert!(rules.removes_noncurrent(&subject, 2, day(0), day(2)));
    assert!(!rules.removes_noncurrent(&subject, 2, day(1), day(2)));
    assert!(!rules.removes_lone_marker("k", day(0), day(100)));
}

#[test]
fn markers_and_uploads_have_rules_of_their_own() {
    let rules = Rules::of(
        vec![
            LifecycleRule {
                expiration: Some(LifecycleExpiration {
                    expired_object_delete_marker: Some(true),
                    ..LifecycleExpiration::default()
                }),
                ..rule("markers", "a/")
            },
            LifecycleRule {
                abort_incomplete_multipart_upload: Some(AbortIncompleteMultipartUpload {
                    days_after_initiation: Some(2),
                }),
                ..rule("uploads", "b/")
            },
        ],
        Smallest::default(),
        Days::Calendar,
    );
    assert!(rules.removes_lone_marker("a/x", day(5), day(5)));
    assert!(!rules.removes_lone_marker("b/x", day(5), day(50)));
    assert_eq!(rules.abort("b/x", day(5)).unwrap().at, day(8));
    assert!(rules.abort("a/x", day(5)).is_none());
    assert_eq!(rules.prefixes_of_uploads(), ["b/"]);
}

fn moving(id: &str, class: &str, days: i32) -> LifecycleRule {
    LifecycleRule {
        transitions: Some(vec![Transition {
            days: Some(days),
            storage_class: Some(class.into()),
            ..Transition::default()
        }]),
        ..rule(id, "")
    }
}

#[test]
fn objects_move_into_the_coldest_class_that_is_due() {
    let tags = BTreeMap::new();
    let subject = |size| Subject {
        key: "k",
        size,
        tags: &tags,
    };
    let (small, large) = (100, 1 << 20);
    let of = |smallest| {
        let all = vec![moving("a", "STANDARD_IA", 30), moving("b", "DEEP_ARCHIVE", 90)];
        Rules::of(all, smallest, Days::Calendar)
    };
    let rules = of(Smallest::Everywhere);
    let moves = |rules: &Rules, size, from, now| rules.moves(&subject(size), from, day(0), day(now)).map(str::to_owned);
    assert_eq!(moves(&rules, large, "STANDARD", 30), None);
    assert_eq!(moves(&rules, large, "STANDARD", 31).as_deref(), Some("STANDARD_IA"));
    assert_eq!(moves(&rules, large, "STANDARD", 91).as_deref(), Some("DEEP_ARCHIVE"));
    assert_eq!(moves(&rules, large, "GLACIER", 31), None);
    assert_eq!(moves(&rules, large, "GLACIER", 91).as_deref(), Some("DEEP_ARCHIVE"));
    assert_eq!(moves(&rules, large, "DEEP_ARCHIVE", 91), None);
    assert_eq!(moves(&rules, small, "STANDARD", 91), None);
    let varying = of(Smallest::OutsideArchives);
    assert_eq!(moves(&varying, small, "STANDARD", 31), None);
    assert_eq!(moves(&varying, small, "STANDARD", 91).as_deref(), Some("DEEP_ARCHIVE"));
    // Whoever speaks of sizes means them.
    let sized = LifecycleRule {
        filter: Some(LifecycleRuleFilter {
            object_size_greater_than: Some(10),
            ..LifecycleRuleFilter::default()
        }),
        ..moving("sized", "GLACIER", 1)
    };
    let rules = Rules::of(vec![sized], Smallest::Everywhere, Days::Calendar);
    assert_eq!(moves(&rules, small, "STANDARD", 2).as_deref(), Some("GLACIER"));
    assert_eq!(rules.prefixes_of_current(), [""]);
}
