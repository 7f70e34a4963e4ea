//! A body as JSON, looked at whole before anything is made of it.
//!
//! What reads into types keeps the last of two members with one name wherever the names are free (a mapping of columns), and
//! what two readers take for different requests must not get through: here a name is there once in each object.

use std::collections::HashSet;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Why a body is not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is no JSON, or nested more than 127 deep, or has a number beyond all bounds.
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A member is there twice.
    Repeated {
        /// RFC 6901.
        pointer: String,
    },
}

/// One JSON value and nothing behind it, with every name once.
///
/// # Errors
/// The first [`Fault`].
pub fn check(text: &[u8]) -> Result<(), Fault> {
    let mut walk = Walk { at: Vec::new(), repeated: false };
    let mut json = serde_json::Deserializer::from_slice(text);
    let read = walk.deserialize(&mut json).and_then(|()| json.end());
    read.map_err(|error| {
        if walk.repeated {
            Fault::Repeated {
                pointer: walk.at.iter().fold(String::new(), |at, part| at + "/" + &escape(part)),
            }
        } else {
            Fault::Syntax { line: error.line(), column: error.column() }
        }
    })
}

/// A part of an RFC 6901 pointer.
pub fn escape(part: &str) -> String {
    part.replace('~', "~0").replace('/', "~1")
}

/// Where the walk is, and whether it ended at a repeated name.
struct Walk {
    at: Vec<String>,
    repeated: bool,
}

impl<'de> DeserializeSeed<'de> for &mut Walk {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Walk {
    type Value = ();

    fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        for index in 0_usize.. {
            self.at.push(index.to_string());
            if items.next_element_seed(&mut *self)?.is_none() {
                break;
            }
            self.at.pop();
        }
        self.at.pop();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            self.at.push(name.clone());
            if !names.insert(name) {
                self.repeated = true;
                return Err(A::Error::custom("repeated"));
            }
            members.next_value_seed(&mut *self)?;
            self.at.pop();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_there_once_in_each_object() {
        for (text, pointer) in [
            (r#"{"a": 1, "a": 1}"#, "/a"),
            (r#"{"a": {"b": 1, "c": 2, "b": 3}}"#, "/a/b"),
            (r#"[{"x": 1}, {"x": 1}, [{"x/y~": 1, "x/y~": 2}]]"#, "/2/0/x~1y~0"),
            (r#"{"a": 1, "\u0061": 2}"#, "/a"),
        ] {
            let fault = Fault::Repeated { pointer: pointer.to_owned() };
            assert_eq!(check(text.as_bytes()), Err(fault), "{text}");
        }
        for text in [r#"{"a": {"a": [{"a": 1}, {"a": 2}]}, "A": null}"#, "[]", "\"a\"", "1.5e3", "-1", "true"]
        {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_told_by_its_place() {
        let deep = "[".repeat(100_000);
        for text in ["", "{", "{\"a\" 1}", "[1,]", "1 2", "\"\\ud800\"", "1e999", "nul", &deep] {
            assert!(matches!(check(text.as_bytes()), Err(Fault::Syntax { .. })), "{text:.10}");
        }
        assert_eq!(check(b"{\n \"a\": }"), Err(Fault::Syntax { line: 2, column: 7 }));
        assert!(check(b"\"\xff\xfe\"").is_err() && check(b"{\"\xc3\x28\": 1}").is_err());
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(check(nested(127).as_bytes()), Ok(()));
        assert!(check(nested(128).as_bytes()).is_err());
    }
}
