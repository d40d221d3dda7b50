use super::record::{encoded_key, iso_time, sequencer};
use super::rules::{Filter, check_filter, means};
use crate::shapes::{FilterRule, NotificationConfigurationFilter, S3KeyFilter};
use danbi_core::Timestamp;

fn filter(rules: &[(&str, &str)]) -> NotificationConfigurationFilter {
    let rule = |(name, value): &(&str, &str)| FilterRule {
        name: Some((*name).into()),
        value: Some((*value).into()),
    };
    NotificationConfigurationFilter {
        key: Some(S3KeyFilter {
            filter_rules: Some(rules.iter().map(rule).collect()),
        }),
    }
}

#[test]
fn wildcards_mean_every_event_of_a_kind() {
    assert!(means("s3:ObjectCreated:*", "s3:ObjectCreated:Copy"));
    assert!(means("s3:ObjectCreated:Put", "s3:ObjectCreated:Put"));
    assert!(!means("s3:ObjectCreated:Put", "s3:ObjectCreated:Post"));
    assert!(!means("s3:ObjectRemoved:*", "s3:ObjectCreated:Put"));
}

#[test]
fn filters_are_named_as_s3_names_them_and_may_not_share_keys() {
    let mut given = filter(&[("PREFIX", "a/"), ("suffix", ".jpg")]);
    check_filter(Some(&mut given)).unwrap();
    let names: Vec<_> = given
        .key
        .as_ref()
        .unwrap()
        .filter_rules
        .iter()
        .flatten()
        .map(|rule| rule.name.clone())
        .collect();
    assert_eq!(names, [Some("Prefix".into()), Some("Suffix".into())]);
    let of = |given: &NotificationConfigurationFilter, other: &NotificationConfigurationFilter| {
        Filter::of(Some(given))
            .unwrap()
            .overlaps(&Filter::of(Some(other)).unwrap())
    };
    assert!(of(&given, &filter(&[("prefix", "a/b/")])));
    assert!(!of(&given, &filter(&[("prefix", "b/")])));
    assert!(!of(&given, &filter(&[("suffix", ".png")])));
    assert!(check_filter(Some(&mut filter(&[("middle", "x")]))).is_err());
    assert!(check_filter(Some(&mut filter(&[("prefix", "x"), ("Prefix", "y")]))).is_err());
}

#[test]
fn records_are_written_as_s3_writes_them() {
    assert_eq!(encoded_key("a@b c/ü+.txt"), "a%40b+c/%C3%BC%2B.txt");
    assert_eq!(
        iso_time(Timestamp::from_millis(1_767_322_800_007)),
        "2026-01-02T03:00:00.007Z"
    );
    assert!(sequencer(0x1_0000) > sequencer(0xFFFF));
}
