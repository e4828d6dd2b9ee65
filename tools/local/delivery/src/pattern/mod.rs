//! Event patterns: compiling one, and asking whether an event matches it. Pure.
//!
//! The rules are EventBridge's, and its filter criteria for stream mappings use the same ones:
//! fields are joined by "and", the values of a field by "or", an array in the event matches if one
//! of its elements does, and fields below one array must match within the same element. `$or` is
//! expanded when the pattern is compiled, as EventBridge does it, so a field that is written twice
//! keeps its last value. What one value is compared with is [`value`].

mod value;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use value::Test;

/// How many combinations `$or` may expand to; EventBridge's limit.
const COMBINATIONS_MAX: usize = 1_000;

/// How deep patterns and events are followed, in levels.
const DEPTH_MAX: usize = 100;

/// Names that EventBridge keeps for itself in the branches of an `$or`.
const RESERVED: [&str; 13] = [
    "anything-but",
    "cidr",
    "equals-ignore-case",
    "exactly",
    "exists",
    "numeric",
    "prefix",
    "suffix",
    "wildcard",
    "=",
    "<",
    ">",
    "regex",
];

/// Why EventBridge would refuse a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct PatternError(String);

impl PatternError {
    fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// A compiled event pattern.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pattern {
    alternatives: Vec<Fields>,
}

/// Fields that must all match.
type Fields = Vec<(String, Node)>;

/// What one field must be.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    /// A leaf, of which one test must hold.
    Leaf(Vec<Test>),
    /// An object with these fields.
    Object(Fields),
    /// Asked to be a leaf and an object at once, which nothing is.
    Impossible,
}

impl Pattern {
    /// Compiles a pattern from its JSON text.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| PatternError::new(error.to_string()))?;
        Self::compile(&value)
    }

    /// Compiles a pattern.
    pub(crate) fn compile(pattern: &Value) -> Result<Self, PatternError> {
        // An `$or` that cannot be the operator is read as a field of that name.
        let alternatives = Compiler { or: Or::Operator }
            .compile(pattern)
            .or_else(|_| Compiler { or: Or::Field }.compile(pattern))?;
        Ok(Self { alternatives })
    }

    /// Whether the event matches.
    pub(crate) fn matches(&self, event: &Value) -> bool {
        self.alternatives
            .iter()
            .any(|fields| all_match(Some(event), fields, 0))
    }
}

/// What `$or` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Or {
    Operator,
    Field,
}

/// Whether an object of the pattern is inside an `$or`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    And,
    Or,
}

struct Compiler {
    or: Or,
}

impl Compiler {
    fn compile(&self, pattern: &Value) -> Result<Vec<Fields>, PatternError> {
        let mut alternatives = vec![Fields::new()];
        self.object(&mut alternatives, &[], pattern, Within::And)?;
        Ok(alternatives)
    }

    fn object(
        &self,
        alternatives: &mut Vec<Fields>,
        path: &[String],
        value: &Value,
        within: Within,
    ) -> Result<(), PatternError> {
        if path.len() > DEPTH_MAX {
            return Err(PatternError::new("nested too deeply"));
        }
        let object = value
            .as_object()
            .ok_or_else(|| PatternError::new("not an object"))?;
        if object.is_empty() {
            return Err(PatternError::new("empty objects are not allowed"));
        }
        for (name, value) in object {
            self.field(alternatives, path, name, value, within)?;
        }
        Ok(())
    }

