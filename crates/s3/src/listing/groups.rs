/// How keys are rolled up into common prefixes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Groups<'r> {
    pub prefix: &'r str,
    /// Not empty.
    pub delimiter: Option<&'r str>,
}

impl<'r> Groups<'r> {
    pub(crate) fn new(prefix: Option<&'r str>, delimiter: Option<&'r str>) -> Self {
        Self {
            prefix: prefix.unwrap_or_default(),
            delimiter: delimiter.filter(|delimiter| !delimiter.is_empty()),
        }
    }

    /// The common prefix that `key`, which begins with the prefix, belongs to.
    pub(crate) fn of<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter?;
        let begins = self.prefix.len();
        let at = key.get(begins..)?.find(delimiter)?;
        key.get(..begins + at + delimiter.len())
    }

    /// Whether a marker is a common prefix itself: what a list ended with, and all of which is to be passed over.
    pub(crate) fn is_group(&self, marker: &str) -> bool {
        marker.starts_with(self.prefix) && self.of(marker) == Some(marker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_belong_to_the_first_delimiter_behind_the_prefix() {
        let groups = Groups::new(Some("a/"), Some("/"));
        assert_eq!(groups.of("a/b/c/d"), Some("a/b/"));
        assert_eq!(groups.of("a/b"), None);
        assert_eq!(groups.of("a/"), None);
        assert!(groups.is_group("a/b/"));
        assert!(!groups.is_group("a/b/c"));
        assert!(!groups.is_group("a/"));
        assert_eq!(Groups::new(None, Some("")).of("a/b"), None);
        assert_eq!(Groups::new(None, Some("--")).of("é--x"), Some("é--"));
    }
}
