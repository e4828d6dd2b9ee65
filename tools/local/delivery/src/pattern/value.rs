//! What one value of an event is compared with. Fields and their structure are in the parent.

use std::net::IpAddr;

use serde_json::Value;

use super::{PatternError, only};

/// One of the values a field may have.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Equals(Value),
    Exists(bool),
    Prefix(String, Case),
    Suffix(String, Case),
    EqualsIgnoreCase(String),
    /// The literal pieces between the stars.
    Wildcard(Vec<String>),
    Numeric(Vec<(Comparison, f64)>),
    Cidr(IpAddr, u32),
    /// None of these may hold.
    AnythingBut(Vec<Self>),
}

/// Whether capitals matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Matters,
    Ignored,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Test {
    /// Whether this asks for the field to exist or not to exist, and not for a value.
    pub(super) const fn existence(&self) -> Option<bool> {
        if let Self::Exists(wanted) = self {
            Some(*wanted)
        } else {
            None
        }
    }

    /// Whether a leaf of the event passes.
    pub(super) fn holds(&self, leaf: &Value) -> bool {
        match self {
            Self::Equals(wanted) => equal(leaf, wanted),
            Self::Exists(wanted) => *wanted,
            Self::Prefix(prefix, case) => {
                affix(leaf, prefix, *case, |text, part| text.starts_with(part))
            }
            Self::Suffix(suffix, case) => {
                affix(leaf, suffix, *case, |text, part| text.ends_with(part))
            }
            Self::EqualsIgnoreCase(wanted) => leaf
                .as_str()
                .is_some_and(|text| text.to_lowercase() == wanted.to_lowercase()),
            Self::Wildcard(pieces) => leaf.as_str().is_some_and(|text| wildcard(text, pieces)),
            Self::Numeric(bounds) => leaf.as_f64().is_some_and(|number| {
                bounds
                    .iter()
                    .all(|(comparison, bound)| comparison.holds(number, *bound))
            }),
            Self::Cidr(network, bits) => leaf
                .as_str()
                .and_then(|text| text.parse().ok())
                .is_some_and(|address| inside(address, *network, *bits)),
            Self::AnythingBut(tests) => !tests.iter().any(|test| test.holds(leaf)),
        }
    }
}

impl Comparison {
    #[expect(
        clippy::float_cmp,
        reason = "EventBridge compares the numbers as they are written"
    )]
    fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Self::Equal => number == bound,
            Self::Less => number < bound,
            Self::LessOrEqual => number <= bound,
            Self::Greater => number > bound,
            Self::GreaterOrEqual => number >= bound,
        }
    }

    fn parse(value: &Value) -> Option<Self> {
        Some(match value.as_str()? {
            "=" => Self::Equal,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }
}

/// Numbers are equal whatever way they are written; nothing else is equal across types.
fn equal(left: &Value, right: &Value) -> bool {
    match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => Comparison::Equal.holds(left, right),
        (None, None) => left == right,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn affix(leaf: &Value, part: &str, case: Case, found: fn(&str, &str) -> bool) -> bool {
    leaf.as_str().is_some_and(|text| match case {
        Case::Matters => found(text, part),
        Case::Ignored => found(&text.to_lowercase(), &part.to_lowercase()),
    })
}

fn wildcard(text: &str, pieces: &[String]) -> bool {
    let (Some((first, rest)), Some(last)) = (pieces.split_first(), pieces.last()) else {
        return false;
    };
    if rest.is_empty() {
        return text == first;
    }
    let Some(mut text) = text.strip_prefix(first.as_str()) else {
        return false;
    };
    let middle = rest.len().saturating_sub(1);
    for piece in rest.iter().take(middle) {
        let Some((_, after)) = text.split_once(piece.as_str()) else {
            return false;
        };
        text = after;
    }
    text.ends_with(last.as_str())
}

fn inside(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let shift = 32_u32.saturating_sub(bits);
            address.to_bits().checked_shr(shift) == network.to_bits().checked_shr(shift)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let shift = 128_u32.saturating_sub(bits);
            address.to_bits().checked_shr(shift) == network.to_bits().checked_shr(shift)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// The values a field may have, from its array in the pattern.
pub(super) fn tests(values: &[Value]) -> Result<Vec<Test>, PatternError> {
    if values.is_empty() {
        return Err(PatternError::new("empty arrays are not allowed"));
    }
    values.iter().map(test).collect()
}

fn test(value: &Value) -> Result<Test, PatternError> {
    match value {
        Value::Object(object) => {
            let (name, operand) = only(object)
                .ok_or_else(|| PatternError::new("only one key allowed in a match expression"))?;
            operator(name, operand)
        }
        Value::Array(_) => Err(PatternError::new(
            "a match value must be text, a number, true, false or null",
        )),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Ok(Test::Equals(value.clone()))
        }
    }
}

fn operator(name: &str, operand: &Value) -> Result<Test, PatternError> {
    let text = || {
        operand
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| PatternError::new(format!("{name} needs text")))
    };
    match name {
        "exactly" => Ok(Test::Equals(Value::String(text()?))),
        "exists" => operand
            .as_bool()
            .map(Test::Exists)
            .ok_or_else(|| PatternError::new("exists must be true or false")),
        "prefix" => affix_operand(operand).map(|(text, case)| Test::Prefix(text, case)),
        "suffix" => affix_operand(operand).map(|(text, case)| Test::Suffix(text, case)),
        "equals-ignore-case" => text().map(Test::EqualsIgnoreCase),
        "wildcard" => wildcard_pieces(&text()?).map(Test::Wildcard),
        "cidr" => network(&text()?),
        "numeric" => numeric(operand).map(Test::Numeric),
        "anything-but" => anything_but(operand).map(Test::AnythingBut),
        _ => Err(PatternError::new(format!("unrecognized match type {name}"))),
    }
}

fn affix_operand(operand: &Value) -> Result<(String, Case), PatternError> {
    let error =
        || PatternError::new("prefix and suffix need text, or equals-ignore-case with text");
    match operand {
        Value::String(text) => Ok((text.clone(), Case::Matters)),
        Value::Object(object) => match only(object) {
            Some((name, Value::String(text))) if name == "equals-ignore-case" => {
                Ok((text.clone(), Case::Ignored))
            }
            Some(_) | None => Err(error()),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => Err(error()),
    }
}

/// The pieces between the stars; `\*` and `\\` stand for themselves.
fn wildcard_pieces(text: &str) -> Result<Vec<String>, PatternError> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(escaped @ ('*' | '\\')) => piece.push(escaped),
                Some(_) | None => return Err(PatternError::new("invalid escape character")),
            },
            '*' if characters.peek() == Some(&'*') => {
                return Err(PatternError::new("consecutive wildcard characters"));
            }
            '*' => pieces.push(std::mem::take(&mut piece)),
            other => piece.push(other),
        }
    }
    pieces.push(piece);
    Ok(pieces)
}

