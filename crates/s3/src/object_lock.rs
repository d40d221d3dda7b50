//! Object lock: how long a version may not be removed, and who may shorten that.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html>.

use danbi_core::Timestamp;

use crate::bucket_config::{self, kind};
use crate::records::{Bucket, Object, Retention, View};
use crate::shapes::{DefaultRetention, ObjectLockConfiguration};
use crate::{Error, Result};

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// What a new version is locked by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Lock {
    pub(crate) retention: Option<Retention>,
    pub(crate) legal_hold: Option<bool>,
}

/// The lock of a new version: what its headers ask for, else the bucket's default.
///
/// # Errors
/// `InvalidRequest` when the bucket has no object lock; `InvalidArgument` for headers that do not make sense.
pub(crate) async fn of_new_version(
    view: &impl View,
    bucket: &Bucket,
    mode: Option<&str>,
    until: Option<Timestamp>,
    hold: Option<&str>,
    now: Timestamp,
) -> Result<Lock> {
    let mut lock = from_headers(bucket, mode, until, hold, now)?;
    if bucket.object_lock && lock.retention.is_none() {
        let configured: Option<ObjectLockConfiguration> = bucket_config::get(view, bucket, kind::OBJECT_LOCK).await?;
        let default = configured.and_then(|configured| configured.rule?.default_retention);
        lock.retention = default.as_ref().and_then(|default| from_default(default, now));
    }
    Ok(lock)
}

/// What the three headers of a new version ask for.
///
/// # Errors
/// As [`of_new_version`].
pub(crate) fn from_headers(
    bucket: &Bucket,
    mode: Option<&str>,
    until: Option<Timestamp>,
    hold: Option<&str>,
    now: Timestamp,
) -> Result<Lock> {
    const MODE: &str = "x-amz-object-lock-mode";
    const UNTIL: &str = "x-amz-object-lock-retain-until-date";
    let both = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied";
    let argument = |name, message: &str| Error::client("InvalidArgument", 400, message).with("ArgumentName", name);
    let retention = match (mode, until) {
        (None, None) => None,
        (Some(_), None) => return Err(argument(UNTIL, both)),
        (None, Some(_)) => return Err(argument(MODE, both)),
        (Some(mode), Some(until)) => {
            let Some(compliance) = is_compliance(mode) else {
                return Err(Error::invalid_argument(MODE, mode, "Unknown wormMode directive."));
            };
            if until <= now {
                return Err(argument(UNTIL, "The retain until date must be in the future!"));
            }
            Some(Retention { compliance, until })
        }
    };
    let legal_hold = match hold {
        None => None,
        Some("ON") => Some(true),
        Some("OFF") => Some(false),
        Some(other) => {
            let message = "Legal Hold must be either of 'ON' or 'OFF'";
            return Err(Error::invalid_argument("x-amz-object-lock-legal-hold", other, message));
        }
    };
    if retention.is_some() || legal_hold.is_some() {
        require(bucket)?;
    }
    Ok(Lock { retention, legal_hold })
}

/// # Errors
/// `InvalidRequest` when the bucket has no object lock.
pub(crate) fn require(bucket: &Bucket) -> Result<()> {
    if bucket.object_lock {
        Ok(())
    } else {
        Err(Error::invalid_request("Bucket is missing Object Lock Configuration"))
    }
}

/// Whether this mode is `COMPLIANCE`; `None` when it is none.
pub(crate) fn is_compliance(mode: &str) -> Option<bool> {
    match mode {
        "GOVERNANCE" => Some(false),
        "COMPLIANCE" => Some(true),
        _ => None,
    }
}

/// The mode as headers and documents write it.
pub(crate) fn mode(retention: &Retention) -> &'static str {
    if retention.compliance {
        "COMPLIANCE"
    } else {
        "GOVERNANCE"
    }
}

/// Makes sure that a version may be removed now. `bypass`: the caller asked to pass over governance, and may.
///
/// # Errors
/// `AccessDenied`.
pub(crate) fn check_removal(object: &Object, now: Timestamp, bypass: bool) -> Result<()> {
    let retained = object
        .retention
        .as_ref()
        .is_some_and(|retention| retention.until > now && (retention.compliance || !bypass));
    if retained || object.legal_hold == Some(true) {
        return Err(protected());
    }
    Ok(())
}

