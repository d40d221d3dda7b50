//! From a condition as it is written to one that can be asked: the checks, in the service's order.
//!
//! Unknown functions, functions in a wrong place and reserved words are looked for in the whole condition; everything
//! else in one comparison after the other.

use super::compare::order;
use super::condition_parser::RawCondition;
use super::raw::{
    RawCall, RawOperand, misused, needs_path, reserved_word, unknown_function, wrong_number_of_operands,
    wrong_operand_type,
};
use super::{Comparator, Condition, Operand, Path, Placeholders};
use crate::{AttributeType, AttributeValue, ValidationError};

/// The most candidates of `IN`.
const MAX_CANDIDATES: usize = 100;

/// The functions that conditions know.
const FUNCTIONS: [&str; 6] = [
    "attribute_exists",
    "attribute_not_exists",
    "attribute_type",
    "begins_with",
    "contains",
    "size",
];

type Checked = Result<(), ValidationError>;

/// Checks a condition and fills in its placeholders.
pub(super) fn check(raw: &RawCondition<'_>, placeholders: &mut Placeholders<'_>) -> Result<Condition, ValidationError> {
    let known = |name: &str| match name {
        name if FUNCTIONS.contains(&name) => Ok(()),
        "if_not_exists" | "list_append" => Err(ValidationError::new(format!(
            "The function is not allowed in a condition expression; function: {name}"
        ))),
        name => Err(unknown_function(name)),
    };
    each_simple(raw, &mut |simple| {
        own_name(simple).map_or(Ok(()), known)?;
        each_operand(simple, &mut |operand| operand.each_call(&mut |call| known(call.name)))
    })?;
    each_simple(raw, &mut |simple| {
        if own_name(simple) == Some("size") {
            return Err(misused("size"));
        }
        let only_size = |call: &RawCall<'_>| {
            if call.name == "size" {
                Ok(())
            } else {
                Err(misused(call.name))
            }
        };
        each_operand(simple, &mut |operand| operand.each_call(&mut { only_size }))
    })?;
    each_simple(raw, &mut |simple| {
        each_operand(simple, &mut |operand| {
            operand.reserved().map_or(Ok(()), |name| Err(reserved_word(name)))
        })
    })?;
    resolve(raw, placeholders)
}

/// Calls `visit` on the comparisons and functions of a condition, in their order.
fn each_simple<'t>(raw: &RawCondition<'t>, visit: &mut dyn FnMut(&RawCondition<'t>) -> Checked) -> Checked {
    match raw {
        RawCondition::And(conditions) | RawCondition::Or(conditions) => conditions
            .iter()
            .try_for_each(|condition| each_simple(condition, visit)),
        RawCondition::Not(condition) => each_simple(condition, visit),
        simple => visit(simple),
    }
}

/// The name of the function that a condition consists of.
fn own_name<'t>(simple: &RawCondition<'t>) -> Option<&'t str> {
    match simple {
        RawCondition::Call(call) => Some(call.name),
        _ => None,
    }
}

/// Calls `visit` on the operands of a comparison or a function.
fn each_operand<'t>(simple: &RawCondition<'t>, visit: &mut dyn FnMut(&RawOperand<'t>) -> Checked) -> Checked {
    match simple {
        RawCondition::Compare(left, _, right) => [left, right].into_iter().try_for_each(visit),
        RawCondition::Between(operand, low, high) => [operand, low, high].into_iter().try_for_each(visit),
        RawCondition::In(operand, candidates) => std::iter::once(operand).chain(candidates).try_for_each(visit),
        RawCondition::Call(call) => call.arguments.iter().try_for_each(visit),
        RawCondition::And(_) | RawCondition::Or(_) | RawCondition::Not(_) => Ok(()),
    }
}

