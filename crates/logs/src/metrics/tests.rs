use super::aggregate::{Aggregate, Distribution, EXACT, Statistic};
use super::expression::{Expression, Known, Series, Value};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn value(text: &str) -> Result<Value, String> {
    let one: Series = [(0, 1.0), (60, 2.0), (180, 4.0)].into();
    let other: Series = [(0, 10.0), (60, 0.0), (120, 3.0)].into();
    let series = BTreeMap::from([("a".to_owned(), one), ("b".to_owned(), other)]);
    let metrics = ["a".to_owned(), "b".to_owned()];
    Expression::parse(text)?.value(&Known {
        series: &series,
        metrics: &metrics,
        times: &[0, 60, 120, 180],
    })
}

fn series(pairs: &[(i64, f64)]) -> Value {
    Value::One(pairs.iter().copied().collect())
}

#[test]
fn metric_math() {
    assert_eq!(value("1 + 2 * 3 ^ 2 - (4 / 2)"), Ok(Value::Number(17.0)));
    assert_eq!(value("a * 100"), Ok(series(&[(0, 100.0), (60, 200.0), (180, 400.0)])));
    assert_eq!(value("a / b"), Ok(series(&[(0, 0.1)])));
    assert_eq!(
        value("SUM(METRICS())"),
        Ok(series(&[(0, 11.0), (60, 2.0), (120, 3.0), (180, 4.0)]))
    );
    assert_eq!(
        value("SUM([a, b]) - a"),
        Ok(series(&[(0, 10.0), (60, 0.0), (180, 0.0)]))
    );
    assert_eq!(value("MAX(a)"), Ok(Value::Number(4.0)));
    assert_eq!(
        value("FILL(a, 0)"),
        Ok(series(&[(0, 1.0), (60, 2.0), (120, 0.0), (180, 4.0)]))
    );
    assert_eq!(
        value("FILL(a, LINEAR)"),
        Ok(series(&[(0, 1.0), (60, 2.0), (120, 3.0), (180, 4.0)]))
    );
    assert_eq!(value("-ABS(-2)"), Ok(Value::Number(-2.0)));
    assert!(value("ANOMALY_DETECTION_BAND(a)").unwrap_err().contains("is not built"));
    for wrong in ["", "1 +", "(1", "c", "a b", "FILL(a)", "[1]"] {
        assert!(value(wrong).is_err(), "{wrong}");
    }
    assert!(Expression::parse(&"(".repeat(10_000)).is_err());
    assert!(Expression::parse(&"-".repeat(10_000)).is_err());
    assert!(Expression::parse(&"2^".repeat(10_000)).is_err());
}

#[test]
fn statistic_sets_have_no_percentiles() {
    let mut aggregate = Aggregate::of(1.0, 1.0);
    aggregate.add(&Aggregate::of_set(10.0, 55.0, 1.0, 10.0));
    assert_eq!(aggregate.statistic(&Statistic::Sum), Some(56.0));
    assert_eq!(aggregate.statistic(&Statistic::Percentile(50.0)), None);
    assert_eq!(
        Aggregate::of_set(2.0, 6.0, 3.0, 3.0).statistic(&Statistic::Percentile(99.0)),
        Some(3.0)
    );
}

proptest! {
    #[test]
    fn percentiles_are_as_exact_as_is_said(values in prop::collection::vec(-1e6f64..1e6, 1..600), percent in 0.0f64..100.0) {
        let mut aggregate = Aggregate::default();
        // In two parts, because periods are made of parts.
        let mut half = Aggregate::default();
        for (at, value) in values.iter().enumerate() {
            if at % 2 == 0 { half.record(*value) } else { aggregate.add(&Aggregate::of(*value, 1.0)) }
        }
        aggregate.add(&half);
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = ((percent / 100.0 * values.len() as f64).ceil() as usize).max(1);
        let exact = sorted[rank - 1];
        let found = aggregate.statistic(&Statistic::Percentile(percent)).unwrap();
        let error = if matches!(aggregate.distribution, Distribution::Values(_)) { 0.0 } else { 0.0101 * exact.abs() };
        prop_assert!(matches!(aggregate.distribution, Distribution::Values(_)) == (values.len() <= EXACT) || values.len() <= 2 * EXACT);
        prop_assert!((found - exact).abs() <= error + 1e-9, "{found} instead of {exact}");
        let text = serde_json::to_vec(&aggregate).unwrap();
        let read: Aggregate = serde_json::from_slice(&text).unwrap();
        prop_assert_eq!(read.count, aggregate.count);
    }
}
