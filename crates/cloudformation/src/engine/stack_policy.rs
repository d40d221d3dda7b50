//! Stack policies: what updates may touch. Source: CloudFormation's "Prevent updates to stack resources".

use super::Run;
use crate::records::Resource;
use serde_json::Value;

/// Longest policy in bytes, as the model has it.
const MAX_BYTES: usize = 16_384;

/// Whether text is a stack policy.
pub(crate) fn check(text: &str) -> Result<(), String> {
    let refuse = |what: &str| Err(format!("Error validating stack policy: {what}"));
    if text.is_empty() || text.len() > MAX_BYTES {
        return refuse("Invalid stack policy");
    }
    let Ok(policy) = serde_json::from_str::<Value>(text) else {
        return refuse("Invalid stack policy");
    };
    let statements = match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.clone(),
        Some(one @ Value::Object(_)) => vec![one.clone()],
        _ => return refuse("Invalid stack policy"),
    };
    for statement in &statements {
        if !matches!(statement.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny")) {
            return refuse("Invalid stack policy");
        }
        let actions = list(statement.get("Action").or_else(|| statement.get("NotAction")));
        if actions.is_empty() || actions.iter().any(|action| !action.starts_with("Update:")) {
            return refuse("Invalid stack policy");
        }
        if !list(statement.get("Principal")).iter().any(|one| one == "*")
            && statement.get("Principal").and_then(|one| one.get("AWS")).is_none()
        {
            return refuse("Invalid stack policy");
        }
    }
    Ok(())
}

fn list(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => items
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

/// `*` and `?` in `pattern` stand for any text and any character.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == b'?' || pattern[p] == text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((at, from)) = star {
            (p, t) = (at + 1, from + 1);
            star = Some((at, from + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Whether `policy` lets `action` be done to the resource; with a policy, what no statement allows is denied.
fn decide(policy: &str, action: &str, logical_id: &str, kind: &str) -> Result<(), String> {
    let policy: Value = serde_json::from_str(policy).unwrap_or(Value::Null);
    let statements = match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    let target = format!("LogicalResourceId/{logical_id}");
    let mut allowed = false;
    for (number, statement) in statements.iter().enumerate() {
        let any = |key: &str, text: &str| list(statement.get(key)).iter().any(|pattern| matches(pattern, text));
        let acts = if statement.get("NotAction").is_some() {
            !any("NotAction", action)
        } else {
            any("Action", action)
        };
        let aims = if statement.get("NotResource").is_some() {
            !any("NotResource", &target)
        } else {
            statement.get("Resource").is_none() || any("Resource", &target)
        };
        let conditions = statement.get("Condition").and_then(Value::as_object);
        let fits = conditions.into_iter().flatten().all(|(operator, test)| {
            let wanted = list(test.get("ResourceType"));
            match operator.as_str() {
                "StringEquals" => wanted.iter().any(|one| one == kind),
                "StringLike" => wanted.iter().any(|one| matches(one, kind)),
                "StringNotEquals" => wanted.iter().all(|one| one != kind),
                "StringNotLike" => wanted.iter().all(|one| !matches(one, kind)),
                _ => false,
            }
        });
        if !(acts && aims && fits) {
            continue;
        }
        match statement.get("Effect").and_then(Value::as_str) {
            Some("Deny") => {
                return Err(format!(
                    "Action denied by stack policy: Statement [#{}] does not allow [{action}] for resource [{target}]",
                    number + 1
                ));
            }
            _ => allowed = true,
        }
    }
    if allowed {
        return Ok(());
    }
    Err(format!(
        "Action not allowed by stack policy: no statement allows [{action}] for resource [{target}]"
    ))
}

/// Whether the stack's policy lets an update do `action` to a resource.
pub(super) fn allows(run: &Run, action: &str, record: &Resource) -> Result<(), String> {
    match run.operation.policy.as_ref().or(run.stack.policy.as_ref()) {
        Some(policy) => decide(policy, action, &record.logical_id, &record.kind),
        None => Ok(()),
    }
}

/// Which updates of a resource the policy of a stack refuses, for change sets.
pub(crate) fn refuses(policy: &str, action: &str, logical_id: &str, kind: &str) -> bool {
    decide(policy, action, logical_id, kind).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deny_wins_and_silence_denies() {
        let policy = r#"{"Statement": [
            {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "Update:Replace", "Principal": "*", "Resource": "LogicalResourceId/Prod*"}]}"#;
        assert_eq!(check(policy), Ok(()));
        assert!(decide(policy, "Update:Modify", "ProdDb", "x").is_ok());
        assert!(decide(policy, "Update:Replace", "ProdDb", "x").is_err());
        assert!(decide(r#"{"Statement": []}"#, "Update:Modify", "A", "x").is_err());
        assert!(check("{").is_err());
        assert!(check(r#"{"Statement": [{"Effect": "Maybe", "Action": "Update:*", "Principal": "*"}]}"#).is_err());
    }
}
