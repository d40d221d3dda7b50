//! A service model: operations, shapes and constraints, as AWS publishes them.

/// A model that is parsed when it is first used.
pub struct LazyModel {
    name: &'static str,
    #[expect(dead_code)]
    json: &'static str,
}

impl LazyModel {
    /// A model in botocore's JSON format under the name by which credential scopes know the service.
    pub const fn new(name: &'static str, json: &'static str) -> Self {
        Self { name, json }
    }

    /// The name in credential scopes and ARNs, such as `lambda`.
    pub fn name(&self) -> &'static str {
        self.name
    }
}
