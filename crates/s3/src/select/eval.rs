//! What expressions come to, for one record.

use std::cmp::Ordering;

use time::OffsetDateTime;

use super::ast::*;
use super::error::refused;
use super::functions;
use super::value::Value;
use crate::Result;

/// A record.
#[derive(Clone, Copy)]
pub(super) enum Row<'r> {
    Fields(&'r [String]),
    Json(&'r serde_json::Value),
}

/// What an expression may look at.
#[derive(Clone, Copy)]
pub(super) struct Scope<'r> {
    pub(super) row: Row<'r>,
    /// The aggregates, once all records were seen.
    pub(super) aggregates: &'r [Value],
    pub(super) now: OffsetDateTime,
}

impl Expr {
    /// # Errors
    /// What functions, casts and sums say of values that they cannot take.
    pub(super) fn eval(&self, scope: &Scope<'_>) -> Result<Value> {
        Ok(match self {
            Self::Literal(value) => value.clone(),
            Self::Path(path) => match scope.row {
                Row::Json(record) => at_path(record, path).map_or(Value::Missing, Value::of_json),
                Row::Fields(_) => Value::Missing,
            },
            Self::Column(index) => match scope.row {
                Row::Fields(fields) => fields
                    .get(*index)
                    .map_or(Value::Missing, |field| Value::Text(field.clone())),
                Row::Json(_) => Value::Missing,
            },
            Self::Aggregate(index) => scope.aggregates.get(*index).cloned().unwrap_or(Value::Null),
            Self::Not(of) => known(of.eval(scope)?.truth().map(|is| !is)),
            Self::Negative(of) => arithmetic(Operator::Subtract, Value::Integer(0), of.eval(scope)?)?,
            Self::Binary(operator, left, right) => binary(*operator, left, right, scope)?,
            Self::Is { of, what, not } => {
                let value = of.eval(scope)?;
                let is = match what {
                    Absence::Null => value.is_absent(),
                    Absence::Missing => value == Value::Missing,
                };
                Value::Bool(is != *not)
            }
            Self::Between { of, low, high, not } => {
                let value = of.eval(scope)?;
                let above = compared(Operator::GreaterOrEqual, &value, &low.eval(scope)?);
                let below = compared(Operator::LessOrEqual, &value, &high.eval(scope)?);
                known(and(above, below).map(|is| is != *not))
            }
            Self::In { of, list, not } => {
                let value = of.eval(scope)?;
                let mut found = Some(false);
                for expr in list {
                    match compared(Operator::Equal, &value, &expr.eval(scope)?) {
                        Some(true) => {
                            found = Some(true);
                            break;
                        }
                        None => found = None,
                        Some(false) => {}
                    }
                }
                known(found.map(|is| is != *not))
            }
            Self::Like {
                of,
                pattern,
                escape,
                not,
            } => {
                let escape = escape.as_ref().map(|escape| escape.eval(scope)).transpose()?;
                let matched = functions::like(&of.eval(scope)?, &pattern.eval(scope)?, escape.as_ref())?;
                known(matched.map(|is| is != *not))
            }
            Self::Case { of, arms, otherwise } => {
                let of = of.as_ref().map(|of| of.eval(scope)).transpose()?;
                for (when, then) in arms {
                    let when = when.eval(scope)?;
                    let holds = match &of {
                        Some(of) => compared(Operator::Equal, of, &when),
                        None => when.truth(),
                    };
                    if holds == Some(true) {
                        return then.eval(scope);
                    }
                }
                match otherwise {
                    Some(otherwise) => otherwise.eval(scope)?,
                    None => Value::Null,
                }
            }
            Self::Cast(of, kind) => of.eval(scope)?.cast(*kind)?,
            Self::Call(function, arguments) => functions::call(*function, arguments, scope)?,
        })
    }
}

