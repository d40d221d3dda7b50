//! An OpenAPI document, read from JSON or YAML.

use crate::Error;
use serde_json::Value;

/// Bytes of a document; AWS's limit.
const MAX_BYTES: usize = 6 * 1024 * 1024;
/// How far links may lead from one to another.
const MAX_LINKS: usize = 32;

/// A document of version 2 or 3.
pub(super) struct Document {
    pub root: Value,
    /// Whether it is of version 3.
    pub is_three: bool,
}

fn invalid() -> Error {
    Error::bad("Invalid OpenAPI input.")
}

impl Document {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Error> {
        if body.len() > MAX_BYTES {
            return Err(Error::bad("The OpenAPI document is larger than 6 MB"));
        }
        let text = std::str::from_utf8(body).map_err(|_| invalid())?;
        let root: Value = match serde_json::from_str(text) {
            Ok(root) => root,
            Err(_) => serde_saphyr::from_str(text).map_err(|_| invalid())?,
        };
        let version = |name: &str| {
            root[name]
                .as_str()
                .map(str::to_owned)
                .or_else(|| root[name].as_f64().map(|v| v.to_string()))
        };
        let is_three = version("openapi").is_some_and(|version| version.starts_with('3'));
        if !is_three && !version("swagger").is_some_and(|version| version.starts_with('2')) {
            return Err(invalid());
        }
        Ok(Self { root, is_three })
    }

    /// The value itself, or what its `$ref` leads to inside the document.
    pub(super) fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let mut value = value;
        for _ in 0..MAX_LINKS {
            let target = value["$ref"]
                .as_str()
                .and_then(|link| link.strip_prefix('#'))
                .and_then(|link| self.root.pointer(link));
            match target {
                Some(target) => value = target,
                None => return value,
            }
        }
        value
    }

    pub(super) fn schemas(&self) -> &Value {
        if self.is_three {
            &self.root["components"]["schemas"]
        } else {
            &self.root["definitions"]
        }
    }

    pub(super) fn security(&self) -> &Value {
        if self.is_three {
            &self.root["components"]["securitySchemes"]
        } else {
            &self.root["securityDefinitions"]
        }
    }

    /// The path that stands before all others.
    pub(super) fn base_path(&self) -> String {
        if !self.is_three {
            return self.root["basePath"]
                .as_str()
                .unwrap_or_default()
                .trim_matches('/')
                .to_owned();
        }
        let server = &self.root["servers"][0];
        let variable = &server["variables"]["basePath"]["default"];
        if let Some(path) = variable.as_str() {
            return path.trim_matches('/').to_owned();
        }
        let url = server["url"].as_str().unwrap_or_default();
        let path = match url.split_once("://") {
            Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
            None => url,
        };
        path.trim_matches('/').to_owned()
    }
}
