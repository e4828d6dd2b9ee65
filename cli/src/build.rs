//! What is known about a build: what was typed, else what Jenkins, GitHub or GitLab say in the
//! environment, else what git says about the working folder; and how it travels with an upload.

use std::collections::BTreeMap;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use domain::{BuildFacts, Timestamp};

/// Facts about the build, which win over what is found out.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Facts about the build, found out when left out")]
pub(crate) struct Given {
    /// The version people call it by
    #[arg(long, value_name = "TEXT")]
    pub(crate) version: Option<String>,
    /// The source commit
    #[arg(long, value_name = "HASH")]
    pub(crate) commit: Option<String>,
    /// Who wrote the commit
    #[arg(long, value_name = "NAME <MAIL>")]
    pub(crate) author: Option<String>,
    /// When the commit was made
    #[arg(long, value_name = "TIME")]
    pub(crate) committed_at: Option<Timestamp>,
    /// The branch
    #[arg(long, value_name = "NAME")]
    pub(crate) branch: Option<String>,
    /// The build server's job; build numbers are compared within one
    #[arg(long, value_name = "NAME")]
    pub(crate) job: Option<String>,
    /// The number of the build within its job
    #[arg(long, value_name = "NUMBER")]
    pub(crate) build_number: Option<u64>,
    /// Where the build can be read about
    #[arg(long, value_name = "URL")]
    pub(crate) build_url: Option<String>,
    /// The source repository
    #[arg(long, value_name = "URL")]
    pub(crate) repository: Option<String>,
    /// Going back from it would not bring the old state back, as after a one-way migration
    #[arg(long)]
    pub(crate) irreversible: bool,
}

/// What git says about the working folder.
#[derive(Debug, Clone, Default)]
pub(crate) struct Git {
    commit: Option<String>,
    author: Option<String>,
    committed_at: Option<Timestamp>,
    branch: Option<String>,
    repository: Option<String>,
}

impl Git {
    /// Asks git; where there is none, or no repository, nothing is known.
    pub(crate) fn of_working_folder() -> Self {
        let log = git(&["log", "-1", "--format=%H%n%an <%ae>%n%cI"]).unwrap_or_default();
        let mut lines = log.lines().map(str::to_owned);
        Self {
            commit: lines.next(),
            author: lines.next(),
            committed_at: lines.next().and_then(|time| time.parse().ok()),
            branch: git(&["symbolic-ref", "--quiet", "--short", "HEAD"]),
            repository: git(&["remote", "get-url", "origin"]),
        }
    }
}

/// What git answers in the working folder; `None` where there is none, or it does not know.
pub(crate) fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// What a build server says in the environment: Jenkins, GitHub or GitLab.
fn of_server(env: impl Fn(&str) -> Option<String>) -> BuildFacts {
    let var = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| env(name).filter(|v| !v.is_empty()))
    };
    let joined = |one: &str, other: &str| Some(format!("{}/{}", var(&[one])?, var(&[other])?));
    let branch = [
        "GIT_BRANCH",
        "GITHUB_HEAD_REF",
        "GITHUB_REF_NAME",
        "CI_COMMIT_REF_NAME",
    ];
    let on_github = || joined("GITHUB_SERVER_URL", "GITHUB_REPOSITORY");
    let run = || {
        Some(format!(
            "{}/actions/runs/{}",
            on_github()?,
            var(&["GITHUB_RUN_ID"])?
        ))
    };
    BuildFacts {
        commit: var(&["GIT_COMMIT", "GITHUB_SHA", "CI_COMMIT_SHA"]),
        // Jenkins names the remote too.
        branch: var(&branch).map(|name| name.trim_start_matches("origin/").to_owned()),
        job: var(&["JOB_NAME"])
            .or_else(|| joined("GITHUB_REPOSITORY", "GITHUB_WORKFLOW"))
            .or_else(|| var(&["CI_PROJECT_PATH"])),
        build_number: var(&["BUILD_NUMBER", "GITHUB_RUN_NUMBER", "CI_PIPELINE_IID"])
            .and_then(|number| number.parse().ok()),
        build_url: var(&["BUILD_URL", "CI_PIPELINE_URL"]).or_else(run),
        repository: var(&["GIT_URL", "CI_PROJECT_URL"]).or_else(on_github),
        ..BuildFacts::default()
    }
}

/// What is known in the end. What git says counts only for the commit that is built.
pub(crate) fn facts(given: Given, env: impl Fn(&str) -> Option<String>, git: Git) -> BuildFacts {
    let server = of_server(env);
    let commit = given.commit.or(server.commit);
    let is_head = match (&commit, &git.commit) {
        (Some(commit), Some(head)) => head.starts_with(commit.as_str()),
        (Some(_) | None, Some(_) | None) => true,
    };
    let (author, committed_at) = if is_head {
        (git.author, git.committed_at)
    } else {
        (None, None)
    };
    let repository = given.repository.or(server.repository).or(git.repository);
    BuildFacts {
        version: given.version,
        commit: commit.or(git.commit),
        author: given.author.or(author),
        committed_at: given.committed_at.or(committed_at),
        branch: given.branch.or(server.branch).or(git.branch),
        job: given.job.or(server.job),
        build_number: given.build_number.or(server.build_number),
        build_url: given.build_url.or(server.build_url),
        repository: repository.map(|url| bare(&url)),
        irreversible: given.irreversible,
    }
}