/// What lies at a path of a JSON value.
pub(super) fn at_path<'j>(mut json: &'j serde_json::Value, path: &[Step]) -> Option<&'j serde_json::Value> {
    for step in path {
        json = match step {
            Step::Key { name, exact } => member(json, name, *exact)?,
            Step::Index(index) => json.get(index)?,
            Step::Each => return None,
        };
    }
    Some(json)
}

/// A member of an object; one written without quotes in any case.
pub(super) fn member<'j>(json: &'j serde_json::Value, name: &str, exact: bool) -> Option<&'j serde_json::Value> {
    let members = json.as_object()?;
    let found = members.get(name);
    if exact || found.is_some() {
        return found;
    }
    members
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

fn known(truth: Option<bool>) -> Value {
    truth.map_or(Value::Null, Value::Bool)
}

fn and(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn binary(operator: Operator, left: &Expr, right: &Expr, scope: &Scope<'_>) -> Result<Value> {
    match operator {
        Operator::And => {
            let left = left.eval(scope)?.truth();
            if left == Some(false) {
                return Ok(Value::Bool(false));
            }
            Ok(known(and(left, right.eval(scope)?.truth())))
        }
        Operator::Or => {
            let left = left.eval(scope)?.truth();
            if left == Some(true) {
                return Ok(Value::Bool(true));
            }
            let right = right.eval(scope)?.truth();
            Ok(known(if right == Some(true) { right } else { left.and(right) }))
        }
        Operator::Concat => {
            let (left, right) = (left.eval(scope)?, right.eval(scope)?);
            if left.is_absent() || right.is_absent() {
                return Ok(Value::Null);
            }
            Ok(Value::Text(left.to_text() + &right.to_text()))
        }
        Operator::Add | Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Modulo => {
            arithmetic(operator, left.eval(scope)?, right.eval(scope)?)
        }
        comparison => Ok(known(compared(comparison, &left.eval(scope)?, &right.eval(scope)?))),
    }
}

/// Whether a comparison holds; nothing when one side is absent, or when the two have no order.
pub(super) fn compared(operator: Operator, left: &Value, right: &Value) -> Option<bool> {
    if left.is_absent() || right.is_absent() {
        return None;
    }
    let order = left.compare(right);
    match operator {
        Operator::Equal => Some(order == Some(Ordering::Equal)),
        Operator::NotEqual => Some(order != Some(Ordering::Equal)),
        Operator::Less => order.map(Ordering::is_lt),
        Operator::LessOrEqual => order.map(Ordering::is_le),
        Operator::Greater => order.map(Ordering::is_gt),
        Operator::GreaterOrEqual => order.map(Ordering::is_ge),
        _ => None,
    }
}

/// # Errors
/// `EvaluatorInvalidArguments` for what is no number, and for a division by zero.
pub(super) fn arithmetic(operator: Operator, left: Value, right: Value) -> Result<Value> {
    let invalid = |message: &str| refused("EvaluatorInvalidArguments", message);
    if left.is_absent() || right.is_absent() {
        return Ok(Value::Null);
    }
    let (Some(left), Some(right)) = (left.number(), right.number()) else {
        return Err(invalid(
            "An arithmetic operator in the SQL expression has an operand that is not a number.",
        ));
    };
    let by_zero = matches!(operator, Operator::Divide | Operator::Modulo) && right.as_float() == Some(0.0);
    if by_zero {
        return Err(invalid("The SQL expression divides by zero."));
    }
    if let (Value::Integer(a), Value::Integer(b)) = (&left, &right) {
        let exact = match operator {
            Operator::Add => a.checked_add(*b),
            Operator::Subtract => a.checked_sub(*b),
            Operator::Multiply => a.checked_mul(*b),
            Operator::Divide => a.checked_div(*b),
            _ => a.checked_rem(*b),
        };
        // What is too large for an integer goes on as a float.
        if let Some(exact) = exact {
            return Ok(Value::Integer(exact));
        }
    }
    let (a, b) = (left.as_float().unwrap_or(0.0), right.as_float().unwrap_or(0.0));
    Ok(Value::Float(match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        _ => a % b,
    }))
}
