//! Nothing in the guides is outdated: what they tell people to type is parsed by the program's own
//! definition, and every piece of a service file is read as one. What can run on one machine is
//! run by the local system's tests.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, Parser as _};
use domain::file::Home;

use crate::args::Cli;
use crate::yaml::Source;

/// A fenced block: what the fence says, and what is in it.
struct Block {
    info: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Everything that tells people what to type.
fn pages() -> Vec<PathBuf> {
    let root = root();
    let mut pages = vec![root.join("README.md"), root.join("infra/README.md")];
    for folder in [
        "docs",
        "integrations/jenkins",
        "integrations/github-actions",
    ] {
        let files = fs::read_dir(root.join(folder)).unwrap();
        pages.extend(files.map(|file| file.unwrap().path()));
    }
    pages.retain(|page| {
        page.extension()
            .is_some_and(|end| end == "md" || end == "yaml")
    });
    pages.sort();
    pages
}

/// The fenced blocks of a page, those inside lists too.
fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix("```") else {
            continue;
        };
        let inside = lines.by_ref().take_while(|line| line.trim() != "```");
        let text = inside.map(|line| format!("{line}\n")).collect();
        let info = info.to_owned();
        blocks.push(Block { info, text });
    }
    blocks
}

/// The lines of a script that call `lastgood`, with continued lines joined.
fn calls(script: &str) -> impl Iterator<Item = String> {
    let joined = script.replace("\\\n", " ");
    let lines: Vec<String> = joined.lines().map(|line| line.trim().to_owned()).collect();
    lines
        .into_iter()
        .filter(|line| line.starts_with("lastgood "))
}

/// What is set in a line as code and calls `lastgood`.
fn mentions(page: &str) -> Vec<String> {
    let mut fenced = false;
    let mut mentions = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let code = line.split('`').skip(1).step_by(2);
            let calls = code.filter(|code| code.starts_with("lastgood "));
            mentions.extend(calls.map(str::to_owned));
        }
    }
    mentions
}

/// What a shell makes of a line: words and quotes, up to a comment, a pipe or another command.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for letter in line.chars() {
        match (letter, quote) {
            (end, Some(open)) if end == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (' ', None) => words.extend(word.take()),
            ('#' | '|' | '>' | ';' | '&', None) if word.is_none() => return words,
            (other, _) => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

/// Whether somebody can type it.
fn typed(line: &str) -> Result<(), String> {
    let words = words(line);
    match Cli::try_parse_from(&words) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{line}\n{error}")),
    }
}

/// A verb that is only mentioned needs no arguments.
fn mentioned(code: &str) -> Result<(), String> {
    let verb = code.strip_prefix("lastgood ").unwrap_or_default();
    let known = Cli::command().find_subcommand(verb).is_some();
    if known { Ok(()) } else { typed(code) }
}

/// A whole service file around a piece of one; none when it is no piece of one.
fn completed(piece: &str) -> Option<String> {
    // ECS runs images, CodeDeploy archives.
    let images = ["ecs:", "ecr:", "oci:"].iter().any(|it| piece.contains(it));
    let (source, target) = if images {
        (
            "ecr: { repository: shop/web }",
            "ecs: { cluster: dev, service: web, containers: [web] }",
        )
    } else {
        (
            "s3: { bucket: shop-artefacts, prefix: web/ }",
            "codedeploy: { application: web, group: dev }",
        )
    };
    let source = format!("artefact: {{ {source} }}\n");
    let stage = format!("stages:\n  - name: dev\n    target: {{ {target} }}\n");
    let first = piece.lines().find(|line| !line.trim().is_empty())?;
    Some(match first.split(':').next()? {
        "service" => piece.to_owned(),
        "artefact" => format!("service: web\n{piece}{stage}"),
        "stages" => format!("service: web\n{source}{piece}"),
        "  - name" => format!("service: web\n{source}stages:\n{piece}"),
        "    gate" => format!("service: web\n{source}{stage}{piece}"),
        _ => return None,
    })
}

/// What is wrong with a service file, as `lastgood validate` says it.
fn read(text: &str) -> Result<(), String> {
    let home = Home {
        account: "111122223333".parse().unwrap(),
        region: "ap-south-1".parse().unwrap(),
    };
    let read = Source::parse("guide.yaml".to_owned(), text.to_owned());
    let read = read.map_err(|failure| format!("{failure:?}"))?;
    let resolved = read.file.resolve(&home);
    resolved.map(drop).map_err(|wrong| format!("{wrong:?}"))
}

/// How much of a page was tried, or the first thing that is wrong with it.
fn tried(page: &Path) -> Result<(usize, usize), String> {
    let text = fs::read_to_string(page).unwrap();
    let (mut commands, mut files) = (0, 0);
    if page.extension().is_some_and(|end| end == "yaml") {
        for call in calls(&text) {
            typed(&call)?;
            commands += 1;
        }
        return Ok((commands, 0));
    }
    for block in blocks(&text) {
        let language = block.info.split(' ').next().unwrap_or_default();
        match language {
            "sh" => {
                for call in calls(&block.text) {
                    typed(&call)?;
                    commands += 1;
                }
            }
            "yaml" => {
                let piece = completed(&block.text);
                let whole = piece.ok_or_else(|| format!("a piece of what?\n{}", block.text))?;
                read(&whole.replace("BUCKET", "shop-artefacts"))?;
                files += 1;
            }
            _ => {}
        }
    }
    for code in mentions(&text) {
        mentioned(&code)?;
        commands += 1;
    }
    Ok((commands, files))
}

#[test]
fn words_are_split_as_a_shell_does() {
    let line = r#"lastgood freeze --all --reason "the sale" '' x=a'b c' # why"#;
    let wanted = [
        "lastgood", "freeze", "--all", "--reason", "the sale", "", "x=ab c",
    ];
    assert_eq!(words(line), wanted);
}

#[test]
fn commands_are_found_in_blocks_and_in_lines() {
    let page = "```sh as=alice\nlastgood status \\\n  web\n```\n   ```yaml\nlastgood no\n   ```\n\
                say `lastgood why web dev` or `cargo run`\n";
    let found = blocks(page);
    assert_eq!(found.len(), 2);
    assert_eq!(calls(&found[0].text).count(), 1);
    assert_eq!(mentions(page), ["lastgood why web dev"]);
    // What is outdated is noticed.
    assert!(typed("lastgood approve web production --now").is_err());
    assert!(mentioned("lastgood frieze").is_err());
    assert!(mentioned("lastgood freeze").is_ok());
    assert!(read(&completed("    gate: manual\n").unwrap()).is_err());
    assert!(completed("a: b\n").is_none());
}

#[test]
fn nothing_in_the_guides_is_outdated() {
    let (mut commands, mut files) = (0, 0);
    for page in pages() {
        match tried(&page) {
            Ok((typed, read)) => {
                commands += typed;
                files += read;
            }
            Err(wrong) => panic!("{}: {wrong}", page.display()),
        }
    }
    assert!(commands > 80, "only {commands} commands were found");
    assert!(files > 8, "only {files} pieces of service files were found");
}
