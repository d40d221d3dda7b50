//! DynamoDB's number: an exact decimal of up to 38 significant digits.
//!
//! Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>
//! and, for what arithmetic refuses, the service's own answers.

use crate::ValidationError;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// The most significant digits of a number.
pub const MAX_DIGITS: u32 = 38;
/// The decimal exponent of the leading digit of the largest numbers, 9.99…E+125.
const MAX_MAGNITUDE: i64 = 125;
/// The decimal exponent of the leading digit of the smallest numbers, 1E-130.
const MIN_MAGNITUDE: i64 = -130;
/// The longest [`Number::encode_ordered`], in bytes.
pub const MAX_ENCODED_BYTES: usize = 22;

const NEGATIVE: u8 = 0x01;
const ZERO: u8 = 0x02;
const POSITIVE: u8 = 0x03;
/// Ends the digits of an ordered encoding; every pair of digits is stored one higher.
const END: u8 = 0x00;

/// An exact decimal, `±coefficient × 10^exponent`, in 24 bytes and without an allocation.
///
/// There is one representation of each value (no trailing zeros in the coefficient, no negative zero), so equality and
/// hash are those of the value, and text comes out as DynamoDB prints it: without exponent, sign `+`, leading or
/// trailing zeros.
///
/// ```
/// use danbi_dynamodb::Number;
/// let number: Number = "01.50e2".parse()?;
/// assert_eq!(number.to_string(), "150");
/// assert_eq!(number, "150".parse()?);
/// # Ok::<(), danbi_dynamodb::ValidationError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number {
    /// The coefficient, below 10^38, in two halves: a `u128` would align every value of an item to 16 bytes.
    high: u64,
    low: u64,
    exponent: i16,
    negative: bool,
}

/// `10^power`, for powers up to 38.
const fn ten_to(power: u32) -> u128 {
    10u128.pow(power)
}

/// How many decimal digits a coefficient has; none for zero.
fn digits_of(coefficient: u128) -> u32 {
    coefficient.checked_ilog10().map_or(0, |log| log + 1)
}

impl Number {
    /// Zero.
    pub const ZERO: Self = Self {
        high: 0,
        low: 0,
        exponent: 0,
        negative: false,
    };

    /// `±coefficient × 10^exponent`, if that is a number; `too_many_digits` refuses more than 38 of them.
    fn new(
        negative: bool,
        mut coefficient: u128,
        mut exponent: i64,
        too_many_digits: fn() -> ValidationError,
    ) -> Result<Self, ValidationError> {
        if coefficient == 0 {
            return Ok(Self::ZERO);
        }
        while coefficient.is_multiple_of(10) {
            coefficient /= 10;
            exponent += 1;
        }
        let digits = digits_of(coefficient);
        let magnitude = exponent + i64::from(digits) - 1;
        if magnitude > MAX_MAGNITUDE {
            return Err(overflow());
        }
        if magnitude < MIN_MAGNITUDE {
            return Err(underflow());
        }
        if digits > MAX_DIGITS {
            return Err(too_many_digits());
        }
        Ok(Self {
            high: (coefficient >> 64) as u64,
            low: coefficient as u64,
            // Between -167 and 125: magnitude and digits were just bounded.
            exponent: exponent as i16,
            negative,
        })
    }

    fn coefficient(&self) -> u128 {
        u128::from(self.high) << 64 | u128::from(self.low)
    }

    /// Whether this is zero.
    pub fn is_zero(&self) -> bool {
        self.high == 0 && self.low == 0
    }

    /// Whether this is less than zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// The decimal exponent of the leading digit. Zero has none.
    fn magnitude(&self) -> i32 {
        i32::from(self.exponent) + digits_of(self.coefficient()) as i32 - 1
    }

    /// The exact sum.
    ///
    /// # Errors
    /// DynamoDB's message when the sum is too large or too small, or has more than 38 significant digits, which it calls
    /// too large as well.
    pub fn checked_add(self, other: Self) -> Result<Self, ValidationError> {
        if self.is_zero() {
            return Ok(other);
        }
        if other.is_zero() {
            return Ok(self);
        }
        let (high, low) = if self.exponent >= other.exponent {
            (self, other)
        } else {
            (other, self)
        };
        // Aligned to the lower exponent, whose last digit is not zero, the result has as many digits as the higher
        // operand then has: more than fit 128 bits are also more than 38.
        let shift = (i32::from(high.exponent) - i32::from(low.exponent)) as u32;
        let aligned = (shift <= MAX_DIGITS)
            .then(|| high.coefficient().checked_mul(ten_to(shift)))
            .flatten()
            .ok_or_else(overflow)?;
        let (negative, coefficient) = if high.negative == low.negative {
            (
                high.negative,
                aligned.checked_add(low.coefficient()).ok_or_else(overflow)?,
            )
        } else if aligned >= low.coefficient() {
            (high.negative, aligned - low.coefficient())
        } else {
            (low.negative, low.coefficient() - aligned)
        };
        Self::new(negative, coefficient, i64::from(low.exponent), overflow)
    }

