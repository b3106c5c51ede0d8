//! What a property can hold. Pure and total.

use std::collections::BTreeMap;

use zbus::Variant;

/// A value of one of the types that our properties have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// `s`.
    Text(String),
    /// `b`.
    Flag(bool),
    /// `y`.
    Byte(u8),
    /// `u`.
    Count(u32),
    /// `t`.
    Number(u64),
    /// `as`.
    Texts(Vec<String>),
    /// `a(sb)`.
    Addresses(Vec<(String, bool)>),
    /// `a(sssn)`.
    Checks(Vec<(String, String, String, i16)>),
    /// `a{st}`.
    Counters(Vec<(&'static str, u64)>),
}

/// `text` without what a string of D-Bus cannot hold.
pub(super) fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl Value {
    /// A text, cleaned.
    pub(super) fn text(text: &str) -> Self {
        Value::Text(clean(text))
    }

    /// Several, cleaned.
    pub(super) fn texts<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        Value::Texts(texts.into_iter().map(clean).collect())
    }

    /// As the library has it.
    pub(super) fn variant(&self) -> Variant<'_> {
        match self {
            Value::Text(text) => Variant::new(text.as_str()),
            Value::Flag(flag) => Variant::new(*flag),
            Value::Byte(byte) => Variant::new(*byte),
            Value::Count(count) => Variant::new(*count),
            Value::Number(number) => Variant::new(*number),
            Value::Texts(texts) => Variant::new(texts.clone()),
            Value::Addresses(addresses) => Variant::new(addresses.clone()),
            Value::Checks(checks) => Variant::new(checks.clone()),
            Value::Counters(counters) => {
                Variant::new(counters.iter().copied().collect::<BTreeMap<&str, u64>>())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_type() {
        let rows = [
            (Value::text("a"), "s"),
            (Value::Flag(true), "b"),
            (Value::Byte(1), "y"),
            (Value::Count(1), "u"),
            (Value::Number(1), "t"),
            (Value::texts([]), "as"),
            (Value::Addresses(Vec::new()), "a(sb)"),
            (Value::Checks(Vec::new()), "a(sssn)"),
            (Value::Counters(Vec::new()), "a{st}"),
        ];
        for (value, signature) in rows {
            assert_eq!(value.variant().value_signature().to_string(), signature, "{value:?}");
        }
    }

    #[test]
    fn a_string_has_no_zero_byte() {
        assert_eq!(Value::text("a\0b"), Value::Text("a\u{fffd}b".to_owned()));
    }
}
