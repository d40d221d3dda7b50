//! One statement: whom, what and on what, under which conditions.

use super::condition::Condition;
use super::pattern::Pattern;
use super::principal::{self, Entry, Naming};
use super::request::Request;

/// What a statement does when it applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// An element and its `Not…` twin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element<T> {
    pub(super) negated: bool,
    pub(super) entries: Vec<T>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) effect: Effect,
    /// Only in resource-based policies.
    pub(super) principal: Option<Element<Entry>>,
    pub(super) action: Element<Pattern>,
    /// Left out only where the policy's own resource is meant.
    pub(super) resource: Option<Element<Pattern>>,
    pub(super) conditions: Vec<Condition>,
}

impl Statement {
    /// Whether everything but the principal fits.
    pub(super) fn fits(&self, request: &Request<'_>) -> bool {
        let action = |pattern: &Pattern| pattern.matches_ignoring_case(request.action, request.context);
        let resource = |pattern: &Pattern| pattern.matches_arn(request.resource, request.context);
        let fits_resource = self
            .resource
            .as_ref()
            .is_none_or(|element| element.entries.iter().any(resource) != element.negated);
        self.action.entries.iter().any(action) != self.action.negated
            && fits_resource
            && self.conditions.iter().all(|condition| condition.holds(request))
    }

    /// How the statement of a resource-based policy names the asker; `None` when it does not.
    pub(super) fn naming(&self, request: &Request<'_>) -> Option<Naming> {
        let element = self.principal.as_ref()?;
        let named = principal::naming(&element.entries, request.principal);
        if element.negated {
            return named.is_none().then_some(Naming::Itself);
        }
        // A deny for the account is a deny for everyone in it.
        named
    }
}
