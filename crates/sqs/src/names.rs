//! Queue names, ARNs and URLs.

use crate::Error;
use danbi_core::{Arn, Region, RequestContext, Scope};

/// A queue, by whose it is and its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct QueueName {
    pub scope: Scope,
    pub name: String,
}

impl QueueName {
    /// The queue that `name` is in the caller's account and region.
    pub(crate) fn of(context: &RequestContext, name: impl Into<String>) -> Self {
        Self {
            scope: context.scope.clone(),
            name: name.into(),
        }
    }

    /// The queue that a URL names: `…/ACCOUNT/NAME` on whatever host, or the bare name. A host that names a region
    /// (`sqs.REGION.…`, `REGION.queue.…`) is believed, otherwise it is the region that was addressed.
    ///
    /// # Errors
    /// [`Error::Missing`] for no text, [`Error::Address`] for what has another form.
    pub(crate) fn of_url(context: &RequestContext, url: &str) -> Result<Self, Error> {
        if url.is_empty() {
            return Err(Error::Missing("QueueUrl"));
        }
        let wrong = || Error::Address(url.chars().take(2048).collect());
        let (host, path) = match url.split_once("://") {
            Some((_, rest)) => rest.split_once('/').unwrap_or((rest, "")),
            None => ("", url.strip_prefix('/').unwrap_or(url)),
        };
        let path = path.trim_end_matches('/');
        let mut segments = path.rsplit('/');
        let name = segments.next().filter(|name| !name.is_empty()).ok_or_else(wrong)?;
        let account = match segments.next() {
            Some(account) => account.parse().map_err(|_| wrong())?,
            None if host.is_empty() => context.scope.account.clone(),
            None => return Err(wrong()),
        };
        let region = region_of_host(host).unwrap_or_else(|| context.scope.region.clone());
        Ok(Self {
            scope: Scope { account, region },
            name: name.to_owned(),
        })
    }

    /// The queue that an ARN names.
    pub(crate) fn of_arn(text: &str) -> Option<Self> {
        let arn: Arn = text.parse().ok()?;
        let scope = arn.scope().filter(|_| arn.service == "sqs")?;
        let name = arn.resource;
        (!name.contains(':') && !name.contains('/')).then_some(Self { scope, name })
    }

    pub(crate) fn arn(&self) -> Arn {
        Arn::new("sqs", &self.scope, self.name.as_str())
    }

    /// Its URL at the host that the caller addressed.
    pub(crate) fn url(&self, context: &RequestContext) -> String {
        let Scope { account, region } = &self.scope;
        let name = &self.name;
        if context.host.is_empty() {
            return format!("https://sqs.{region}.amazonaws.com/{account}/{name}");
        }
        let scheme = if context.secure { "https" } else { "http" };
        format!("{scheme}://{}/{account}/{name}", context.host)
    }

    pub(crate) fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }
}

/// `sqs.REGION.…` and `REGION.queue.…`; only the names that AWS gives its endpoints, and those below `localhost`.
fn region_of_host(host: &str) -> Option<Region> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let mut labels = name.split('.');
    let (first, second, third) = (labels.next()?, labels.next()?, labels.next()?);
    let region = match (first, second) {
        ("sqs", region) if third != "com" => region,
        (region, "queue") => region,
        _ => return None,
    };
    region.parse().ok()
}

/// Whether a queue may be called so: letters, digits, hyphens and underscores, 1 to 80; `.fifo` at the end counts.
pub(crate) fn check(name: &str, fifo: bool) -> Result<(), Error> {
    let stem = name.strip_suffix(".fifo").filter(|_| fifo).unwrap_or(name);
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let good = !stem.is_empty() && name.len() <= 80 && stem.bytes().all(letters);
    match (fifo, good) {
        (true, _) if !good || !name.ends_with(".fifo") => Err(Error::parameter(
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with \
             .fifo suffix and be 1 to 80 in length",
        )),
        (false, false) => Err(Error::parameter(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use danbi_core::Principal;

    fn of_url(url: &str) -> Option<String> {
        let context = RequestContext::inside(Scope::default(), Principal::Anonymous, None);
        QueueName::of_url(&context, url).ok().map(|name| name.arn().to_string())
    }

    #[test]
    fn urls_of_every_kind_name_queues() {
        let here = Some("arn:aws:sqs:us-east-1:000000000000:q".to_owned());
        let there = Some("arn:aws:sqs:eu-west-1:123456789012:q.fifo".to_owned());
        for url in [
            "q",
            "http://127.0.0.1:4566/000000000000/q",
            "http://localhost:4566/000000000000/q/",
            "/000000000000/q",
            "https://queue.amazonaws.com/000000000000/q",
            "https://sqs.amazonaws.com/000000000000/q",
        ] {
            assert_eq!(of_url(url), here, "{url}");
        }
        for url in [
            "https://sqs.eu-west-1.amazonaws.com/123456789012/q.fifo",
            "http://sqs.eu-west-1.localhost:4566/123456789012/q.fifo",
            "https://eu-west-1.queue.amazonaws.com/123456789012/q.fifo",
        ] {
            assert_eq!(of_url(url), there, "{url}");
        }
        for url in ["", "http://h", "http://h/q", "http://h/12/q", "http://h//"] {
            assert_eq!(of_url(url), None, "{url}");
        }
    }

    #[test]
    fn names_have_a_grammar() {
        let long = "q".repeat(81);
        for (name, fifo, good) in [
            ("q", false, true),
            ("q.fifo", true, true),
            ("q.fifo", false, false),
            ("q", true, false),
            (".fifo", true, false),
            ("a/b", false, false),
            ("", false, false),
            (long.as_str(), false, false),
        ] {
            assert_eq!(check(name, fifo).is_ok(), good, "{name}");
        }
    }
}
