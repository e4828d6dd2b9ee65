//! Which version it is that answers. `command` and `approval` tell it in two headers of every
//! answer: template and functions are deployed together, and only together make a version.

use serde::Serialize;

/// The header with the version of the functions' code.
pub const FUNCTIONS_HEADER: &str = "lastgood-version";
/// The header with the version of the template that made the stack.
pub const TEMPLATE_HEADER: &str = "lastgood-template";

/// The versions that an answer tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Versions {
    /// Of the function's code; none when it is from before that was told.
    pub functions: Option<String>,
    /// Of the stack's template; none when it does not say.
    pub template: Option<String>,
}

impl Versions {
    /// The headers that tell them.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        let told = [
            (FUNCTIONS_HEADER, &self.functions),
            (TEMPLATE_HEADER, &self.template),
        ];
        told.into_iter()
            .filter_map(|(name, version)| Some((name, version.clone()?)))
    }

    /// What the headers of an answer tell.
    #[must_use]
    pub fn told<'a>(header: impl Fn(&'static str) -> Option<&'a str>) -> Self {
        let read = |name| header(name).map(str::to_owned);
        Self {
            functions: read(FUNCTIONS_HEADER),
            template: read(TEMPLATE_HEADER),
        }
    }
}
