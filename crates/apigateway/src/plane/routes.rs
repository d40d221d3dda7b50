//! Which resource a path means: exact names before `{variable}` before `{greedy+}`, and only resources that have the
//! method.

use std::collections::{BTreeMap, HashMap};

/// Segments that are looked at; a longer path can only belong to a greedy resource.
const MAX_SEGMENTS: usize = 256;

/// The resources of an API by their paths.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    root: Branch,
}

#[derive(Debug, Default)]
struct Branch {
    named: HashMap<String, Branch>,
    variable: Option<(String, Box<Branch>)>,
    greedy: Option<(String, HashMap<String, usize>)>,
    methods: HashMap<String, usize>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// What was given to [`Routes::add`].
    pub method: usize,
    pub parameters: BTreeMap<String, String>,
}

impl Routes {
    /// Adds the method of the resource at `path`.
    pub(crate) fn add(&mut self, path: &str, http_method: &str, method: usize) {
        let mut at = &mut self.root;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let variable = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            match variable {
                Some(name) => match name.strip_suffix('+') {
                    Some(name) => {
                        let greedy = at.greedy.get_or_insert_with(|| (name.to_owned(), HashMap::new()));
                        greedy.1.insert(http_method.into(), method);
                        return;
                    }
                    None => at = &mut at.variable.get_or_insert_with(|| (name.to_owned(), Box::default())).1,
                },
                None => at = at.named.entry(part.to_owned()).or_default(),
            }
        }
        at.methods.insert(http_method.into(), method);
    }

    /// The method for a request at `path`, as it was sent, and the values of the path's variables.
    pub(crate) fn find(&self, path: &str, http_method: &str) -> Option<Found> {
        let path = path.trim_start_matches('/');
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut parameters = Vec::new();
        let method = self.root.find(path, http_method, &mut parameters, 0)?;
        Some(Found {
            method,
            parameters: parameters
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        })
    }
}

fn of(methods: &HashMap<String, usize>, http_method: &str) -> Option<usize> {
    methods.get(http_method).or_else(|| methods.get("ANY")).copied()
}

impl Branch {
    fn find<'a>(
        &'a self,
        rest: &'a str,
        http_method: &str,
        parameters: &mut Vec<(&'a str, &'a str)>,
        depth: usize,
    ) -> Option<usize> {
        if rest.is_empty() {
            return of(&self.methods, http_method);
        }
        let (part, below) = rest.split_once('/').unwrap_or((rest, ""));
        let ends_with_empty = rest.len() > part.len() && below.is_empty();
        if depth < MAX_SEGMENTS && !part.is_empty() && !ends_with_empty {
            if let Some(found) = self
                .named
                .get(part)
                .and_then(|next| next.find(below, http_method, parameters, depth + 1))
            {
                return Some(found);
            }
            if let Some((name, next)) = &self.variable {
                parameters.push((name, part));
                if let Some(found) = next.find(below, http_method, parameters, depth + 1) {
                    return Some(found);
                }
                parameters.pop();
            }
        }
        let (name, methods) = self.greedy.as_ref()?;
        let found = of(methods, http_method)?;
        parameters.push((name, rest));
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        let mut routes = Routes::default();
        for (number, (path, method)) in [
            ("/", "GET"),
            ("/pets", "GET"),
            ("/pets/{id}", "ANY"),
            ("/pets/{id}/toys", "GET"),
            ("/{proxy+}", "ANY"),
            ("/pets/all", "GET"),
        ]
        .into_iter()
        .enumerate()
        {
            routes.add(path, method, number);
        }
        routes
    }

    #[test]
    fn exact_before_variable_before_greedy() {
        let routes = routes();
        let found = |path, method| {
            let found = routes.find(path, method)?;
            let parameters: Vec<_> = found
                .parameters
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            Some((found.method, parameters.join("&")))
        };
        assert_eq!(found("/", "GET"), Some((0, String::new())));
        assert_eq!(found("/", "POST"), None);
        assert_eq!(found("/pets", "GET"), Some((1, String::new())));
        assert_eq!(found("/pets/", "GET"), Some((1, String::new())));
        assert_eq!(found("/pets/all", "GET"), Some((5, String::new())));
        assert_eq!(found("/pets/all", "POST"), Some((2, "id=all".into())));
        assert_eq!(found("/pets/7", "DELETE"), Some((2, "id=7".into())));
        assert_eq!(found("/pets/7/toys", "GET"), Some((3, "id=7".into())));
        assert_eq!(found("/pets/7/toys", "PUT"), Some((4, "proxy=pets/7/toys".into())));
        assert_eq!(found("/pets", "POST"), Some((4, "proxy=pets".into())));
        assert_eq!(found("/a//b/", "GET"), Some((4, "proxy=a//b".into())));
        assert_eq!(found("/pets//", "GET"), Some((4, "proxy=pets/".into())));
    }

    proptest::proptest! {
        #[test]
        fn every_path_ends(path in "[/a-c{}+%]{0,64}") {
            let _ = routes().find(&path, "GET");
        }
    }
}
