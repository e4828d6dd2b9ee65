//! The checks that fields share. Each notes a problem with its place and goes on.

use std::fmt::Display;
use std::str::FromStr;

use jiff::SignedDuration;

use super::{Problem, span};
use crate::config::{Hook, SmokeCheck};
use crate::name::{DOCKER_HUB, Registry};

/// Most entries of a list that has no limit of its own.
pub(super) const LIST_MAX: usize = 20;
/// Most containers of a task definition (Amazon ECS service quotas).
const CONTAINERS_MAX: usize = 10;
/// Longest text of one field, in bytes.
const TEXT_MAX: usize = 1024;
/// Largest limit per minute or per day: a larger one would be none.
const RATE_MAX: u32 = 1000;
/// Hosts that people know Docker Hub by, beside the one that stands before its images' names.
const DOCKER_HUB_ALSO: [&str; 4] = [
    "hub.docker.com",
    "index.docker.io",
    "registry-1.docker.io",
    "registry.hub.docker.com",
];
/// How alike a word must be to be suggested, from 0 to 1.
const ALIKE_MIN: f64 = 0.7;

/// Lifecycle events at which CodeDeploy calls a function during an ECS deployment (CodeDeploy user
/// guide, AppSpec `hooks` section for an Amazon ECS deployment).
const HOOK_EVENTS: [&str; 5] = [
    "BeforeInstall",
    "AfterInstall",
    "AfterAllowTestTraffic",
    "BeforeAllowTraffic",
    "AfterAllowTraffic",
];

/// Problems noted so far.
#[derive(Default)]
pub(super) struct Check {
    pub(super) problems: Vec<Problem>,
}

impl Check {
    /// Notes a problem.
    pub(super) fn problem(&mut self, path: &str, message: impl Into<String>, hint: &str) {
        self.problems.push(Problem {
            path: path.to_owned(),
            message: message.into(),
            hint: Some(hint.to_owned()),
        });
    }

