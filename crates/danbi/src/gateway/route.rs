//! Which door a request takes, decided from its host name and path alone.

use danbi_core::Region;
use danbi_wire::s3::{Endpoint, Host};

/// Where a request goes, and what is left of its path there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door<'a> {
    /// `GET /_danbi/health`.
    Health,
    /// A code archive by its expiring link.
    Code,
    /// A function URL.
    FunctionUrl {
        /// The URL's id, the first label of its host name.
        url_id: &'a str,
        /// The region in the host name; by path there is none.
        region: Option<Region>,
        /// The path as the function sees it.
        path: &'a str,
    },
    /// A bucket as a website.
    Website {
        /// The bucket.
        bucket: &'a str,
        /// The path below it.
        path: &'a str,
        /// What stands before the path, where the bucket is addressed by path.
        base: &'a str,
    },
    /// An API Gateway stage.
    ExecuteApi {
        /// The API's id.
        api_id: &'a str,
        /// The stage and the path below it.
        path: &'a str,
    },
    /// A link by which a custom resource or a wait condition answers its stack.
    Callback {
        /// What only the one who was given the link knows.
        token: &'a str,
    },
    /// An app deployed under a name.
    App {
        /// The name.
        app: &'a str,
        /// The path as the app sees it.
        path: &'a str,
    },
    /// The AWS API: signed, or refused.
    Aws,
    /// A path under `/_danbi/` or `/_aws/` that leads nowhere.
    Nowhere,
}

/// Chooses the door. `host` is the `Host` header (or `:authority`) with or without a port; `path` begins with `/`.
///
/// Host names win over paths, because an app may have paths of any form; the reserved prefixes `/_danbi/` and `/_aws/`
/// count only on a host name that belongs to no app.
pub fn door<'a>(host: &'a str, path: &'a str) -> Door<'a> {
    let name = host_name(host);
    // Below a bucket's own name every path is a key.
    match danbi_wire::s3::Host::parse(host) {
        Some(Host {
            endpoint: Endpoint::Website,
            bucket,
            ..
        }) => {
            let (bucket, base) = (bucket.unwrap_or_default(), "");
            return Door::Website { bucket, path, base };
        }
        Some(Host {
            bucket: Some(bucket), ..
        }) if bucket.starts_with(danbi_cloudformation::ANSWERS) => {
            let token = path.rsplit('/').next().unwrap_or_default();
            return Door::Callback { token };
        }
        Some(_) => return Door::Aws,
        None => {}
    }
    if let Some(door) = by_host(name, path) {
        return door;
    }
    if let Some(rest) = path.strip_prefix("/_danbi/") {
        return match split_label(rest) {
            ("health", "/") if rest == "health" => Door::Health,
            ("code", _) => Door::Code,
            ("app", rest) => match split_label(&rest[1..]) {
                ("", _) => Door::Nowhere,
                (app, path) => Door::App { app, path },
            },
            _ => Door::Nowhere,
        };
    }
    if let Some(rest) = path.strip_prefix("/_aws/") {
        return match split_label(rest) {
            ("lambda-url", rest) => match split_label(&rest[1..]) {
                ("", _) => Door::Nowhere,
                (url_id, path) => Door::FunctionUrl {
                    url_id,
                    region: None,
                    path,
                },
            },
            ("s3-website", rest) => match split_label(&rest[1..]) {
                ("", _) => Door::Nowhere,
                (bucket, below) => Door::Website {
                    bucket,
                    path: below,
                    base: path.strip_suffix(below).unwrap_or(path),
                },
            },
            ("cloudformation", rest) => match split_label(&rest[1..]) {
                ("", _) => Door::Nowhere,
                (token, _) => Door::Callback { token },
            },
            ("execute-api", rest) => match split_label(&rest[1..]) {
                ("", _) => Door::Nowhere,
                (api_id, path) => Door::ExecuteApi { api_id, path },
            },
            _ => Door::Nowhere,
        };
    }
    Door::Aws
}

/// The host name without its port.
pub(super) fn host_name(host: &str) -> &str {
    let (name, _) = danbi_core::host::split(host);
    // A name may be written with the dot of the root.
    name.strip_suffix('.').unwrap_or(name)
}

fn by_host<'a>(name: &'a str, path: &'a str) -> Option<Door<'a>> {
    let stem = strip_suffix_ignore_case(name, ".localhost")
        .or_else(|| strip_suffix_ignore_case(name, ".on.aws"))
        .or_else(|| strip_suffix_ignore_case(name, ".amazonaws.com"));
    let stem = stem?;
    let mut labels = stem.splitn(3, '.');
    match (labels.next(), labels.next(), labels.next()) {
        (Some(url_id), Some(kind), Some(region)) if kind.eq_ignore_ascii_case("lambda-url") => {
            Some(Door::FunctionUrl {
                url_id,
                region: region.to_ascii_lowercase().parse().ok(),
                path,
            })
        }
        (Some(api_id), Some(kind), _) if kind.eq_ignore_ascii_case("execute-api") => {
            Some(Door::ExecuteApi { api_id, path })
        }
        (Some(app), None, None) if !app.is_empty() && strip_suffix_ignore_case(name, ".localhost").is_some() => {
            Some(Door::App { app, path })
        }
        _ => None,
    }
}

