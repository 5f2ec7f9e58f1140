//! What is in a secret? Its fields, read one at a time out of memory that is wiped.

use std::{collections::BTreeMap, error, fmt};

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{json, secret::Secret};

/// The fields of a secret. It has no text form; its memory is wiped on drop.
///
/// ```
/// # async fn example(vault: panelboard_vault::Vault) -> Result<(), Box<dyn std::error::Error>> {
/// if let Some(found) = vault.kv2("secret").read("app/db").await? {
///     let password = found.data.field("password")?;
///     println!("{:?}: {}", found.data.names(), password.fingerprint());
/// }
/// # Ok(())
/// # }
/// ```
#[expect(missing_debug_implementations, reason = "a secret must not have a text form")]
pub struct SecretData(Secret<String>);

impl SecretData {
    /// The text of a JSON object.
    pub(crate) fn new(json: &RawValue) -> Option<Self> {
        json.get().starts_with('{').then(|| Self(Secret::new(json.get().to_owned())))
    }

    /// The names of its fields, in order. Names are not secret.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.fields().into_keys().collect()
    }

    /// One field's text.
    ///
    /// # Errors
    /// [`FieldError`]: it is missing, empty, or no text. The value is not repeated.
    pub fn field(&self, name: &str) -> Result<Secret<String>, FieldError> {
        let fields = self.fields();
        let raw = fields.get(name).ok_or(FieldError::Missing)?;
        let text = json::text(raw).ok_or(FieldError::NotText)?;
        match text.expose().is_empty() {
            true => Err(FieldError::Empty),
            false => Ok(text),
        }
    }

    /// All of it, as a type of the caller's. What that type keeps is its own to wipe; a text with
    /// escapes, such as one of several lines, goes through a buffer of the parser, which is not
    /// wiped. [`field`](Self::field) has none.
    ///
    /// # Errors
    /// [`FieldError::NotThisType`]: the fields are not those of the type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, FieldError> {
        // The parser's own message may repeat a value.
        serde_json::from_str(self.0.expose()).map_err(|_| FieldError::NotThisType)
    }

    fn fields(&self) -> BTreeMap<String, &RawValue> {
        // It was an object when it was taken; one that can't be read has no fields.
        serde_json::from_str(self.0.expose()).unwrap_or_default()
    }
}

/// What is wrong with a field of a secret.
///
/// ```
/// assert_eq!(panelboard_vault::FieldError::NotText.to_string(), "the field is no text");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldError {
    /// The secret has no such field.
    Missing,
    /// It is a number, a list, an object, `true`, `false` or `null`.
    NotText,
    /// It is an empty text.
    Empty,
    /// The secret does not have the fields of the type that was asked for.
    NotThisType,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the secret has no such field",
            Self::NotText => "the field is no text",
            Self::Empty => "the field is empty",
            Self::NotThisType => "the secret does not have these fields",
        })
    }
}

impl error::Error for FieldError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(json: &str) -> SecretData {
        let raw: &RawValue = serde_json::from_str(json).expect("JSON");
        SecretData::new(raw).expect("an object")
    }

    #[test]
    fn a_field_that_is_no_text_is_told_without_its_value() {
        let data = data(r#"{"a":"x","b":"","c":7,"d":null,"e":{"f":"canary"},"g":["canary"]}"#);
        let rows = [
            ("a", None),
            ("b", Some(FieldError::Empty)),
            ("c", Some(FieldError::NotText)),
            ("d", Some(FieldError::NotText)),
            ("e", Some(FieldError::NotText)),
            ("g", Some(FieldError::NotText)),
            ("z", Some(FieldError::Missing)),
        ];
        for (name, expected) in rows {
            let error = data.field(name).err();
            assert_eq!(error, expected, "{name}");
            assert!(error.is_none_or(|error| !error.to_string().contains("canary")));
        }
        assert_eq!(data.names(), ["a", "b", "c", "d", "e", "g"]);
    }

    #[test]
    fn what_is_no_object_is_no_secret() {
        for json in ["null", "[]", "\"x\"", "7"] {
            let raw: &RawValue = serde_json::from_str(json).expect("JSON");
            assert!(SecretData::new(raw).is_none(), "{json}");
        }
    }
}
