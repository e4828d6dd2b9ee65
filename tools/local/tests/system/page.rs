//! A guide as a list of blocks. What may be run is marked; what is marked and cannot be understood
//! is a mistake of the guide.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

/// What a block is for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// A file that the reader makes.
    File { name: String, text: String },
    /// Commands that somebody types.
    Shell { by: String, exit: i32, text: String },
    /// Commands that need what is not here.
    Elsewhere(String),
}

/// The blocks of a page, in order, but for pieces of files.
pub(crate) fn blocks(page: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix("```") else {
            continue;
        };
        let text: String = lines
            .by_ref()
            .take_while(|line| line.trim() != "```")
            .map(|line| format!("{line}\n"))
            .collect();
        let mut words = info.split(' ');
        let language = words.next().unwrap_or_default();
        let rest: Vec<&str> = words.collect();
        let marks: BTreeMap<&str, &str> = rest.iter().filter_map(|it| it.split_once('=')).collect();
        match (language, rest.as_slice()) {
            ("yaml", []) => {}
            ("sh", ["elsewhere"]) => blocks.push(Block::Elsewhere(text)),
            ("sh", _) => blocks.push(Block::Shell {
                by: marks.get("as").context("who types it?")?.to_string(),
                exit: marks.get("fails").map_or(Ok(0), |code| code.parse())?,
                text,
            }),
            ("yaml", _) => blocks.push(Block::File {
                name: marks.get("file").context("which file?")?.to_string(),
                text,
            }),
            _ => bail!("a block of an unknown kind: {info}"),
        }
    }
    Ok(blocks)
}

#[test]
fn blocks_are_told_apart_by_their_marks() {
    let page = "a\n```sh as=vera fails=4\nlastgood status\n```\n```yaml file=a.yaml\nx: 1\n```\n\
                ```sh elsewhere\nrm -rf /\n```\n```yaml\ny: 2\n```\n";
    let shell = Block::Shell {
        by: "vera".into(),
        exit: 4,
        text: "lastgood status\n".into(),
    };
    let file = Block::File {
        name: "a.yaml".into(),
        text: "x: 1\n".into(),
    };
    let elsewhere = Block::Elsewhere("rm -rf /\n".into());
    assert_eq!(blocks(page).unwrap(), [shell, file, elsewhere]);
    assert!(
        blocks("```sh\nlastgood status\n```\n").is_err(),
        "nobody types it"
    );
}
