use super::*;
use proptest::prelude::*;

fn number(text: &str) -> Number {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> String {
    match text.parse::<Number>() {
        Ok(number) => panic!("{text} became {number}"),
        Err(error) => error.message().to_owned(),
    }
}

#[test]
fn prints_the_one_text_of_each_value() {
    for (text, canonical) in [
        ("0", "0"),
        ("-0.0", "0"),
        ("0e500", "0"),
        ("+3", "3"),
        ("007", "7"),
        ("1.10", "1.1"),
        ("100.000", "100"),
        ("1e3", "1000"),
        ("-3E+2", "-300"),
        ("123e-2", "1.23"),
        (".5", "0.5"),
        ("-.5", "-0.5"),
        ("5.", "5"),
        ("1e-20", "0.00000000000000000001"),
        ("9.9e10", "99000000000"),
        ("-273.15", "-273.15"),
        ("0.001", "0.001"),
    ] {
        assert_eq!(number(text).to_string(), canonical, "{text}");
    }
    assert_eq!(number("1e125").to_string(), format!("1{}", "0".repeat(125)));
    assert_eq!(number("-1e-130").to_string(), format!("-0.{}1", "0".repeat(129)));
    let most = "9".repeat(38);
    assert_eq!(
        number(&format!("{most}e88")).to_string(),
        format!("{most}{}", "0".repeat(88))
    );
    assert_eq!(
        number(&format!("{most}e-167")).to_string(),
        format!("0.{}{most}", "0".repeat(129))
    );
}

#[test]
fn refuses_what_is_no_number() {
    for text in [
        "NaN", "Infinity", "-NaN", "dog", " 1", "1 ", "-", "+", ".", "e5", "1e", "1e+", "1..2", "1.2.3", "--1", "0x1",
        "1e1.5", "١",
    ] {
        assert_eq!(
            refused(text),
            format!("The parameter cannot be converted to a numeric value: {text}")
        );
    }
    assert_eq!(refused(""), "The parameter cannot be converted to a numeric value");
}

#[test]
fn keeps_to_the_bounds() {
    for text in ["1e126", "-11e125", "1.0e100000000", "1e99999999999999999999999999"] {
        assert!(refused(text).starts_with("Number overflow."), "{text}");
    }
    for text in ["1e-131", "-0.9e-130", "1e-99999999999999999999999999"] {
        assert!(refused(text).starts_with("Number underflow."), "{text}");
    }
    assert!(refused(&"1".repeat(39)).contains("more than 38 significant digits"));
    assert_eq!(number(&format!("0.{}1e100", "0".repeat(100))), number("0.1"));
}

#[test]
fn arithmetic_is_exact_or_refused() {
    let add = |a: &str, b: &str| number(a).checked_add(number(b)).map(|sum| sum.to_string());
    assert_eq!(add("1", "10000000000000000000000").unwrap(), "10000000000000000000001");
    assert_eq!(add("1e38", "-1").unwrap(), "9".repeat(38));
    assert_eq!(add("0.1", "0.2").unwrap(), "0.3");
    assert!(add("1e50", "1").is_err());
    assert!(add("9e38", "-1").is_err());
    assert!(
        add("9e125", "9e125")
            .unwrap_err()
            .message()
            .starts_with("Number overflow.")
    );
    assert!(
        add("1.1e-130", "-1e-130")
            .unwrap_err()
            .message()
            .starts_with("Number underflow.")
    );
    assert_eq!(number("5").checked_sub(number("5")).unwrap(), Number::ZERO);
}

#[test]
fn counts_pairs_of_digits() {
    for (text, size) in [
        ("0", 1),
        ("1", 2),
        ("12", 2),
        ("123", 3),
        ("100", 2),
        ("10", 2),
        ("-1", 3),
        ("1.5", 3),
        ("0.01", 2),
        ("0.001", 2),
        ("10.1", 3),
        ("101", 3),
        ("1e125", 2),
        ("-1e-130", 3),
    ] {
        assert_eq!(number(text).size(), size, "{text}");
    }
    assert_eq!(number(&format!("-1.{}1", "1".repeat(36))).size(), 21);
}

/// A wide decimal as a scaled integer of many limbs would be too much: both sides as digit strings, added by hand.
mod oracle {
    /// `sign` and digits, most significant first, of the value times 10^170.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Wide(pub bool, pub Vec<u8>);

    const PLACES: usize = 170;
    const WIDTH: usize = 310;

    pub fn wide(text: &str) -> Wide {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole}{fraction:0<PLACES$}");
        let digits = format!("{digits:0>WIDTH$}");
        Wide(negative, digits.bytes().map(|digit| digit - b'0').collect())
    }

    pub fn add(a: &Wide, b: &Wide) -> Wide {
        if a.0 == b.0 {
            let (mut out, mut carry) = (vec![0; WIDTH], 0);
            for at in (0..WIDTH).rev() {
                let sum = a.1[at] + b.1[at] + carry;
                (out[at], carry) = (sum % 10, sum / 10);
            }
            return Wide(a.0, out);
        }
        let (large, small) = if a.1 >= b.1 { (a, b) } else { (b, a) };
        let (mut out, mut borrow) = (vec![0; WIDTH], 0);
        for at in (0..WIDTH).rev() {
            let difference = large.1[at] as i8 - small.1[at] as i8 - borrow;
            borrow = i8::from(difference < 0);
            out[at] = (difference + 10 * borrow) as u8;
        }
        let zero = out.iter().all(|digit| *digit == 0);
        Wide(large.0 && !zero, out)
    }

    /// Whether it is one of DynamoDB's numbers.
    pub fn fits(value: &Wide) -> bool {
        let Some(first) = value.1.iter().position(|digit| *digit != 0) else {
            return true;
        };
        let last = value.1.iter().rposition(|digit| *digit != 0).unwrap_or(first);
        let magnitude = (WIDTH - PLACES) as i64 - 1 - first as i64;
        last - first < 38 && (-130..=125).contains(&magnitude)
    }

    pub fn cmp(a: &Wide, b: &Wide) -> std::cmp::Ordering {
        match (a.0, b.0) {
            (false, false) => a.1.cmp(&b.1),
            (true, true) => b.1.cmp(&a.1),
            (a, b) => b.cmp(&a),
        }
    }
}

