//! URI templates of REST protocols: which operation a method and a path mean.

use crate::model::OperationModel;
use crate::protocol::decode_component;
use std::collections::HashMap;

/// The routes of one service.
#[derive(Debug, Default)]
pub(crate) struct RestRoutes {
    by_method: HashMap<String, Vec<Route>>,
}

#[derive(Debug)]
struct Route {
    operation: String,
    segments: Vec<Segment>,
    /// Query parameters that must be present, with their value when one is asked for.
    query: Vec<(String, Option<String>)>,
}

#[derive(Debug, PartialEq)]
enum Segment {
    Literal(String),
    Label(String),
    /// A label that takes the rest of the path, slashes included.
    Greedy(String),
}

/// What a path meant.
#[derive(Debug, PartialEq)]
pub(crate) struct Match<'r> {
    pub(crate) operation: &'r str,
    /// Labels with their decoded values.
    pub(crate) labels: Vec<(String, String)>,
}

/// Why nothing matched.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoMatch {
    /// No route has this path.
    Path,
    /// A route has this path for another method.
    Method,
}

impl RestRoutes {
    pub(crate) fn new<'o>(operations: impl Iterator<Item = &'o OperationModel>) -> Self {
        let mut routes = Self::default();
        for operation in operations {
            let (path, query) = operation.uri.split_once('?').unwrap_or((&operation.uri, ""));
            let query = query.split('&').filter(|part| !part.is_empty());
            let query = query.map(|part| match part.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (part.to_owned(), None),
            });
            let route = Route {
                operation: operation.name.clone(),
                segments: split(path).into_iter().map(segment).collect(),
                query: query.collect(),
            };
            routes
                .by_method
                .entry(operation.method.clone())
                .or_default()
                .push(route);
        }
        routes
    }

    /// Finds the most specific route. `path` and `query` are as on the wire.
    pub(crate) fn find(&self, method: &str, path: &str, query: &str) -> Result<Match<'_>, NoMatch> {
        let parts = split(path);
        let parameters: Vec<(&str, &str)> = query
            .split('&')
            .filter(|part| !part.is_empty())
            .map(|part| part.split_once('=').unwrap_or((part, "")))
            .collect();
        let candidates = self.by_method.get(method).into_iter().flatten();
        let fitting = candidates.filter(|route| route.fits(&parts, &parameters));
        match fitting.max_by(|a, b| a.rank().cmp(&b.rank())) {
            Some(route) => Ok(Match {
                operation: &route.operation,
                labels: route.labels(&parts),
            }),
            None if self
                .by_method
                .values()
                .flatten()
                .any(|route| route.fits(&parts, &parameters)) =>
            {
                Err(NoMatch::Method)
            }
            None => Err(NoMatch::Path),
        }
    }
}

impl Route {
    fn fits(&self, parts: &[&str], parameters: &[(&str, &str)]) -> bool {
        let greedy = matches!(self.segments.last(), Some(Segment::Greedy(_)));
        let length = if greedy {
            parts.len() >= self.segments.len()
        } else {
            parts.len() == self.segments.len()
        };
        length
            && self.segments.iter().zip(parts).all(|(segment, part)| match segment {
                Segment::Literal(text) => text == part || *text == decode_component(part, false),
                Segment::Label(_) | Segment::Greedy(_) => !part.is_empty(),
            })
            && self.query.iter().all(|(name, value)| {
                let found = parameters.iter().find(|(have, _)| have == name);
                found.is_some_and(|(_, have)| value.as_ref().is_none_or(|value| value == have))
            })
    }

    /// Literals before labels before greedy labels, from the left; then the more query parameters.
    fn rank(&self) -> (Vec<u8>, usize) {
        let weight = |segment: &Segment| match segment {
            Segment::Literal(_) => 2,
            Segment::Label(_) => 1,
            Segment::Greedy(_) => 0,
        };
        (self.segments.iter().map(weight).collect(), self.query.len())
    }

    fn labels(&self, parts: &[&str]) -> Vec<(String, String)> {
        let mut labels = Vec::new();
        for (at, segment) in self.segments.iter().enumerate() {
            match segment {
                Segment::Literal(_) => {}
                Segment::Label(name) => labels.push((name.clone(), decode_component(parts[at], false))),
                Segment::Greedy(name) => labels.push((name.clone(), decode_component(&parts[at..].join("/"), false))),
            }
        }
        labels
    }
}

/// The segments of a path; a slash at its end makes no difference.
fn split(path: &str) -> Vec<&str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split('/').collect()
}

fn segment(text: &str) -> Segment {
    match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        None => Segment::Literal(text.to_owned()),
        Some(label) => match label.strip_suffix('+') {
            Some(label) => Segment::Greedy(label.to_owned()),
            None => Segment::Label(label.to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::LAMBDA;

    fn lambda(method: &str, path: &str) -> Result<(String, Vec<(String, String)>), NoMatch> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        LAMBDA
            .get()
            .routes
            .find(method, path, query)
            .map(|found| (found.operation.to_owned(), found.labels))
    }

    #[test]
    fn the_most_specific_template_wins() {
        assert_eq!(lambda("GET", "/2015-03-31/functions/").unwrap().0, "ListFunctions");
        assert_eq!(lambda("GET", "/2015-03-31/functions").unwrap().0, "ListFunctions");
        assert_eq!(
            lambda("GET", "/2018-10-31/layers?find=LayerVersion&Arn=a").unwrap().0,
            "GetLayerVersionByArn"
        );
        assert_eq!(lambda("GET", "/2018-10-31/layers").unwrap().0, "ListLayers");
    }

    #[test]
    fn a_label_takes_arns_encoded_or_not() {
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:f:1";
        let encoded = arn.replace(':', "%3A");
        for form in [arn, &encoded] {
            let (operation, labels) = lambda("POST", &format!("/2015-03-31/functions/{form}/invocations")).unwrap();
            assert_eq!((operation.as_str(), labels[0].1.as_str()), ("Invoke", arn));
        }
    }

    #[test]
    fn what_is_not_there_is_told_apart_from_a_wrong_method() {
        assert_eq!(lambda("GET", "/nowhere"), Err(NoMatch::Path));
        assert_eq!(lambda("GET", "/2015-03-31/functions//invocations"), Err(NoMatch::Path));
        assert_eq!(lambda("PATCH", "/2015-03-31/functions"), Err(NoMatch::Method));
    }

    #[test]
    fn a_greedy_label_keeps_its_slashes() {
        let model = r#"{"metadata":{"protocol":"rest-xml"},"shapes":{},"operations":{
            "GetObject":{"http":{"method":"GET","requestUri":"/{Bucket}/{Key+}"}},
            "ListObjects":{"http":{"method":"GET","requestUri":"/{Bucket}"}}}}"#;
        let model = crate::model::Model::parse(model).unwrap();
        let found = model.routes.find("GET", "/b/a%20b/c%2Fd", "").unwrap();
        assert_eq!(found.operation, "GetObject");
        assert_eq!(found.labels[1], ("Key".to_owned(), "a b/c/d".to_owned()));
        assert_eq!(model.routes.find("GET", "/b", "").unwrap().operation, "ListObjects");
    }
}