    /// The exact difference.
    ///
    /// # Errors
    /// As [`Number::checked_add`].
    pub fn checked_sub(self, other: Self) -> Result<Self, ValidationError> {
        self.checked_add(-other)
    }

    /// The bytes that DynamoDB counts for this number: one for each pair of decimal digits, aligned at the point,
    /// between the first and the last that are not zero, one for the exponent, one for a minus sign; at most 21.
    pub fn size(&self) -> usize {
        if self.is_zero() {
            return 1;
        }
        let first = self.magnitude().div_euclid(2);
        let last = i32::from(self.exponent).div_euclid(2);
        // The first pair is never below the last.
        let pairs = (first - last + 1) as usize;
        (pairs + 1 + usize::from(self.negative)).min(21)
    }

    /// Appends bytes whose order is the order of the numbers. They say themselves where they end, and none is a prefix
    /// of another: sign, magnitude in one byte, pairs of digits, a zero; all but the sign inverted when negative.
    /// At most [`MAX_ENCODED_BYTES`].
    pub fn encode_ordered(&self, out: &mut Vec<u8>) {
        if self.is_zero() {
            return out.push(ZERO);
        }
        let mask = if self.negative { 0xff } else { 0 };
        out.push(if self.negative { NEGATIVE } else { POSITIVE });
        // The magnitude is in -130..=125, so this is a byte.
        out.push((i64::from(self.magnitude()) - MIN_MAGNITUDE) as u8 ^ mask);
        let mut rest = self.coefficient() * ten_to(MAX_DIGITS - digits_of(self.coefficient()));
        let mut unit = ten_to(MAX_DIGITS - 2);
        while rest != 0 {
            out.push(((rest / unit) as u8 + 1) ^ mask);
            rest %= unit;
            unit = (unit / 100).max(1);
        }
        out.push(END ^ mask);
    }

    /// Takes a number off the front of `bytes`, which [`Number::encode_ordered`] made, and says what is behind it.
    /// `None` for bytes that it does not make.
    pub fn decode_ordered(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (sign, bytes) = bytes.split_first()?;
        let mask = match *sign {
            ZERO => return Some((Self::ZERO, bytes)),
            POSITIVE => 0,
            NEGATIVE => 0xff,
            _ => return None,
        };
        let (magnitude, mut bytes) = bytes.split_first()?;
        let magnitude = i64::from(magnitude ^ mask) + MIN_MAGNITUDE;
        let mut coefficient = 0u128;
        let mut digits = 0;
        loop {
            let (byte, rest) = bytes.split_first()?;
            bytes = rest;
            match byte ^ mask {
                END => break,
                pair @ 1..=100 if digits < MAX_DIGITS => {
                    coefficient = coefficient * 100 + u128::from(pair - 1);
                    digits += 2;
                }
                _ => return None,
            }
        }
        // The leading digit is not zero, or the magnitude would be another.
        if digits == 0 || coefficient < ten_to(digits - 1) {
            return None;
        }
        let number = Self::new(mask != 0, coefficient, magnitude - i64::from(digits) + 1, imprecise).ok()?;
        Some((number, bytes))
    }
}

fn overflow() -> ValidationError {
    ValidationError::new("Number overflow. Attempting to store a number with magnitude larger than supported range")
}

fn underflow() -> ValidationError {
    ValidationError::new("Number underflow. Attempting to store a number with magnitude smaller than supported range")
}

fn imprecise() -> ValidationError {
    ValidationError::new("Attempting to store more than 38 significant digits in a Number")
}

fn not_numeric(text: &str) -> ValidationError {
    const NOT_NUMERIC: &str = "The parameter cannot be converted to a numeric value";
    if text.is_empty() {
        return ValidationError::new(NOT_NUMERIC);
    }
    ValidationError::new(format!("{NOT_NUMERIC}: {text}"))
}

impl FromStr for Number {
    type Err = ValidationError;

    /// Reads an optional sign, digits with at most one point, and an optional exponent.
    fn from_str(text: &str) -> Result<Self, ValidationError> {
        Decimal::parse(text).ok_or_else(|| not_numeric(text))?.number()
    }
}