/// Numbers of all sizes, often close to one another.
fn any_number() -> impl Strategy<Value = Number> {
    let coefficient = prop_oneof![0u128..1000, 0..10u128.pow(20), 0..10u128.pow(38)];
    let exponent = prop_oneof![-3i64..3, -40i64..40, -167i64..126];
    (any::<bool>(), coefficient, exponent).prop_filter_map("in range", |(negative, coefficient, exponent)| {
        Number::new(negative, coefficient, exponent, imprecise).ok()
    })
}

proptest! {
    #[test]
    fn text_round_trips(number in any_number()) {
        prop_assert_eq!(number.to_string().parse::<Number>().unwrap(), number);
    }

    #[test]
    fn parsing_never_panics(text in "[-+]?[0-9.eE+-]{0,60}|.{0,20}") {
        if let Ok(number) = text.parse::<Number>() {
            prop_assert_eq!(number.to_string().parse::<Number>().unwrap(), number);
        }
    }

    #[test]
    fn arithmetic_and_order_agree_with_long_hand(a in any_number(), b in any_number()) {
        let (wide_a, wide_b) = (oracle::wide(&a.to_string()), oracle::wide(&b.to_string()));
        let sum = oracle::add(&wide_a, &wide_b);
        match a.checked_add(b) {
            Ok(number) => prop_assert_eq!(oracle::wide(&number.to_string()), sum),
            Err(_) => prop_assert!(!oracle::fits(&sum)),
        }
        prop_assert_eq!(a.cmp(&b), oracle::cmp(&wide_a, &wide_b));
    }

    #[test]
    fn encoding_orders_and_round_trips(a in any_number(), b in any_number(), tail in any::<[u8; 3]>()) {
        let encode = |number: Number| {
            let mut out = Vec::new();
            number.encode_ordered(&mut out);
            out
        };
        let (mut bytes_a, bytes_b) = (encode(a), encode(b));
        prop_assert!(bytes_a.len() <= MAX_ENCODED_BYTES);
        prop_assert_eq!(bytes_a.cmp(&bytes_b), a.cmp(&b));
        bytes_a.extend(tail);
        prop_assert_eq!(Number::decode_ordered(&bytes_a), Some((a, &tail[..])));
    }

    #[test]
    fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = Number::decode_ordered(&bytes);
    }
}
