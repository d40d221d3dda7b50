//! What stands before the platform on a server that the world reaches: a domain of its own, and a proxy that speaks TLS
//! for it. A proxy's word about its clients counts only when it was named; from anybody else it would be a lie waiting to
//! be told.

use super::Peer;
use super::route::host_name;
use http::HeaderMap;
use std::net::IpAddr;
use std::str::FromStr;

/// The operator's settings.
#[derive(Debug, Clone, Default)]
pub struct Front {
    /// Apps answer at `NAME.` and this, as they do below `.localhost`.
    pub domain: Option<Domain>,
    /// Whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub proxies: Vec<Addresses>,
}

/// A domain name in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain(String);

/// An address, or all that share its first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    first: u128,
    /// How many of 128 bits are shared; an IPv4 address is the last 32 of them.
    bits: u32,
}

impl FromStr for Domain {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.trim_end_matches('.').to_ascii_lowercase();
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if name.len() <= 190 && name.contains('.') && name.split('.').all(label) && name.parse::<IpAddr>().is_err() {
            Ok(Self(name))
        } else {
            Err("a domain name such as apps.example.com".to_owned())
        }
    }
}

impl FromStr for Addresses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "an address or a network, such as 127.0.0.1 or 10.0.0.0/8".to_owned();
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let (whole, shared_by_all) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let bits = bits.unwrap_or(whole);
        if bits > whole {
            return Err(wrong());
        }
        Ok(Self {
            first: number(address),
            bits: bits + shared_by_all,
        })
    }
}

impl Addresses {
    fn hold(&self, address: IpAddr) -> bool {
        let differing = self.first ^ number(address);
        differing.leading_zeros() >= self.bits
    }
}

/// IPv4 addresses as IPv6 has them: a listener on `[::]` sees them so.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl Front {
    /// The app that `host` names below the domain.
    pub fn app<'a>(&self, host: &'a str) -> Option<&'a str> {
        let Domain(domain) = self.domain.as_ref()?;
        let name = host_name(host);
        let dot = name.len().checked_sub(domain.len() + 1)?;
        let (app, rest) = (name.get(..dot)?, name.get(dot..)?);
        let below = rest
            .strip_prefix('.')
            .is_some_and(|rest| rest.eq_ignore_ascii_case(domain));
        (below && !app.is_empty() && !app.contains('.')).then_some(app)
    }

    /// Who makes a request that `peer` has sent: the client of a proxy that is believed, else `peer` itself.
    pub fn client(&self, headers: &HeaderMap, peer: Peer) -> Peer {
        if !self.believes(peer.ip) {
            return peer;
        }
        // Each proxy appends whom it saw: the last address that is no proxy's is the first that a stranger could not choose.
        let seen: Vec<IpAddr> = entries(headers, "x-forwarded-for")
            .rev()
            .map_while(|entry| entry.parse::<IpAddr>().ok())
            .map(|address| address.to_canonical())
            .collect();
        let client = seen.iter().find(|address| !self.believes(**address)).or(seen.last());
        let scheme = entries(headers, "x-forwarded-proto").next_back();
        Peer {
            ip: client.copied().unwrap_or(peer.ip),
            secure: scheme.map_or(peer.secure, |scheme| scheme.eq_ignore_ascii_case("https")),
        }
    }

    fn believes(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|proxies| proxies.hold(address))
    }
}

/// The entries of a list that may be spread over several headers.
fn entries<'a>(headers: &'a HeaderMap, name: &str) -> impl DoubleEndedIterator<Item = &'a str> {
    let values: Vec<&str> = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    values
        .into_iter()
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn front(domain: &str, proxies: &[&str]) -> Front {
        Front {
            domain: domain.parse().ok(),
            proxies: proxies.iter().map(|proxy| proxy.parse().unwrap()).collect(),
        }
    }

    fn client(front: &Front, peer: &str, headers: &[(&str, &str)]) -> (String, bool) {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        let peer = Peer {
            ip: peer.parse().unwrap(),
            secure: false,
        };
        let client = front.client(&headers, peer);
        (client.ip.to_string(), client.secure)
    }

    #[test]
    fn apps_are_below_the_domain() {
        let front = front("Apps.Example.com.", &[]);
        for (host, app) in [
            ("shop.apps.example.com", Some("shop")),
            ("Shop.APPS.example.com.:8443", Some("Shop")),
            ("apps.example.com", None),
            (".apps.example.com", None),
            ("a.b.apps.example.com", None),
            ("shopapps.example.com", None),
            ("shop.example.com", None),
            ("é.apps.example.com", Some("é")),
            ("", None),
        ] {
            assert_eq!(front.app(host), app, "{host}");
        }
        assert_eq!(Front::default().app("shop.apps.example.com"), None);
        for wrong in ["", "localhost", "a..b", "-a.b", "a b.c", "10.0.0.1", &"a.".repeat(120)] {
            assert!(wrong.parse::<Domain>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_proxy_is_believed_when_it_was_named() {
        let headers = [("x-forwarded-for", "6.6.6.6, 9.9.9.9"), ("x-forwarded-proto", "https")];
        let named = front("", &["127.0.0.1", "10.0.0.0/8", "fd00::/8"]);
        assert_eq!(client(&named, "127.0.0.1", &headers), ("9.9.9.9".to_owned(), true));
        assert_eq!(
            client(&named, "::ffff:127.0.0.1", &headers),
            ("9.9.9.9".to_owned(), true)
        );
        assert_eq!(client(&named, "fd00::5", &headers), ("9.9.9.9".to_owned(), true));
        for stranger in ["127.0.0.2", "11.0.0.1", "2001:db8::1", "::1"] {
            assert_eq!(client(&named, stranger, &headers), (stranger.to_owned(), false));
        }
        assert_eq!(
            client(&Front::default(), "127.0.0.1", &headers),
            ("127.0.0.1".to_owned(), false)
        );
    }

    #[test]
    fn what_a_client_says_of_itself_is_not_believed() {
        let named = front("", &["10.0.0.0/8"]);
        let behind = |list: &str| client(&named, "10.0.0.1", &[("x-forwarded-for", list)]).0;
        assert_eq!(
            behind("127.0.0.1, 9.9.9.9, 10.3.0.1"),
            "9.9.9.9",
            "two proxies in a row"
        );
        assert_eq!(behind("10.0.0.7"), "10.0.0.7", "a client beside the proxy");
        assert_eq!(
            behind("9.9.9.9, nonsense"),
            "10.0.0.1",
            "an entry that is no address ends the chain"
        );
        assert_eq!(behind(""), "10.0.0.1");
        let two = [
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-for", "9.9.9.9"),
            ("x-forwarded-proto", "https, http"),
        ];
        assert_eq!(client(&named, "10.0.0.1", &two), ("9.9.9.9".to_owned(), false));
    }

    #[test]
    fn networks_are_read() {
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "host", "10.0.0.0/x"] {
            assert!(wrong.parse::<Addresses>().is_err(), "{wrong}");
        }
        let all: Addresses = "0.0.0.0/0".parse().unwrap();
        assert!(all.hold("1.2.3.4".parse().unwrap()) && !all.hold("2001:db8::1".parse().unwrap()));
    }
}