    fn field(
        &self,
        alternatives: &mut Vec<Fields>,
        path: &[String],
        name: &str,
        value: &Value,
        within: Within,
    ) -> Result<(), PatternError> {
        if name == "$or" && self.or == Or::Operator {
            return self.branches(alternatives, path, value);
        }
        if within == Within::Or && RESERVED.contains(&name) {
            return Err(PatternError::new(format!(
                "{name} cannot be a field inside $or"
            )));
        }
        let mut path = path.to_vec();
        path.extend(name.split('.').map(str::to_owned));
        match value {
            Value::Object(_) => self.object(alternatives, &path, value, within),
            Value::Array(values) => {
                let tests = value::tests(values)?;
                for alternative in alternatives {
                    write(alternative, &path, &tests);
                }
                Ok(())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Err(
                PatternError::new(format!("\"{name}\" must be an object or an array")),
            ),
        }
    }

    fn branches(
        &self,
        alternatives: &mut Vec<Fields>,
        path: &[String],
        value: &Value,
    ) -> Result<(), PatternError> {
        let branches = value
            .as_array()
            .filter(|branches| branches.len() >= 2)
            .ok_or_else(|| PatternError::new("$or needs an array of at least two objects"))?;
        let before = std::mem::take(alternatives);
        for branch in branches {
            let mut forked = before.clone();
            self.object(&mut forked, path, branch, Within::Or)?;
            alternatives.append(&mut forked);
            if alternatives.len() > COMBINATIONS_MAX {
                return Err(PatternError::new("too many combinations"));
            }
        }
        Ok(())
    }
}

/// Writes one leaf; a leaf that is there already is replaced, as EventBridge does it.
fn write(fields: &mut Fields, path: &[String], tests: &[Test]) {
    let Some((name, rest)) = path.split_first() else {
        return;
    };
    let position = fields.iter().position(|(known, _)| known == name);
    let fresh = || {
        if rest.is_empty() {
            Node::Leaf(tests.to_vec())
        } else {
            Node::Object(Fields::new())
        }
    };
    let node = match position.and_then(|position| fields.get_mut(position)) {
        Some((_, node)) => node,
        None => &mut fields.push_mut((name.clone(), fresh())).1,
    };
    match node {
        Node::Leaf(_) if rest.is_empty() => *node = Node::Leaf(tests.to_vec()),
        Node::Object(fields) if !rest.is_empty() => write(fields, rest, tests),
        Node::Leaf(_) | Node::Object(_) | Node::Impossible => *node = Node::Impossible,
    }
}

fn all_match(value: Option<&Value>, fields: &Fields, depth: usize) -> bool {
    depth <= DEPTH_MAX
        && fields.iter().all(|(name, node)| {
            let field = value
                .and_then(Value::as_object)
                .and_then(|object| object.get(name));
            match node {
                Node::Leaf(tests) => leaf_matches(field, tests),
                Node::Object(fields) => object_matches(field, fields, depth),
                Node::Impossible => false,
            }
        })
}

fn leaf_matches(field: Option<&Value>, tests: &[Test]) -> bool {
    let mut leaves = Vec::new();
    if let Some(field) = field {
        collect(field, &mut leaves, 0, &|value| !value.is_object());
    }
    // Whether a field exists is asked of the leaf, so an empty array or an object does not.
    let exists = !leaves.is_empty();
    tests.iter().any(|test| match test.existence() {
        Some(wanted) => wanted == exists,
        None => leaves.iter().any(|leaf| test.holds(leaf)),
    })
}

fn object_matches(field: Option<&Value>, fields: &Fields, depth: usize) -> bool {
    let mut objects = Vec::new();
    if let Some(field) = field {
        collect(field, &mut objects, 0, &Value::is_object);
    }
    if objects.is_empty() {
        // What is not there can still be asked not to exist.
        return all_match(None, fields, depth + 1);
    }
    objects
        .into_iter()
        .any(|object| all_match(Some(object), fields, depth + 1))
}

/// Collects a value, or the elements of an array of whatever depth, if they are wanted.
fn collect<'a>(
    value: &'a Value,
    into: &mut Vec<&'a Value>,
    depth: usize,
    wanted: &dyn Fn(&Value) -> bool,
) {
    if let Value::Array(elements) = value {
        if depth < DEPTH_MAX {
            for element in elements {
                collect(element, into, depth + 1, wanted);
            }
        }
    } else if wanted(value) {
        into.push(value);
    }
}

/// The only entry of an object.
fn only(object: &Map<String, Value>) -> Option<(&String, &Value)> {
    if object.len() == 1 {
        object.iter().next()
    } else {
        None
    }
}
