//! Whether command line, functions and template are of one version. They are made together, and
//! each is tested with its own version of the others only.

use intake::versions::Versions;

use super::Finding;

const ABOUT: &str = "version";

/// Compares the command line's own version with what each function told of itself.
pub(super) fn compared(own: &str, told: &[(&'static str, Versions)]) -> Finding {
    let mut functions: Vec<&str> = Vec::new();
    let mut templates: Vec<&str> = Vec::new();
    for (_, versions) in told {
        functions.extend(versions.functions.as_deref());
        templates.extend(versions.template.as_deref());
    }
    functions.sort_by_key(|version| number(version));
    functions.dedup();
    templates.dedup();
    let (Some(oldest), Some(newest)) = (functions.first(), functions.last()) else {
        return untold(own);
    };
    if oldest != newest || templates != [*newest] {
        let parts: Vec<String> = told.iter().map(|(name, it)| part(name, it)).collect();
        return Finding::ill(
            ABOUT,
            format!("the stack is of several: {}", parts.join("; ")),
        )
        .repair(deploy(if number(own) > number(newest) {
            own
        } else {
            newest
        }));
    }
    if own == *newest {
        return Finding::well(ABOUT, format!("{own}, as the stack"));
    }
    let words = format!("this lastgood is {own}, and the stack {newest}");
    Finding::doubt(ABOUT, words).repair(if number(own) < number(newest) {
        format!("install lastgood {newest}")
    } else {
        deploy(own)
    })
}

/// Who is not let in hears from AWS, not from a function.
fn untold(own: &str) -> Finding {
    Finding::doubt(
        ABOUT,
        format!("this lastgood is {own}; the stack tells its own only to who may ask it"),
    )
}

fn part(name: &str, versions: &Versions) -> String {
    let or = |version: &Option<String>| version.clone().unwrap_or_else(|| "none".to_owned());
    let (functions, template) = (or(&versions.functions), or(&versions.template));
    format!("{name} is {functions} in a template of {template}")
}

fn deploy(version: &str) -> String {
    format!("deploy functions and template of {version} together, as README.md says")
}

/// Versions in their order: their numbers, and what is none comes first.
fn number(version: &str) -> Vec<u64> {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    core.split('.')
        .map_while(|part| part.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(functions: &str, template: &str) -> Versions {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Versions {
            functions: some(functions),
            template: some(template),
        }
    }

    #[test]
    fn one_version_everywhere_is_well_and_every_other_case_says_what_to_do() {
        let rows = [
            [told("0.9.0", "0.9.0"), told("0.9.0", "0.9.0")],
            [told("0.10.0", "0.10.0"), told("", "")],
            [told("0.8.2", "0.8.2"), told("0.8.2", "0.8.2")],
            [told("0.9.0", "0.9.0"), told("0.8.2", "0.9.0")],
            [told("0.9.0", "0.8.2"), told("0.9.0", "0.8.2")],
            [told("0.9.0", ""), told("0.9.0", "")],
            [told("", ""), told("", "")],
        ];
        let said = rows.map(|[command, approval]| {
            let finding = compared("0.9.0", &[("command", command), ("approval", approval)]);
            format!(
                "{:?}: {}\n    → {}",
                finding.state,
                finding.said,
                finding.repair.unwrap_or_default()
            )
        });
        insta::assert_snapshot!(said.join("\n"));
    }
}
