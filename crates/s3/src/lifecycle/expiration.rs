//! `x-amz-expiration`: what an answer says of when the object will be gone.

use super::configure::Kept;
use super::rules::{Rules, Subject};
use super::transition::Smallest;
use crate::bucket_config::{self, kind};
use crate::records::{Bucket, Object, View};
use crate::{Result, S3, versions};
use danbi_core::{Timestamp, uri};

/// The enabled rules of a bucket; none when it has no configuration.
pub(crate) async fn rules(s3: &S3, view: &impl View, bucket: &Bucket) -> Result<Rules> {
    let kept: Option<Kept> = bucket_config::get(view, bucket, kind::LIFECYCLE).await?;
    Ok(kept.map_or_else(Rules::default, |kept| {
        Rules::of(kept.rules, Smallest::named(&kept.minimum), s3.options.lifecycle_day)
    }))
}

/// The header's value for the current version of a key, when a rule makes it expire.
pub(crate) async fn header(
    s3: &S3,
    view: &impl View,
    bucket: &Bucket,
    key: &str,
    modified: Timestamp,
    object: &Object,
) -> Result<Option<String>> {
    if !bucket.configured.contains(kind::LIFECYCLE) {
        return Ok(None);
    }
    let rules = rules(s3, view, bucket).await?;
    let subject = Subject {
        key,
        size: object.size,
        tags: &object.tags,
    };
    let expiry = rules.expiry(&subject, modified);
    Ok(expiry.map(|expiry| value(expiry.at, expiry.rule)))
}

fn value(at: Timestamp, rule: &str) -> String {
    let (date, rule) = (versions::http_date(at), uri::encode(rule, uri::RESERVED));
    format!("expiry-date=\"{date}\", rule-id=\"{rule}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_names_the_day_and_the_rule() {
        let at = Timestamp::from_millis(1_356_220_800_000);
        assert_eq!(
            value(at, "picture deletion/rule"),
            "expiry-date=\"Sun, 23 Dec 2012 00:00:00 GMT\", rule-id=\"picture%20deletion%2Frule\""
        );
    }
}
