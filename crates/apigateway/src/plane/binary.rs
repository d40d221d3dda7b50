//! Which media types are binary, by the API's `binaryMediaTypes`.

/// Whether a media type (of a `Content-Type` or `Accept` header; the first counts) is one of the API's binary types.
pub(crate) fn is_binary(kind: &str, binary_types: &[String]) -> bool {
    let kind = kind
        .split([',', ';'])
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    binary_types.iter().any(|own| {
        let own = own.to_ascii_lowercase();
        let (family, _) = kind.split_once('/').unwrap_or((&kind, ""));
        own == "*/*" || own == kind || own.strip_suffix("/*").is_some_and(|own| own == family)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_and_everything() {
        let fits =
            |kind: &str, types: &[&str]| is_binary(kind, &types.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert!(fits("image/png", &["image/*"]));
        assert!(fits("image/PNG; q=1, text/html", &["image/png"]));
        assert!(fits("text/plain", &["*/*"]));
        assert!(!fits("application/json", &["image/png"]));
        assert!(!fits("text/html, image/png", &["image/png"]));
    }
}