    /// A value whose own error says what to write.
    pub(super) fn name<T>(&mut self, path: &str, text: &str) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        text.parse()
            .map_err(|error: T::Err| {
                let message = error.to_string();
                self.problems.push(Problem {
                    path: path.to_owned(),
                    message,
                    hint: None,
                });
            })
            .ok()
    }

    /// The same, or what holds when nothing is written.
    pub(super) fn name_or<T>(&mut self, path: &str, text: Option<&String>, home: &T) -> Option<T>
    where
        T: FromStr<Err: Display> + Clone,
    {
        text.map_or_else(|| Some(home.clone()), |text| self.name(path, text))
    }

    /// A text that is not empty and not too long.
    pub(super) fn text(&mut self, path: &str, text: &str) {
        if text.trim().is_empty() {
            self.problem(path, "it is empty", "write its name");
        }
        self.fits(path, text);
    }

    /// A text that is not too long.
    pub(super) fn fits(&mut self, path: &str, text: &str) {
        if text.len() > TEXT_MAX {
            let message = format!("it is {} bytes long", text.len());
            self.problem(path, message, &format!("{TEXT_MAX} bytes at most"));
        }
    }

    /// A list that is not too long.
    pub(super) fn length(&mut self, path: &str, length: usize, most: usize) {
        if length > most {
            self.problem(
                path,
                format!("{length} are too many"),
                &format!("{most} at most"),
            );
        }
    }

    /// A list of texts, at least one, none twice. What is beyond the most is not looked at one by
    /// one: the work does not grow with the square of a list that is wrong anyway.
    pub(super) fn texts(&mut self, path: &str, texts: &[String], most: usize, such_as: &str) {
        if texts.is_empty() {
            self.problem(
                path,
                "the list is empty",
                &format!("write at least one, {such_as}"),
            );
        }
        self.length(path, texts.len(), most);
        for (at, text) in texts.iter().take(most).enumerate() {
            self.text(&format!("{path}/{at}"), text);
            if texts.iter().take(at).any(|earlier| earlier == text) {
                let message = format!("{text:?} is listed already");
                self.problem(&format!("{path}/{at}"), message, "list it once");
            }
        }
    }

    /// Every text of a list parsed, or each one's error noted; again of no more than the most.
    pub(super) fn each<T>(
        &mut self,
        path: &str,
        texts: &[String],
        most: usize,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        self.length(path, texts.len(), most);
        let parsed: Vec<Option<T>> = texts
            .iter()
            .take(most)
            .enumerate()
            .map(|(at, text)| {
                parse(text)
                    .map_err(|message| {
                        let path = format!("{path}/{at}");
                        self.problems.push(Problem {
                            path,
                            message,
                            hint: None,
                        });
                    })
                    .ok()
            })
            .collect();
        parsed.into_iter().collect()
    }

    /// A duration within bounds.
    pub(super) fn duration(
        &mut self,
        path: &str,
        text: &str,
        least: SignedDuration,
        most: SignedDuration,
    ) -> Option<SignedDuration> {
        let between = format!("between {} and {}", span::words(least), span::words(most));
        match span::parse(text) {
            Err(error) => {
                let hint = format!("write 10s, 5m, 2h or 7d, {between}");
                self.problem(path, error.to_string(), &hint);
                None
            }
            Ok(duration) if duration < least || duration > most => {
                self.problem(
                    path,
                    format!("{text:?} is out of bounds"),
                    &format!("write one {between}"),
                );
                None
            }
            Ok(duration) => Some(duration),
        }
    }

    /// A limit per minute or per day.
    pub(super) fn rate(&mut self, path: &str, rate: u32) {
        if !(1..=RATE_MAX).contains(&rate) {
            self.problem(
                path,
                format!("{rate} is no limit"),
                &format!("write 1 to {RATE_MAX}"),
            );
        }
    }

    /// A bucket's name (Amazon S3 user guide, general purpose bucket naming rules).
    pub(super) fn bucket(&mut self, path: &str, name: &str) {
        let allowed =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
        if !(3..=63).contains(&name.len()) || !name.bytes().all(allowed) {
            let hint = "3 to 63 lower-case letters, digits, hyphens and dots; no s3:// and no path";
            self.problem(path, format!("{name:?} is no bucket's name"), hint);
        }
    }

    /// A repository of images with the tags that make releases. Its name is written without host
    /// and tag (OCI distribution specification, "Pulling manifests").
    pub(super) fn images(&mut self, at: &str, repository: &str, tags: &[String]) {
        let path = format!("{at}/repository");
        self.text(&path, repository);
        let allowed =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
        let is_part = |part: &str| !part.is_empty() && part.bytes().all(allowed);
        let is_name = repository.split('/').all(is_part);
        if !is_name && !repository.trim().is_empty() {
            let hint = "write it as shop/web, without registry, tag and digest";
            self.problem(
                &path,
                format!("{repository:?} is no repository's name"),
                hint,
            );
        }
        let such_as = "a pattern such as main-*";
        self.texts(&format!("{at}/tags"), tags, LIST_MAX, such_as);
    }

    /// A registry of the OCI distribution API, by the name that stands before an image's.
    pub(super) fn registry(&mut self, path: &str, text: &str) -> Option<Registry> {
        if DOCKER_HUB_ALSO.contains(&text) {
            let hint = format!("write {DOCKER_HUB}");
            self.problem(
                path,
                format!("{text:?} is Docker Hub's by another name"),
                &hint,
            );
            return None;
        }
        if text.contains(".dkr.ecr.") {
            let hint = "use artefact: ecr, whose pushes come as events";
            self.problem(path, format!("{text:?} is a registry of ECR"), hint);
            return None;
        }
        self.name(path, text)
    }

    /// An ECS service with its containers. Names, because ARNs are made of them and the place.
    pub(super) fn ecs(&mut self, path: &str, cluster: &str, service: &str, containers: &[String]) {
        for (field, text) in [("cluster", cluster), ("service", service)] {
            let path = format!("{path}/{field}");
            self.text(&path, text);
            if text.contains([':', '/']) {
                let name = text.rsplit(['/', ':']).next().unwrap_or_default();
                self.problem(
                    &path,
                    format!("{text:?} is no name"),
                    &format!("write {name:?}"),
                );
            }
        }
        let such_as = "the container whose image a release replaces";
        self.texts(
            &format!("{path}/containers"),
            containers,
            CONTAINERS_MAX,
            such_as,
        );
    }

    /// Lifecycle hooks of a blue/green deployment.
    pub(super) fn hooks(&mut self, path: &str, hooks: &[Hook]) {
        self.length(path, hooks.len(), HOOK_EVENTS.len());
        for (at, hook) in hooks.iter().take(HOOK_EVENTS.len()).enumerate() {
            self.text(&format!("{path}/{at}/function"), &hook.function);
            if !HOOK_EVENTS.contains(&hook.event.as_str()) {
                let message = format!(
                    "{:?} is no lifecycle event of an ECS deployment",
                    hook.event
                );
                let hint = alike(&hook.event, &HOOK_EVENTS).map_or_else(
                    || format!("write one of {}", HOOK_EVENTS.join(", ")),
                    |event| format!("did you mean {event}?"),
                );
                self.problem(&format!("{path}/{at}/event"), message, &hint);
            }
        }
    }

    /// HTTP checks.
    pub(super) fn smoke(&mut self, path: &str, checks: &[SmokeCheck]) {
        self.length(path, checks.len(), LIST_MAX);
        for (at, check) in checks.iter().take(LIST_MAX).enumerate() {
            let url = format!("{path}/{at}/url");
            self.fits(&url, &check.url);
            if !is_http(&check.url) {
                let message = format!("{:?} is no HTTP address", check.url);
                self.problem(&url, message, "write https://shop.example/health");
            }
            if !(100..=599).contains(&check.status) {
                let message = format!("{} is no HTTP status", check.status);
                self.problem(&format!("{path}/{at}/status"), message, "write 100 to 599");
            }
        }
    }
}

fn is_http(url: &str) -> bool {
    url.strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))
        .is_some_and(|rest| {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            !host.is_empty() && !url.contains(char::is_whitespace)
        })
}

/// The word most like `text`, when one is.
fn alike<'a>(text: &str, words: &[&'a str]) -> Option<&'a str> {
    let of = |word: &str| strsim::jaro_winkler(&text.to_lowercase(), &word.to_lowercase());
    words
        .iter()
        .map(|word| (of(word), *word))
        .filter(|(score, _)| *score >= ALIKE_MIN)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, word)| word)
}