/// The text of a number, read and not yet judged.
#[derive(Default)]
struct Decimal {
    negative: bool,
    /// The first significant digits, as many as fit.
    coefficient: u128,
    /// Significant digits, trailing zeros left out.
    digits: u64,
    /// The decimal exponent of the leading digit.
    magnitude: i64,
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let e = unsigned.iter().position(|byte| matches!(byte, b'e' | b'E'));
        let (mantissa, exponent) = match e {
            Some(at) => (&unsigned[..at], exponent(&unsigned[at + 1..])?),
            None => (unsigned, 0),
        };
        let mut decimal = Self {
            negative,
            ..Self::default()
        };
        let (mut seen, mut before_point, mut point) = (0i64, 0i64, false);
        let (mut leading, mut zeros) = (0i64, 0u64);
        for byte in mantissa {
            match byte {
                b'.' if !point => {
                    point = true;
                    continue;
                }
                b'0' if decimal.digits == 0 => leading += 1,
                b'0' => zeros += 1,
                b'1'..=b'9' => {
                    decimal.push(zeros, byte - b'0');
                    zeros = 0;
                }
                _ => return None,
            }
            seen += 1;
            if !point {
                before_point += 1;
            }
        }
        decimal.magnitude = (before_point - 1 - leading).saturating_add(exponent);
        (seen > 0).then_some(decimal)
    }

    /// Appends `zeros` zeros and a digit that is not one.
    fn push(&mut self, zeros: u64, digit: u8) {
        self.digits += zeros + 1;
        if self.digits <= u64::from(MAX_DIGITS) {
            // The sum of both is at most 38.
            self.coefficient = self.coefficient * ten_to(zeros as u32 + 1) + u128::from(digit);
        }
    }

    fn number(self) -> Result<Number, ValidationError> {
        if self.digits == 0 {
            return Ok(Number::ZERO);
        }
        if self.magnitude > MAX_MAGNITUDE {
            return Err(overflow());
        }
        if self.magnitude < MIN_MAGNITUDE {
            return Err(underflow());
        }
        if self.digits > u64::from(MAX_DIGITS) {
            return Err(imprecise());
        }
        Number::new(
            self.negative,
            self.coefficient,
            self.magnitude - self.digits as i64 + 1,
            imprecise,
        )
    }
}

/// The exponent behind the `e`, saturating far outside what any number has.
fn exponent(text: &[u8]) -> Option<i64> {
    const FAR: i64 = i64::MAX / 4;
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0i64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value
            .saturating_mul(10)
            .saturating_add(i64::from(digit - b'0'))
            .min(FAR);
    }
    Some(if negative { -value } else { value })
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 38 digits, and at most 130 places on either side of the point.
        let mut buffer = [b'0'; 176];
        let mut digits = [0u8; 39];
        let mut at = digits.len();
        let mut rest = self.coefficient();
        while rest != 0 || at == digits.len() {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        let digits = &digits[at..];
        let exponent = isize::from(self.exponent);
        let length = digits.len() as isize;
        let end = if exponent >= 0 {
            buffer[..digits.len()].copy_from_slice(digits);
            (length + exponent) as usize
        } else if length + exponent > 0 {
            let point = (length + exponent) as usize;
            buffer[..point].copy_from_slice(&digits[..point]);
            buffer[point] = b'.';
            buffer[point + 1..=digits.len()].copy_from_slice(&digits[point..]);
            digits.len() + 1
        } else {
            let zeros = (-exponent - length) as usize;
            buffer[1] = b'.';
            buffer[2 + zeros..2 + zeros + digits.len()].copy_from_slice(digits);
            2 + zeros + digits.len()
        };
        // Digits and a point.
        let text = std::str::from_utf8(&buffer[..end]).map_err(|_| fmt::Error)?;
        f.pad_integral(!self.negative, "", text)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::ops::Neg for Number {
    type Output = Self;
    fn neg(self) -> Self {
        Self {
            negative: !self.negative && !self.is_zero(),
            ..self
        }
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        // At most 19 digits.
        Self::new(value < 0, u128::from(value.unsigned_abs()), 0, imprecise).unwrap_or(Self::ZERO)
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        // At most 20 digits.
        Self::new(false, u128::from(value), 0, imprecise).unwrap_or(Self::ZERO)
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| i8::from(!number.is_zero()) * if number.negative { -1 } else { 1 };
        sign(self).cmp(&sign(other)).then_with(|| {
            let order = self.cmp_absolute(other);
            if self.negative { order.reverse() } else { order }
        })
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Number {
    fn cmp_absolute(&self, other: &Self) -> Ordering {
        if self.exponent == other.exponent {
            return self.coefficient().cmp(&other.coefficient());
        }
        let left_justified = |number: &Self| {
            let coefficient = number.coefficient();
            coefficient * ten_to(MAX_DIGITS - digits_of(coefficient))
        };
        self.magnitude()
            .cmp(&other.magnitude())
            .then_with(|| left_justified(self).cmp(&left_justified(other)))
    }
}

#[cfg(test)]
mod tests;
