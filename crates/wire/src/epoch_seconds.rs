use danbi_core::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time that is a number of seconds in JSON, with a fraction when there is one, as awsJson has it.
///
/// For shapes that serde writes without the model's help. In every format that is not text it is the number of
/// milliseconds, as [`Timestamp`] is everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EpochSeconds(pub Timestamp);

impl From<Timestamp> for EpochSeconds {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl From<EpochSeconds> for Timestamp {
    fn from(at: EpochSeconds) -> Self {
        at.0
    }
}

impl Serialize for EpochSeconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = self.0.as_millis();
        if !serializer.is_human_readable() {
            return serializer.serialize_i64(millis);
        }
        if millis % 1000 == 0 {
            return serializer.serialize_i64(millis / 1000);
        }
        // Milliseconds of our times need 42 bits, so the quotient's shortest form has three digits of fraction.
        serializer.serialize_f64(millis as f64 / 1000.0)
    }
}

impl<'de> Deserialize<'de> for EpochSeconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(|millis| Self(Timestamp::from_millis(millis)));
        }
        let seconds = f64::deserialize(deserializer)?;
        let millis = crate::protocol::seconds_to_millis(seconds);
        let millis = millis.ok_or_else(|| serde::de::Error::custom("a time out of range"))?;
        Ok(Self(Timestamp::from_millis(millis)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_seconds_and_the_tree_milliseconds() {
        for (millis, text) in [
            (1_700_000_000_000, "1700000000"),
            (1_700_000_000_120, "1700000000.12"),
            (-500, "-0.5"),
        ] {
            let at = EpochSeconds(Timestamp::from_millis(millis));
            assert_eq!(serde_json::to_string(&at).unwrap(), text);
            assert_eq!(serde_json::from_str::<EpochSeconds>(text).unwrap(), at);
            assert_eq!(crate::value::to_value(&at).unwrap(), crate::Value::Integer(millis));
        }
        assert!(serde_json::from_str::<EpochSeconds>("1e300").is_err());
    }
}
