//! One name for a function everywhere: its crate, its binary, its resource in the template, and the
//! folder of its samples.

use super::Finding;
use crate::tree::{Crate, Tree};

pub(super) const FUNCTIONS: &str = "functions/";
const TEMPLATE: &str = "infra/template.yaml";
const SERVERLESS: &str = "Type: AWS::Serverless::Function";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let functions = tree
        .crates
        .iter()
        .filter(|found| found.folder.starts_with(FUNCTIONS));
    let mut findings: Vec<Finding> = functions
        .clone()
        .flat_map(|function| [binary(tree, function), resource(tree, function)])
        .flatten()
        .collect();
    let wanted: Vec<String> = functions.map(|function| logical(&function.name)).collect();
    for (name, line) in resources(tree.text(TEMPLATE)) {
        if !wanted.contains(&name) {
            let words = format!("{name} has no crate in functions/; add the crate, or take it out");
            findings.push(Finding::new(TEMPLATE, line, words));
        }
    }
    findings
}

fn binary(tree: &Tree, function: &Crate) -> Option<Finding> {
    let manifest = function.manifest();
    let line = tree.line_of(&manifest, "[[bin]]");
    (function.binaries != [function.name.as_str()]).then(|| {
        let words = format!(
            "makes the binaries {:?}; make one, named {}",
            function.binaries, function.name
        );
        Finding::new(&manifest, line, words)
    })
}

fn resource(tree: &Tree, function: &Crate) -> Option<Finding> {
    let (name, crate_name) = (logical(&function.name), &function.name);
    let text = tree.text(TEMPLATE);
    let Some((_, line)) = resources(text)
        .into_iter()
        .find(|(found, _)| *found == name)
    else {
        let words = format!("the function {crate_name} has no resource; add {name}");
        return Some(Finding::new(TEMPLATE, 1, words));
    };
    let code = format!("CodeUri: ../target/lambda/{crate_name}/");
    let says = block(text, line).any(|found| found.trim() == code);
    (!says).then(|| {
        Finding::new(
            TEMPLATE,
            line,
            format!("{name} takes other code; say `{code}`"),
        )
    })
}

/// The functions that a template makes, with the lines where they begin.
fn resources(template: &str) -> Vec<(String, usize)> {
    template
        .lines()
        .enumerate()
        .filter_map(|(index, line)| Some((key(line)?.to_owned(), index + 1)))
        .filter(|(_, line)| block(template, *line).any(|found| found.trim() == SERVERLESS))
        .collect()
}

/// What belongs to the key on this line.
fn block(template: &str, line: usize) -> impl Iterator<Item = &str> {
    template
        .lines()
        .skip(line)
        .take_while(|line| line.is_empty() || line.starts_with("   "))
}

/// The key of a line that is one step in, as resources are.
fn key(line: &str) -> Option<&str> {
    let key = line.strip_prefix("  ")?.strip_suffix(':')?;
    key.chars().all(char::is_alphanumeric).then_some(key)
}

/// `image-pushed` is `ImagePushedFunction` in the template.
fn logical(name: &str) -> String {
    let mut logical: String = name
        .split('-')
        .flat_map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters)
        })
        .collect();
    logical.push_str("Function");
    logical
}

#[cfg(test)]
mod tests {
    use super::{super::tests::found, *};

    const GOOD: &str = "\
Globals:
  Function:
    Runtime: provided.al2023
Resources:
  ImagePushedFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: ../target/lambda/image-pushed/

  CommandFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: ../target/lambda/comand/
  Table:
    Type: AWS::DynamoDB::Table
";

    #[test]
    fn one_name_everywhere_is_fine() {
        let (good, _) = GOOD.split_at(GOOD.find("  CommandFunction").unwrap());
        let tree = Tree::of([(TEMPLATE, good)]).with_crate("functions/image-pushed", &[]);
        assert_eq!(found(check, &tree), [""; 0]);
    }

    #[test]
    fn missing_resources_other_code_and_other_binaries_are_found() {
        let mut tree = Tree::of([(TEMPLATE, GOOD)])
            .with_crate("functions/command", &[])
            .with_crate("functions/deployer", &[]);
        tree.crates[1].binaries.push("second".to_owned());
        let findings = found(check, &tree);
        assert_eq!(findings.len(), 4, "{findings:?}");
        let begins = |index: usize, words: &str| {
            assert!(findings[index].starts_with(words), "{findings:?}");
        };
        begins(
            0,
            "infra/template.yaml:10: CommandFunction takes other code",
        );
        begins(
            1,
            "functions/deployer/Cargo.toml:1: makes the binaries [\"deployer\", \"second\"]",
        );
        begins(
            2,
            "infra/template.yaml:1: the function deployer has no resource",
        );
        begins(
            3,
            "infra/template.yaml:5: ImagePushedFunction has no crate in functions/",
        );
    }
}