fn resolve(raw: &RawCondition<'_>, placeholders: &mut Placeholders<'_>) -> Result<Condition, ValidationError> {
    match raw {
        RawCondition::And(conditions) => resolve_all(conditions, placeholders).map(Condition::And),
        RawCondition::Or(conditions) => resolve_all(conditions, placeholders).map(Condition::Or),
        RawCondition::Not(condition) => Ok(Condition::Not(Box::new(resolve(condition, placeholders)?))),
        RawCondition::Compare(left, comparator, right) => {
            let [left, right] = fill_all([left, right], placeholders)?;
            let (left, right) = (left.operand()?, right.operand()?);
            comparison(left, *comparator, right)
        }
        RawCondition::Between(operand, low, high) => {
            let [operand, low, high] = fill_all([operand, low, high], placeholders)?;
            between(operand.operand()?, low.operand()?, high.operand()?)
        }
        RawCondition::In(operand, candidates) => {
            let operand = fill(operand, placeholders)?;
            let filled = candidates.iter().map(|candidate| fill(candidate, placeholders));
            let filled = filled.collect::<Result<Vec<_>, _>>()?;
            if filled.len() > MAX_CANDIDATES {
                let count = filled.len();
                return Err(ValidationError::new(format!(
                    "The IN operator is provided with too many operands; number of operands: {count}"
                )));
            }
            let candidates = filled.into_iter().map(Filled::operand).collect::<Result<_, _>>()?;
            Ok(Condition::In(operand.operand()?, candidates))
        }
        RawCondition::Call(call) => {
            let arguments = call.arguments.iter().map(|argument| fill(argument, placeholders));
            function(call.name, arguments.collect::<Result<_, _>>()?)
        }
    }
}

