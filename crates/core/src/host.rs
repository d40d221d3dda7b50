//! What a `Host` header or the authority of a URL says: a name or an address, and perhaps a port (RFC 9110, section 7.2).

/// `host` without its port, and the port if it has one that is a number up to 65,535. The brackets of an IPv6 address stay.
///
/// ```
/// use danbi_core::host::split;
/// assert_eq!(split("shop.localhost:4566"), ("shop.localhost", Some(4566)));
/// assert_eq!(split("[::1]"), ("[::1]", None));
/// ```
pub fn split(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (name, port.parse().ok()),
        _ => (host, None),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_host_has_a_name_and_perhaps_a_port() {
        for (host, expected) in [
            ("localhost", ("localhost", None)),
            ("localhost:", ("localhost", None)),
            ("localhost:80", ("localhost", Some(80))),
            ("localhost:99999", ("localhost", None)),
            ("127.0.0.1:4566", ("127.0.0.1", Some(4566))),
            ("[::1]:4566", ("[::1]", Some(4566))),
            ("[fe80::1%1]", ("[fe80::1%1]", None)),
            ("name:port", ("name:port", None)),
            ("", ("", None)),
        ] {
            assert_eq!(split(host), expected, "{host}");
        }
    }
}
