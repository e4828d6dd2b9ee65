//! What a document points to in this repository exists.

use super::Finding;
use crate::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.lines(&[".md"])
        .flat_map(|(path, number, line)| targets(line).map(move |target| (path, number, target)))
        .filter(|(path, _, target)| !exists(tree, path, target))
        .map(|(path, number, target)| {
            let words = format!("points to {target}, which is not there; correct the link");
            Finding::new(path, number, words)
        })
        .collect()
}

/// The links of a line that stay in the repository, without their anchors.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ']).next())
        .map(|link| link.split('#').next().unwrap_or_default())
        .filter(|link| !link.is_empty() && !link.contains(':'))
}

fn exists(tree: &Tree, document: &str, target: &str) -> bool {
    let mut place: Vec<&str> = document.split('/').collect();
    place.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(place.pop()),
            name => place.push(name),
        }
    }
    let path = place.join("/");
    let inside = format!("{path}/");
    tree.files.contains_key(&path)
        || tree.others.contains(&path)
        || tree.files.keys().any(|file| file.starts_with(&inside))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::found, *};

    #[test]
    fn dead_links_are_found() {
        let readme = "See [a](docs/a.md#top), [it](https://example.com), [here](#here)\n\
                      and [b](docs/b.md) in [docs](./docs/).\n";
        let mut tree = Tree::of([
            ("README.md", readme),
            (
                "docs/a.md",
                "back [home](../README.md) ![a](a.png), or [nowhere](../x.md)\n",
            ),
        ]);
        tree.others.insert("docs/a.png".to_owned());
        assert_eq!(
            found(check, &tree),
            [
                "README.md:2: points to docs/b.md, which is not there; correct the link",
                "docs/a.md:1: points to ../x.md, which is not there; correct the link",
            ]
        );
    }
}