fn strip_suffix_ignore_case<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(suffix.len())?;
    let (stem, end) = (text.get(..at)?, text.get(at..)?);
    end.eq_ignore_ascii_case(suffix).then_some(stem)
}

/// `label/rest` → (`label`, `/rest`); a missing rest is `/`.
fn split_label(text: &str) -> (&str, &str) {
    match text.find('/') {
        Some(at) => (&text[..at], &text[at..]),
        None => (text, "/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_choose_the_door() {
        let region = Some("eu-west-1".parse().unwrap());
        assert_eq!(
            door("abc.lambda-url.eu-west-1.localhost:4566", "/x"),
            Door::FunctionUrl {
                url_id: "abc",
                region: region.clone(),
                path: "/x"
            }
        );
        assert_eq!(
            door("abc.lambda-url.eu-west-1.on.aws", "/_danbi/health"),
            Door::FunctionUrl {
                url_id: "abc",
                region,
                path: "/_danbi/health"
            }
        );
        assert_eq!(
            door("a1.execute-api.us-east-1.amazonaws.com", "/dev/x"),
            Door::ExecuteApi {
                api_id: "a1",
                path: "/dev/x"
            }
        );
        assert_eq!(door("Shop.LOCALHOST", "/"), Door::App { app: "Shop", path: "/" });
        assert_eq!(
            door("shop.localhost.:4566", "/_danbi/health"),
            Door::App {
                app: "shop",
                path: "/_danbi/health"
            }
        );
        for odd in [
            "..localhost",
            ".localhost",
            "localhost.",
            "a.b.localhost",
            "[::1].localhost:x",
        ] {
            assert!(
                matches!(door(odd, "/"), Door::Aws | Door::App { app: "[::1]", .. }),
                "{odd}"
            );
        }
        assert_eq!(door("localhost:4566", "/"), Door::Aws);
        assert_eq!(
            door("lambda.us-east-1.amazonaws.com", "/2015-03-31/functions"),
            Door::Aws
        );
        for host in [
            "s3.localhost:4566",
            "b.s3.localhost",
            "b.lambda-url.s3.eu-west-1.localhost",
            "b.s3.amazonaws.com",
        ] {
            assert_eq!(door(host, "/_danbi/health"), Door::Aws, "{host}");
        }
        assert_eq!(door("127.0.0.1:4566", "/"), Door::Aws);
        assert_eq!(door("[::1]:4566", "/"), Door::Aws);
        assert_eq!(door("", "/"), Door::Aws);
    }

    #[test]
    fn paths_choose_the_door_where_names_do_not_resolve() {
        let host = "127.0.0.1:4566";
        assert_eq!(door(host, "/_danbi/health"), Door::Health);
        assert_eq!(door(host, "/_danbi/health/x"), Door::Nowhere);
        assert_eq!(door(host, "/_danbi/app/shop"), Door::App { app: "shop", path: "/" });
        assert_eq!(
            door(host, "/_danbi/app/shop/a/b"),
            Door::App {
                app: "shop",
                path: "/a/b"
            }
        );
        assert_eq!(door(host, "/_danbi/app/"), Door::Nowhere);
        assert_eq!(door(host, "/_danbi/app"), Door::Nowhere);
        assert_eq!(
            door(host, "/_aws/lambda-url/u1/p"),
            Door::FunctionUrl {
                url_id: "u1",
                region: None,
                path: "/p"
            }
        );
        assert_eq!(
            door(host, "/_aws/execute-api/a1/dev/x"),
            Door::ExecuteApi {
                api_id: "a1",
                path: "/dev/x"
            }
        );
        for (path, below) in [
            ("/_aws/s3-website/b/a/b", "/a/b"),
            ("/_aws/s3-website/b", "/"),
            ("/_aws/s3-website/b/", "/"),
        ] {
            let base = "/_aws/s3-website/b";
            let expected = Door::Website {
                bucket: "b",
                path: below,
                base,
            };
            assert_eq!(door(host, path), expected, "{path}");
        }
        let named = door("my.site.s3-website.eu-west-1.localhost:1", "/_danbi/health");
        let expected = Door::Website {
            bucket: "my.site",
            path: "/_danbi/health",
            base: "",
        };
        assert_eq!(named, expected);
        assert_eq!(door(host, "/_aws/"), Door::Nowhere);
        assert_eq!(door(host, "/_aws/nothing"), Door::Nowhere);
    }
}
