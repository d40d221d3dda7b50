//! Every text is an expression of each kind or is refused; what is one can be evaluated.
#![no_main]

use danbi_dynamodb::expression::{Condition, KeyCondition, Parameter, Placeholders, Projection, Update};
use danbi_dynamodb::{AttributeValue, Item};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;

fuzz_target!(|text: &str| {
    let names: BTreeMap<String, String> = [("#a".into(), "a".into())].into();
    let values: Item = [
        (":n".into(), AttributeValue::N(1u64.into())),
        (":s".into(), AttributeValue::S("a".into())),
        (":l".into(), AttributeValue::L(vec![AttributeValue::Null])),
    ]
    .into();
    let item: Item = [
        ("a".into(), AttributeValue::M(values.clone())),
        ("b".into(), AttributeValue::L(vec![AttributeValue::Bool(true)])),
    ]
    .into();
    let Ok(mut placeholders) = Placeholders::new(Some(&names), Some(&values)) else { return };
    if let Ok(condition) = Condition::parse(Parameter::Filter, text, &mut placeholders) {
        condition.holds(&item);
    }
    if let Ok(update) = Update::parse(text, &mut placeholders) {
        let _ = update.apply(&item);
        update.touched().of(&item);
    }
    if let Ok(projection) = Projection::parse(text, &mut placeholders) {
        projection.of(&item);
    }
    let _ = KeyCondition::parse(text, &mut placeholders);
});