fn network(text: &str) -> Result<Test, PatternError> {
    let error = || PatternError::new(format!("malformed CIDR {text}"));
    let (address, bits) = text.split_once('/').ok_or_else(error)?;
    let address: IpAddr = address.parse().map_err(|_| error())?;
    let bits: u32 = bits.parse().map_err(|_| error())?;
    if bits > if address.is_ipv4() { 32 } else { 128 } {
        return Err(error());
    }
    Ok(Test::Cidr(address, bits))
}

/// One comparison, or a lower bound and an upper one.
fn numeric(operand: &Value) -> Result<Vec<(Comparison, f64)>, PatternError> {
    let error = || PatternError::new("numeric needs a comparison and a number, once or twice");
    let operands = operand.as_array().ok_or_else(error)?;
    if !matches!(operands.len(), 2 | 4) {
        return Err(error());
    }
    operands
        .chunks(2)
        .map(|pair| match pair {
            [comparison, bound] => Comparison::parse(comparison)
                .zip(bound.as_f64())
                .ok_or_else(error),
            _ => Err(error()),
        })
        .collect()
}

fn anything_but(operand: &Value) -> Result<Vec<Test>, PatternError> {
    let error = || PatternError::new("anything-but needs text, numbers or one match expression");
    let several = |operand: &Value| match operand {
        Value::Array(values) if values.is_empty() => Err(error()),
        Value::Array(values) => Ok(values.clone()),
        Value::String(_) | Value::Number(_) => Ok(vec![operand.clone()]),
        Value::Null | Value::Bool(_) | Value::Object(_) => Err(error()),
    };
    if let Value::Object(object) = operand {
        let (name, inner) = only(object).ok_or_else(error)?;
        if !matches!(
            name.as_str(),
            "prefix" | "suffix" | "equals-ignore-case" | "wildcard"
        ) {
            return Err(PatternError::new(format!(
                "unsupported anything-but pattern: {name}"
            )));
        }
        return several(inner)?
            .iter()
            .map(|value| operator(name, value))
            .collect();
    }
    let values = several(operand)?;
    if !values.iter().all(Value::is_string) && !values.iter().all(Value::is_number) {
        return Err(error());
    }
    Ok(values.into_iter().map(Test::Equals).collect())
}
