//! Integrations that answer by themselves: the request template says with which status.

use super::failure::Failure;
use super::integrate::{Answer, Asked};

/// The answer for a request template that made `{"statusCode": 200}`, with or without its quotes.
pub(super) fn answer(asked: &Asked) -> Result<Answer, Failure> {
    let text = String::from_utf8_lossy(&asked.body);
    let status = status(&text).ok_or_else(|| {
        Failure::configuration(
            "Execution failed due to configuration error: Unable to parse statusCode. It should be an integer and defined in request template.",
        )
    })?;
    Ok(Answer {
        status,
        headers: Vec::new(),
        // What the request template made says no more than the status.
        body: bytes::Bytes::new(),
        selector: status.to_string(),
    })
}

fn status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("statusCode")?;
    let rest = rest
        .trim_start_matches(['"', '\'', ' ', '\t', '\r', '\n'])
        .strip_prefix(':')?;
    let rest = rest.trim_start_matches(['"', '\'', ' ', '\t', '\r', '\n']);
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok().filter(|status| (100..600).contains(status))
}

#[cfg(test)]
mod tests {
    #[test]
    fn statuses_are_read_as_people_write_them() {
        assert_eq!(super::status(r#"{"statusCode": 200}"#), Some(200));
        assert_eq!(super::status("{statusCode: 201}"), Some(201));
        assert_eq!(super::status("{\n 'statusCode' : \"404\", x: 1}"), Some(404));
        assert_eq!(super::status("{}"), None);
        assert_eq!(super::status("{statusCode: 20}"), None);
    }
}
