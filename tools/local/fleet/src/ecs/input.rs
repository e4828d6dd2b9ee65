//! Reading the JSON of a request, with AWS's error where something is missing or of a wrong type.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::api::ApiError;

/// Tags of a resource.
pub(super) type Tags = BTreeMap<String, String>;

/// The fields of a request or of an object in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Input<'a> {
    /// A field that is there and not null.
    pub(super) fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text, if given.
    pub(super) fn text(self, name: &str) -> Result<Option<&'a str>, ApiError> {
        self.typed(name, "a string", Value::as_str)
    }

    /// A text that must be given and not be empty.
    pub(super) fn required(self, name: &str) -> Result<&'a str, ApiError> {
        self.text(name)?
            .filter(|text| !text.is_empty())
            .ok_or_else(|| invalid(format!("{name} can not be blank.")))
    }

    /// A flag; not given is no.
    pub(super) fn flag(self, name: &str) -> Result<bool, ApiError> {
        Ok(self
            .typed(name, "a boolean", Value::as_bool)?
            .unwrap_or(false))
    }

    /// A whole number of at least 0, if given.
    pub(super) fn number(self, name: &str) -> Result<Option<u32>, ApiError> {
        self.typed(name, "a number of at least 0", |value| {
            value.as_u64().and_then(|number| u32::try_from(number).ok())
        })
    }

    /// A number, if given.
    pub(super) fn float(self, name: &str) -> Result<Option<f64>, ApiError> {
        self.typed(name, "a number", Value::as_f64)
    }

    /// An object, if given.
    pub(super) fn object(self, name: &str) -> Result<Option<Self>, ApiError> {
        Ok(self.typed(name, "a structure", Value::as_object)?.map(Self))
    }

    /// A list; not given is empty.
    pub(super) fn list(self, name: &str) -> Result<&'a [Value], ApiError> {
        let list = self.typed(name, "a list", Value::as_array)?;
        Ok(list.map(Vec::as_slice).unwrap_or_default())
    }

    /// A list of texts; not given is empty.
    pub(super) fn texts(self, name: &str) -> Result<Vec<String>, ApiError> {
        let texts = self
            .list(name)?
            .iter()
            .map(|value| value.as_str().map(str::to_owned));
        texts
            .collect::<Option<_>>()
            .ok_or_else(|| invalid(format!("{name} must be strings.")))
    }

    /// A list of objects; not given is empty.
    pub(super) fn objects(self, name: &str) -> Result<Vec<Self>, ApiError> {
        let objects = self
            .list(name)?
            .iter()
            .map(|value| value.as_object().map(Self));
        objects
            .collect::<Option<_>>()
            .ok_or_else(|| invalid(format!("{name} must be structures.")))
    }

    /// The `tags` of a request.
    pub(super) fn tags(self) -> Result<Tags, ApiError> {
        let tags = self.objects("tags")?.into_iter().map(|tag| {
            Ok((
                tag.required("key")?.to_owned(),
                tag.text("value")?.unwrap_or_default().to_owned(),
            ))
        });
        tags.collect()
    }

    fn typed<T>(
        self,
        name: &str,
        kind: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        self.get(name)
            .map(|value| read(value).ok_or_else(|| invalid(format!("{name} must be {kind}."))))
            .transpose()
    }
}

/// AWS's error for a parameter that cannot be used.
pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::client("InvalidParameterException", message)
}

/// Tags as ECS writes them.
pub(super) fn tag_list(tags: &Tags) -> Value {
    tags.iter()
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect()
}