/// An address without the user and the password that build servers leave in it.
fn bare(url: &str) -> String {
    match url
        .split_once("://")
        .map(|(scheme, rest)| (scheme, rest.split_once('@')))
    {
        Some((scheme, Some((user, rest)))) if !user.contains('/') => format!("{scheme}://{rest}"),
        Some((_, Some(_) | None)) | None => url.to_owned(),
    }
}

/// The facts as an object's metadata, by their names with hyphens. Metadata is ASCII; other text is
/// written as RFC 2047 says, as S3 itself shows it.
pub(crate) fn metadata(facts: &BuildFacts) -> BTreeMap<&'static str, String> {
    let fields = [
        ("version", facts.version.clone()),
        ("commit", facts.commit.clone()),
        ("author", facts.author.clone()),
        (
            "committed-at",
            facts.committed_at.map(|time| time.to_string()),
        ),
        ("branch", facts.branch.clone()),
        ("job", facts.job.clone()),
        (
            "build-number",
            facts.build_number.map(|number| number.to_string()),
        ),
        ("build-url", facts.build_url.clone()),
        ("repository", facts.repository.clone()),
        (
            "irreversible",
            facts.irreversible.then(|| "true".to_owned()),
        ),
    ];
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name, ascii(&value?))))
        .collect()
}

fn ascii(text: &str) -> String {
    if text
        .bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_graphic())
    {
        text.to_owned()
    } else {
        format!("=?UTF-8?B?{}?=", STANDARD.encode(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Git {
        Git {
            commit: Some("0123456789abcdef".into()),
            author: Some("Mira <mira@shop.example>".into()),
            committed_at: Some("2026-11-23T10:00:00Z".parse().unwrap()),
            branch: Some("main".into()),
            repository: Some("https://token:secret@git.shop.example/web.git".into()),
        }
    }

    fn env<'a>(vars: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| {
            vars.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn git_tells_when_nobody_else_does() {
        let facts = facts(Given::default(), env(&[]), head());
        assert_eq!(facts.commit.as_deref(), Some("0123456789abcdef"));
        assert_eq!(facts.author.as_deref(), Some("Mira <mira@shop.example>"));
        assert_eq!(
            facts.repository.as_deref(),
            Some("https://git.shop.example/web.git")
        );
        assert_eq!((facts.job, facts.build_number), (None, None));
    }

    #[test]
    fn jenkins_tells_job_number_and_branch() {
        let jenkins = [
            ("JOB_NAME", "shop/web"),
            ("BUILD_NUMBER", "42"),
            ("BUILD_URL", "https://jenkins.shop.example/job/web/42/"),
            ("GIT_COMMIT", "0123456789abcdef"),
            ("GIT_BRANCH", "origin/release"),
        ];
        let facts = facts(Given::default(), env(&jenkins), head());
        assert_eq!(facts.job.as_deref(), Some("shop/web"));
        assert_eq!(facts.build_number, Some(42));
        assert_eq!(facts.branch.as_deref(), Some("release"));
        assert_eq!(facts.author.as_deref(), Some("Mira <mira@shop.example>"));
    }

    #[test]
    fn github_tells_the_same() {
        let github = [
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REPOSITORY", "shop/web"),
            ("GITHUB_WORKFLOW", "release"),
            ("GITHUB_RUN_NUMBER", "7"),
            ("GITHUB_RUN_ID", "991"),
            ("GITHUB_SHA", "0123456789abcdef"),
            ("GITHUB_REF_NAME", "main"),
            ("GITHUB_HEAD_REF", ""),
        ];
        let facts = facts(Given::default(), env(&github), Git::default());
        assert_eq!(facts.job.as_deref(), Some("shop/web/release"));
        assert_eq!(
            facts.build_url.as_deref(),
            Some("https://github.com/shop/web/actions/runs/991")
        );
        assert_eq!(
            facts.repository.as_deref(),
            Some("https://github.com/shop/web")
        );
        assert_eq!(facts.branch.as_deref(), Some("main"));
    }

    #[test]
    fn what_is_typed_wins_and_another_commits_author_is_not_taken() {
        let given = Given {
            commit: Some("fedcba".into()),
            version: Some("1.4.2".into()),
            build_number: Some(9),
            ..Given::default()
        };
        let facts = facts(given, env(&[("BUILD_NUMBER", "42")]), head());
        assert_eq!(facts.commit.as_deref(), Some("fedcba"));
        assert_eq!((facts.author, facts.committed_at), (None, None));
        assert_eq!(facts.build_number, Some(9));
        let given = Given {
            commit: Some("0123456".into()),
            ..Given::default()
        };
        assert!(
            super::facts(given, env(&[]), head()).author.is_some(),
            "a short hash is the same commit"
        );
    }

    #[test]
    fn metadata_is_ascii() {
        let facts = BuildFacts {
            author: Some("José <jose@shop.example>".into()),
            version: Some("1.4.2".into()),
            build_number: Some(42),
            irreversible: true,
            ..BuildFacts::default()
        };
        let metadata = metadata(&facts);
        assert_eq!(metadata["version"], "1.4.2");
        assert_eq!(metadata["build-number"], "42");
        assert_eq!(metadata["irreversible"], "true");
        assert_eq!(
            metadata["author"],
            "=?UTF-8?B?Sm9zw6kgPGpvc2VAc2hvcC5leGFtcGxlPg==?="
        );
        assert!(!metadata.contains_key("commit"));
    }
}