/// Makes sure that the retention of a version may become `new`. What still holds may be lengthened by anyone with the
/// right to set it; all else takes `bypass`, and under compliance nothing does.
///
/// # Errors
/// `AccessDenied`.
pub(crate) fn check_change(object: &Object, new: Option<&Retention>, now: Timestamp, bypass: bool) -> Result<()> {
    let Some(old) = object.retention.as_ref().filter(|old| old.until > now) else {
        return Ok(());
    };
    let lengthened = new.is_some_and(|new| new.compliance == old.compliance && new.until >= old.until);
    if lengthened || (!old.compliance && bypass) {
        return Ok(());
    }
    Err(protected())
}

fn protected() -> Error {
    Error::client(
        "AccessDenied",
        403,
        "Access Denied because object protected by object lock.",
    )
}

fn from_default(default: &DefaultRetention, now: Timestamp) -> Option<Retention> {
    let compliance = is_compliance(default.mode.as_deref()?)?;
    let days = match (default.days, default.years) {
        (Some(days), _) => i64::from(days),
        (None, Some(years)) => i64::from(years) * 365,
        (None, None) => return None,
    };
    Some(Retention {
        compliance,
        until: now.plus_millis(days * DAY_MILLIS),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::BucketId;
    use crate::records::{Content, Encryption, EncryptionKind, Headers, Versioning};

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn bucket(object_lock: bool) -> Bucket {
        Bucket {
            id: BucketId::new(),
            owner: "000000000000".into(),
            region: "us-east-1".into(),
            created: at(0),
            versioning: Versioning::Enabled,
            object_lock,
            ownership: None,
            no_usual_encryption: false,
            public_access: None,
            policy: None,
            configured: Default::default(),
        }
    }

    fn locked(retention: Option<(bool, i64)>, legal_hold: Option<bool>) -> Object {
        Object {
            size: 0,
            etag: String::new(),
            content: Content::Empty,
            encryption: Encryption {
                kind: EncryptionKind::S3,
                key: String::new(),
            },
            checksum: None,
            parts: None,
            upload: None,
            storage_class: None,
            restored: None,
            headers: Headers::default(),
            metadata: Default::default(),
            tags: Default::default(),
            acl: None,
            retention: retention.map(|(compliance, until)| Retention {
                compliance,
                until: at(until),
            }),
            legal_hold,
        }
    }

    #[test]
    fn headers_come_together_and_only_where_there_is_lock() {
        let open = bucket(true);
        let ask = |mode, until: Option<i64>, hold| from_headers(&open, mode, until.map(at), hold, at(100));
        let lock = ask(Some("COMPLIANCE"), Some(200), Some("ON")).unwrap();
        assert_eq!(lock.retention.unwrap().until, at(200));
        assert_eq!(lock.legal_hold, Some(true));
        for (mode, until, hold) in [
            (Some("GOVERNANCE"), None, None),
            (None, Some(200), None),
            (Some("governance"), Some(200), None),
            (Some("GOVERNANCE"), Some(100), None),
            (None, None, Some("on")),
        ] {
            let error = ask(mode, until, hold).unwrap_err();
            assert_eq!(error.code(), Some("InvalidArgument"), "{mode:?} {until:?} {hold:?}");
        }
        let error = from_headers(&bucket(false), None, None, Some("ON"), at(0)).unwrap_err();
        assert_eq!(error.code(), Some("InvalidRequest"));
        assert_eq!(
            from_headers(&bucket(false), None, None, None, at(0)).unwrap(),
            Lock::default()
        );
    }

    #[test]
    fn who_may_remove_and_change() {
        let now = at(100);
        let removable = |retention, hold, bypass| check_removal(&locked(retention, hold), now, bypass).is_ok();
        assert!(removable(None, None, false) && removable(None, Some(false), false));
        assert!(removable(Some((true, 100)), None, false), "it is over");
        assert!(!removable(Some((false, 200)), None, false) && removable(Some((false, 200)), None, true));
        assert!(!removable(Some((true, 200)), None, true));
        assert!(!removable(None, Some(true), true), "a hold is not governance");

        let changeable = |old, new: Option<(bool, i64)>, bypass| {
            let new = new.map(|(compliance, until)| Retention {
                compliance,
                until: at(until),
            });
            check_change(&locked(old, None), new.as_ref(), now, bypass).is_ok()
        };
        for compliance in [false, true] {
            let old = Some((compliance, 200));
            assert!(changeable(old, Some((compliance, 300)), false));
            assert!(!changeable(old, Some((compliance, 150)), false));
            assert!(!changeable(old, None, false));
            assert!(!changeable(old, Some((!compliance, 300)), false));
            assert_eq!(changeable(old, Some((compliance, 150)), true), !compliance);
            assert_eq!(changeable(old, None, true), !compliance);
            assert!(changeable(Some((compliance, 50)), None, false), "it is over");
        }
    }
}
