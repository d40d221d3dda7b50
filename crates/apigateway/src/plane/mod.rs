//! The data plane: from a request at a stage to its answer.
//!
//! [`serve`] takes a request through routing, authorization, API keys, throttling, validation, the integration and the
//! response; each of those is a file here. What is refused or fails on the way is a [`failure::Failure`], answered with
//! the API's gateway responses.

mod authorize;
mod aws;
mod binary;
mod call;
mod compiled;
mod compression;
mod domain;
mod event;
mod failure;
mod functions;
mod http;
mod integrate;
mod journal;
mod logs;
mod mapping;
mod mock;
mod outbound;
mod plans;
mod policies;
mod proxy_answer;
mod routes;
mod serve;
mod throttle;
mod tokens;
mod trial;
mod validate;

pub use policies::ApiPolicies;
pub use serve::{DomainVisit, Visit};

pub(crate) use authorize::Grants;
pub(crate) use compiled::{Cache, Compiled, selection};
pub(crate) use outbound::Outbound;
pub(crate) use throttle::Throttle;
pub(crate) use tokens::Tokens;
pub(crate) use trial::{Trial, try_authorizer, try_method};

use std::collections::BTreeMap;
use std::time::Duration;

/// How long an authorizer function may take; AWS's limit.
const AUTHORIZER_TIMEOUT: Duration = Duration::from_secs(30);

/// Puts stage variables (`${stageVariables.name}`) into a text; one that is not set is empty.
pub(crate) fn substituted(text: &str, variables: Option<&BTreeMap<String, String>>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${stageVariables.") {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            return out;
        };
        out.push_str(
            variables
                .and_then(|variables| variables.get(name))
                .map_or("", String::as_str),
        );
        rest = after;
    }
    out + rest
}
