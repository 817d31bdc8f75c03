//! JSON values that come as text or as numbers, whatever the specification says.
//!
//! What cannot be a text counts as absent; it is never a reason to reject the whole answer.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// How many of a list are kept.
const TEXTS_LIMIT: usize = 16;

/// A string, a number or a boolean as text; anything else counts as absent.
#[derive(Clone, Default)]
pub(crate) struct Text(pub(crate) Option<String>);

/// One or many of them.
#[derive(Default)]
pub(crate) struct Texts(pub(crate) Vec<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(Loose)
            .map(|mut all| Self(all.pop()))
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Many;
        impl<'de> Visitor<'de> for Many {
            type Value = Vec<String>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(Text(text)) = seq.next_element()? {
                    if let Some(text) = text
                        && all.len() < TEXTS_LIMIT
                    {
                        all.push(text);
                    }
                }
                Ok(all)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Loose.visit_map(map)
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Self::Value, E> {
                Loose.visit_str(v)
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Self::Value, E> {
                Loose.visit_u64(v)
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Self::Value, E> {
                Loose.visit_i64(v)
            }
            fn visit_f64<E: de::Error>(self, v: f64) -> Result<Self::Value, E> {
                Loose.visit_f64(v)
            }
            fn visit_bool<E: de::Error>(self, v: bool) -> Result<Self::Value, E> {
                Loose.visit_bool(v)
            }
            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Loose.visit_unit()
            }
        }
        deserializer.deserialize_any(Many).map(Self)
    }
}

/// At most one text.
struct Loose;

impl<'de> Visitor<'de> for Loose {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }
    fn visit_str<E: de::Error>(self, v: &str) -> Result<Self::Value, E> {
        Ok(vec![v.to_owned()])
    }
    fn visit_u64<E: de::Error>(self, v: u64) -> Result<Self::Value, E> {
        Ok(vec![v.to_string()])
    }
    fn visit_i64<E: de::Error>(self, v: i64) -> Result<Self::Value, E> {
        Ok(vec![v.to_string()])
    }
    fn visit_f64<E: de::Error>(self, v: f64) -> Result<Self::Value, E> {
        Ok(vec![v.to_string()])
    }
    fn visit_bool<E: de::Error>(self, v: bool) -> Result<Self::Value, E> {
        Ok(vec![v.to_string()])
    }
    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Vec::new())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_comes_is_text_or_nothing() {
        let text = |json: &str| serde_json::from_str::<Text>(json).unwrap().0;
        assert_eq!(text("\"a\"").as_deref(), Some("a"));
        assert_eq!(text("17").as_deref(), Some("17"));
        assert_eq!(text("-1").as_deref(), Some("-1"));
        assert_eq!(text("true").as_deref(), Some("true"));
        for nothing in ["null", "[1, {}]", r#"{"a": [1]}"#] {
            assert_eq!(text(nothing), None, "{nothing}");
        }
        let texts = |json: &str| serde_json::from_str::<Texts>(json).unwrap().0;
        assert_eq!(texts(r#"[1, "2", null, [3], {}]"#), ["1", "2"]);
        assert_eq!(texts("1"), ["1"]);
        assert!(texts(r#"{"a": 1}"#).is_empty());
        let many = format!("[{}1]", "1,".repeat(1000));
        assert_eq!(texts(&many).len(), TEXTS_LIMIT);
    }
}
