//! TestEventPattern.

use crate::shapes::{TestEventPatternRequest, TestEventPatternResponse};
use crate::{Error, Events};
use danbi_core::RequestContext;
use danbi_patterns::Event;
use serde_json::Value;
use std::sync::Arc;

/// The members that an event must have.
const NEEDED: [&str; 6] = ["id", "account", "source", "time", "region", "detail-type"];

/// TestEventPattern.
pub(crate) async fn test(
    events: Arc<Events>,
    _context: RequestContext,
    input: TestEventPatternRequest,
) -> Result<TestEventPatternResponse, Error> {
    let event: Value = match serde_json::from_str(&input.event) {
        Ok(event @ Value::Object(_)) => event,
        _ => return Err(Error::validation("Parameter Event is not valid.")),
    };
    if let Some(missing) = NEEDED.iter().find(|name| event.get(**name).is_none()) {
        let message = format!("Parameter Event is not valid. Reason: {missing} is a required argument.");
        return Err(Error::Validation(message));
    }
    let result = events.accepts(&input.event_pattern, &Event::of(&event))?;
    Ok(TestEventPatternResponse { result: Some(result) })
}
