//! JSON as it stands in a text: texts are borrowed, nothing is sorted, and a name that occurs twice is seen.
//!
//! What a token says is looked at a few times and dropped. A tree of owned values costs three times as much, a good part of
//! what checking a signature costs. It is still `serde_json` that parses, with all it refuses.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

/// A JSON value.
#[derive(Debug)]
pub(crate) enum Json<'j> {
    Null,
    Bool,
    Number(Number),
    Text(Cow<'j, str>),
    Array(Vec<Self>),
    Object(Object<'j>),
}

impl<'j> Json<'j> {
    /// The text that it is, if it is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number that it is, if it is one.
    pub(crate) fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The object that it is, if it is one.
    pub(crate) fn as_object(&self) -> Option<&Object<'j>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }
}

/// A JSON object: its members in the order in which they came.
#[derive(Debug)]
pub(crate) struct Object<'j>(Vec<(Cow<'j, str>, Json<'j>)>);

impl<'j> Object<'j> {
    /// The member of this name; the last one, should there be several.
    pub(crate) fn get(&self, name: &str) -> Option<&Json<'j>> {
        let mut members = self.0.iter().rev();
        members.find_map(|(own, value)| is_same(own, name).then_some(value))
    }

    /// Whether there is such a member.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether a name occurs twice among the members, not within them.
    pub(crate) fn repeats_a_name(&self) -> bool {
        // Few are compared in less time than sorted; many could be made to take long.
        if self.0.len() <= 16 {
            let rest = |n: usize| self.0.get(n + 1..).unwrap_or_default().iter();
            let mut members = self.0.iter().enumerate();
            return members.any(|(n, (name, _))| rest(n).any(|(other, _)| is_same(other, name)));
        }
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_ref()).collect();
        names.sort_unstable();
        names.windows(2).any(|pair| pair[0] == pair[1])
    }
}

/// Names are compared often, and most have three letters: the first one spares most calls.
#[inline]
fn is_same(name: &str, other: &str) -> bool {
    name.len() == other.len() && name.as_bytes().first() == other.as_bytes().first() && name == other
}

impl<'j> Deserialize<'j> for Object<'j> {
    fn deserialize<D: Deserializer<'j>>(deserializer: D) -> Result<Self, D::Error> {
        // As many as an access token of ours has.
        deserializer.deserialize_map(ObjectVisitor(12))
    }
}

/// With room for so many members to begin with.
struct ObjectVisitor(usize);

impl<'j> Visitor<'j> for ObjectVisitor {
    type Value = Object<'j>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'j>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(self.0);
        while let Some((Text(name), value)) = access.next_entry()? {
            members.push((name, value));
        }
        Ok(Object(members))
    }
}

/// A text that is borrowed unless an escape in it had to be resolved.
struct Text<'j>(Cow<'j, str>);

impl<'j> Deserialize<'j> for Text<'j> {
    fn deserialize<D: Deserializer<'j>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'j> Visitor<'j> for TextVisitor {
    type Value = Text<'j>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON string")
    }

    fn visit_borrowed_str<E>(self, text: &'j str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

impl<'j> Deserialize<'j> for Json<'j> {
    fn deserialize<D: Deserializer<'j>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'j> Visitor<'j> for JsonVisitor {
    type Value = Json<'j>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Json::Bool)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Number::from_f64(number).map_or(Json::Null, Json::Number))
    }

    fn visit_borrowed_str<E>(self, text: &'j str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'j>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'j>>(self, access: A) -> Result<Self::Value, A::Error> {
        ObjectVisitor(2).visit_map(access).map(Json::Object)
    }
}

#[cfg(test)]
mod tests {
    use super::Object;

    #[test]
    fn a_name_that_occurs_twice_is_seen_among_few_and_among_many() {
        for members in [2, 3, 15, 16, 17, 18, 300] {
            let mut names: Vec<String> = (0..members).map(|n| format!("n{n}")).collect();
            let repeats = |names: &[String]| {
                let members: Vec<String> = names.iter().map(|name| format!("\"{name}\":0")).collect();
                let json = format!("{{{}}}", members.join(","));
                serde_json::from_str::<Object<'_>>(&json)
                    .unwrap()
                    .repeats_a_name()
            };
            assert!(!repeats(&names), "{members}");
            for (first, second) in [(0, members - 1), (members / 2, 0), (members - 2, members - 1)] {
                let own = std::mem::replace(&mut names[second], format!("n{first}"));
                assert_eq!(
                    repeats(&names),
                    first != second,
                    "{first} and {second} of {members}"
                );
                // However it is written.
                names[second] = format!("\\u006e{first}");
                assert_eq!(repeats(&names), first != second);
                names[second] = own;
            }
        }
    }
}
