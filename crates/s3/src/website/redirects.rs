//! The routing rules of a website: which request goes elsewhere, and where.

use crate::shapes::RoutingRule;
use danbi_core::uri::{self, AsciiSet, RESERVED_IN_PATH};

/// A rule that applies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found<'r> {
    pub(super) status: u16,
    rule: &'r RoutingRule,
}

/// The first rule for keys, whatever comes of them.
pub(super) fn before<'r>(rules: &'r [RoutingRule], key: &str) -> Option<Found<'r>> {
    find(rules, |rule| match &rule.condition {
        None => true,
        Some(condition) => condition.http_error_code_returned_equals.is_none() && begins(rule, key),
    })
}

/// The first rule for keys that came to this error.
pub(super) fn after<'r>(rules: &'r [RoutingRule], key: &str, status: u16) -> Option<Found<'r>> {
    find(rules, |rule| {
        let wanted = rule
            .condition
            .as_ref()
            .and_then(|condition| condition.http_error_code_returned_equals.as_deref());
        wanted.and_then(|code| code.parse().ok()) == Some(status) && begins(rule, key)
    })
}

fn begins(rule: &RoutingRule, key: &str) -> bool {
    key.starts_with(prefix(rule))
}

fn prefix(rule: &RoutingRule) -> &str {
    let condition = rule.condition.as_ref();
    condition
        .and_then(|condition| condition.key_prefix_equals.as_deref())
        .unwrap_or_default()
}

fn find(rules: &[RoutingRule], applies: impl Fn(&RoutingRule) -> bool) -> Option<Found<'_>> {
    let rule = rules.iter().find(|rule| applies(rule))?;
    let status = rule
        .redirect
        .http_redirect_code
        .as_deref()
        .and_then(|code| code.parse().ok());
    Some(Found {
        status: status.unwrap_or(301),
        rule,
    })
}

impl Found<'_> {
    /// Where `key` goes. `scheme` and `host` are those of the request, for rules that name none.
    pub(super) fn target(&self, scheme: &str, host: &str, key: &str) -> String {
        let redirect = &self.rule.redirect;
        let scheme = redirect.protocol.as_deref().unwrap_or(scheme);
        let host = redirect.host_name.as_deref().unwrap_or(host);
        let key = match (&redirect.replace_key_with, &redirect.replace_key_prefix_with) {
            (Some(whole), _) => whole.clone(),
            (None, Some(start)) => {
                format!("{start}{}", key.strip_prefix(prefix(self.rule)).unwrap_or_default())
            }
            (None, None) => key.to_owned(),
        };
        format!("{scheme}://{host}/{}", escaped(&key))
    }
}

/// A key as a path: what a URL cannot hold is encoded, slashes are not.
fn escaped(key: &str) -> String {
    const ENCODED: &AsciiSet = &RESERVED_IN_PATH
        .remove(b'!')
        .remove(b'$')
        .remove(b'&')
        .remove(b'\'')
        .remove(b'(')
        .remove(b')')
        .remove(b'*')
        .remove(b'+')
        .remove(b',')
        .remove(b';')
        .remove(b'=')
        .remove(b':')
        .remove(b'@')
        .remove(b'?')
        .remove(b'#')
        .remove(b'%');
    uri::encode(key, ENCODED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::{Condition, Redirect};

    fn rule(prefix: Option<&str>, error: Option<&str>, redirect: Redirect) -> RoutingRule {
        let condition = Condition {
            key_prefix_equals: prefix.map(str::to_owned),
            http_error_code_returned_equals: error.map(str::to_owned),
        };
        RoutingRule {
            condition: Some(condition),
            redirect,
        }
    }

    #[test]
    fn rules_apply_by_prefix_and_by_error() {
        let rules = [
            rule(
                Some("docs/"),
                None,
                Redirect {
                    replace_key_prefix_with: Some("documents/".into()),
                    ..Redirect::default()
                },
            ),
            rule(
                None,
                Some("404"),
                Redirect {
                    host_name: Some("other.example".into()),
                    protocol: Some("https".into()),
                    replace_key_with: Some("missing page.html".into()),
                    http_redirect_code: Some("302".into()),
                    ..Redirect::default()
                },
            ),
        ];
        let found = before(&rules, "docs/a b").unwrap();
        assert_eq!(
            (found.status, found.target("http", "h:1", "docs/a b").as_str()),
            (301, "http://h:1/documents/a%20b")
        );
        assert_eq!(before(&rules, "other"), None);
        let found = after(&rules, "other", 404).unwrap();
        assert_eq!(
            (found.status, found.target("http", "h", "x").as_str()),
            (302, "https://other.example/missing%20page.html")
        );
        assert_eq!(after(&rules, "other", 403), None);
    }
}