fn resolve_all(
    raw: &[RawCondition<'_>],
    placeholders: &mut Placeholders<'_>,
) -> Result<Vec<Condition>, ValidationError> {
    raw.iter().map(|condition| resolve(condition, placeholders)).collect()
}

/// An operand without placeholders whose functions are not checked yet.
enum Filled {
    Operand(Operand),
    Size(Vec<Filled>),
}

fn fill(raw: &RawOperand<'_>, placeholders: &mut Placeholders<'_>) -> Result<Filled, ValidationError> {
    Ok(match raw {
        RawOperand::Path(path) => Filled::Operand(Operand::Path(placeholders.path(path)?)),
        RawOperand::Value(name) => Filled::Operand(Operand::Value(placeholders.value(name)?.clone())),
        // No other function got past the check of their places.
        RawOperand::Call(call) => {
            let arguments = call.arguments.iter().map(|argument| fill(argument, placeholders));
            Filled::Size(arguments.collect::<Result<_, _>>()?)
        }
    })
}

fn fill_all<const N: usize>(
    raw: [&RawOperand<'_>; N],
    placeholders: &mut Placeholders<'_>,
) -> Result<[Filled; N], ValidationError> {
    let mut filled = Vec::with_capacity(N);
    for operand in raw {
        filled.push(fill(operand, placeholders)?);
    }
    // There is one for each.
    filled.try_into().map_err(|_| ValidationError::new("Syntax error"))
}

impl Filled {
    fn operand(self) -> Result<Operand, ValidationError> {
        match self {
            Self::Operand(operand) => Ok(operand),
            Self::Size(arguments) => {
                let [operand] = exactly("size", arguments)?;
                let operand = operand.operand()?;
                match operand.fixed_type() {
                    Some(kind @ (AttributeType::N | AttributeType::Bool | AttributeType::Null)) => {
                        Err(wrong_operand_type("size", kind.name()))
                    }
                    _ => Ok(Operand::Size(Box::new(operand))),
                }
            }
        }
    }

    fn path(self, function: &str) -> Result<Path, ValidationError> {
        match self.operand()? {
            Operand::Path(path) => Ok(path),
            _ => Err(needs_path(function)),
        }
    }
}

fn exactly<const N: usize>(function: &str, arguments: Vec<Filled>) -> Result<[Filled; N], ValidationError> {
    arguments
        .try_into()
        .map_err(|arguments: Vec<Filled>| wrong_number_of_operands(function, arguments.len()))
}

fn function(name: &str, arguments: Vec<Filled>) -> Result<Condition, ValidationError> {
    match name {
        "attribute_exists" => {
            let [path] = exactly(name, arguments)?;
            path.path(name).map(Condition::Exists)
        }
        "attribute_not_exists" => {
            let [path] = exactly(name, arguments)?;
            path.path(name).map(Condition::NotExists)
        }
        "attribute_type" => {
            let [operand, kind] = distinct(name, arguments)?;
            Ok(Condition::Type(operand, type_name(&kind)?))
        }
        "begins_with" => {
            let [operand, prefix] = distinct(name, arguments)?;
            for operand in [&operand, &prefix] {
                match operand.fixed_type() {
                    None | Some(AttributeType::S | AttributeType::B) => {}
                    Some(kind) => return Err(wrong_operand_type(name, kind.name())),
                }
            }
            Ok(Condition::BeginsWith(operand, prefix))
        }
        "contains" => {
            let [operand, part] = distinct(name, arguments)?;
            Ok(Condition::Contains(operand, part))
        }
        _ => Err(unknown_function(name)),
    }
}

/// Two operands that are not the same path.
fn distinct(function: &str, arguments: Vec<Filled>) -> Result<[Operand; 2], ValidationError> {
    let [first, second] = exactly(function, arguments)?;
    let (first, second) = (first.operand()?, second.operand()?);
    check_distinct(function, &first, &second)?;
    Ok([first, second])
}

fn check_distinct(operator: &str, first: &Operand, second: &Operand) -> Checked {
    match (first, second) {
        (Operand::Path(first), Operand::Path(second)) if first == second => Err(ValidationError::new(format!(
            "The first operand must be distinct from the remaining operands for this operator or function; \
             operator: {operator}, first operand: {first}"
        ))),
        _ => Ok(()),
    }
}

fn type_name(operand: &Operand) -> Result<AttributeType, ValidationError> {
    match operand {
        Operand::Value(AttributeValue::S(name)) => AttributeType::from_name(name).ok_or_else(|| {
            ValidationError::new(format!(
                "Invalid attribute type name found; type: {name}, valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}"
            ))
        }),
        other => {
            let kind = other
                .fixed_type()
                .map_or("{NS,SS,L,BS,N,M,B,BOOL,NULL,S}", AttributeType::name);
            Err(wrong_operand_type("attribute_type", kind))
        }
    }
}

/// `left <comparator> right`, if both can be compared so.
pub(crate) fn comparison(left: Operand, comparator: Comparator, right: Operand) -> Result<Condition, ValidationError> {
    check_distinct(comparator.symbol(), &left, &right)?;
    if comparator.orders() {
        check_ordered(comparator.symbol(), [&left, &right])?;
    }
    Ok(Condition::Compare(left, comparator, right))
}

/// `operand BETWEEN low AND high`, if they can be compared so.
pub(crate) fn between(operand: Operand, low: Operand, high: Operand) -> Result<Condition, ValidationError> {
    check_ordered("BETWEEN", [&operand, &low, &high])?;
    if let (Operand::Value(low), Operand::Value(high)) = (&low, &high) {
        let refuse = |rule: &str| {
            let (low, high) = (Shown(low), Shown(high));
            Err(ValidationError::new(format!(
                "The BETWEEN operator requires {rule}; lower bound operand: AttributeValue: {low}, \
                 upper bound operand: AttributeValue: {high}"
            )))
        };
        match order(low, high) {
            None => return refuse("same data type for lower and upper bounds"),
            Some(order) if order.is_gt() => {
                return refuse("upper bound to be greater than or equal to lower bound");
            }
            Some(_) => {}
        }
    }
    Ok(Condition::Between { operand, low, high })
}

/// Refuses operands that have no order.
fn check_ordered<const N: usize>(operator: &str, operands: [&Operand; N]) -> Checked {
    for operand in operands {
        match operand.fixed_type() {
            None | Some(AttributeType::S | AttributeType::N | AttributeType::B) => {}
            Some(kind) => return Err(wrong_operand_type(operator, kind.name())),
        }
    }
    Ok(())
}

/// A value as messages show it: `{N:1}`.
struct Shown<'v>(&'v AttributeValue);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = self.0.kind().name();
        match self.0 {
            AttributeValue::S(text) => write!(f, "{{{kind}:{text}}}"),
            AttributeValue::N(number) => write!(f, "{{{kind}:{number}}}"),
            AttributeValue::B(bytes) => {
                let engine = &base64::engine::general_purpose::STANDARD;
                write!(f, "{{{kind}:{}}}", base64::display::Base64Display::new(bytes, engine))
            }
            _ => write!(f, "{{{kind}}}"),
        }
    }
}
