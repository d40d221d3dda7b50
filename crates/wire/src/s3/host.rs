//! Which host names are S3's, and the bucket in them.

/// What a host name of S3 serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// The API.
    Api,
    /// Buckets as websites.
    Website,
}

/// A host name of S3, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host<'h> {
    /// The bucket, for a virtual-hosted request; it may have dots.
    pub bucket: Option<&'h str>,
    /// The region, where the name has one.
    pub region: Option<&'h str>,
    /// What is served under it.
    pub endpoint: Endpoint,
}

impl<'h> Host<'h> {
    /// Takes a host name apart, with or without a port; `None` when it is not S3's. These are, each with `BUCKET.` before
    /// it or not, under `localhost`, `amazonaws.com` and `amazonaws.com.cn`: `s3`, `s3.REGION`, `s3-REGION`,
    /// `s3.dualstack.REGION`, `s3-fips.REGION`, `s3-fips.dualstack.REGION`, `s3-accelerate`,
    /// `s3-accelerate.dualstack`, `s3-website`, `s3-website.REGION`, `s3-website-REGION`.
    pub fn parse(host: &'h str) -> Option<Self> {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        let stem = [".localhost", ".amazonaws.com", ".amazonaws.com.cn"]
            .iter()
            .find_map(|suffix| strip_suffix(name, suffix))?;
        let (before, last) = split_last(stem);
        let is = |label: &str, text: &str| label.eq_ignore_ascii_case(text);
        let found = |bucket: Option<&'h str>, region: Option<&'h str>, endpoint| {
            // An empty bucket is a name that begins with a dot.
            bucket.is_none_or(|bucket| !bucket.is_empty()).then_some(Self {
                bucket,
                region,
                endpoint,
            })
        };
        if is(last, "s3") || is(last, "s3-accelerate") {
            return found(before, None, Endpoint::Api);
        }
        if is(last, "s3-website") {
            return found(before, None, Endpoint::Website);
        }
        if let Some(region) = strip_prefix(last, "s3-website-") {
            return found(before, Some(region), Endpoint::Website);
        }
        if let Some(region) = strip_prefix(last, "s3-").filter(|rest| rest.contains('-')) {
            return found(before, Some(region), Endpoint::Api);
        }
        let (before, middle) = split_last(before?);
        if is(middle, "s3") || is(middle, "s3-fips") {
            return found(before, Some(last), Endpoint::Api);
        }
        if is(middle, "s3-website") {
            return found(before, Some(last), Endpoint::Website);
        }
        if is(middle, "s3-accelerate") && is(last, "dualstack") {
            return found(before, None, Endpoint::Api);
        }
        let (before, first) = split_last(before?);
        let dualstack = is(middle, "dualstack") && (is(first, "s3") || is(first, "s3-fips"));
        if dualstack {
            found(before, Some(last), Endpoint::Api)
        } else {
            None
        }
    }
}

/// `a.b.c` → (`a.b`, `c`); nothing is left of `c`.
fn split_last(text: &str) -> (Option<&str>, &str) {
    match text.rsplit_once('.') {
        Some((before, last)) => (Some(before), last),
        None => (None, text),
    }
}

fn strip_suffix<'t>(text: &'t str, suffix: &str) -> Option<&'t str> {
    let at = text.len().checked_sub(suffix.len())?;
    let (stem, end) = (text.get(..at)?, text.get(at..)?);
    end.eq_ignore_ascii_case(suffix).then_some(stem)
}

fn strip_prefix<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (start, rest) = (text.get(..prefix.len())?, text.get(prefix.len()..)?);
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_what_stands_before_the_endpoint() {
        let parsed = |host| Host::parse(host).map(|host| (host.bucket, host.region));
        for (host, expected) in [
            ("s3.localhost:4566", (None, None)),
            ("S3.Localhost", (None, None)),
            ("b.s3.localhost:4566", (Some("b"), None)),
            ("my.site.com.s3.localhost", (Some("my.site.com"), None)),
            ("b.s3.eu-west-1.localhost:80", (Some("b"), Some("eu-west-1"))),
            ("s3.eu-west-1.localhost", (None, Some("eu-west-1"))),
            ("b.s3.amazonaws.com", (Some("b"), None)),
            ("b.s3.eu-west-1.amazonaws.com.", (Some("b"), Some("eu-west-1"))),
            ("b.c.s3-eu-west-1.amazonaws.com", (Some("b.c"), Some("eu-west-1"))),
            ("b.s3.dualstack.eu-west-1.amazonaws.com", (Some("b"), Some("eu-west-1"))),
            ("s3.dualstack.eu-west-1.amazonaws.com", (None, Some("eu-west-1"))),
            (
                "b.s3-fips.dualstack.us-east-1.amazonaws.com",
                (Some("b"), Some("us-east-1")),
            ),
            ("b.s3.cn-north-1.amazonaws.com.cn", (Some("b"), Some("cn-north-1"))),
            ("b.s3-accelerate.dualstack.amazonaws.com", (Some("b"), None)),
            ("s3.s3.localhost", (Some("s3"), None)),
        ] {
            assert_eq!(parsed(host), Some(expected), "{host}");
        }
        for other in [
            "localhost",
            "127.0.0.1:4566",
            "s3",
            "shop.localhost",
            ".s3.localhost",
            "lambda.eu-west-1.amazonaws.com",
            "",
        ] {
            assert_eq!(parsed(other), None, "{other}");
        }
    }

    #[test]
    fn websites_have_endpoints_of_their_own() {
        for host in [
            "b.c.s3-website-eu-west-1.amazonaws.com",
            "b.c.s3-website.eu-west-1.localhost:1",
        ] {
            let expected = Host {
                bucket: Some("b.c"),
                region: Some("eu-west-1"),
                endpoint: Endpoint::Website,
            };
            assert_eq!(Host::parse(host), Some(expected), "{host}");
        }
        assert_eq!(
            Host::parse("b.s3-website.localhost").unwrap().endpoint,
            Endpoint::Website
        );
    }
}
