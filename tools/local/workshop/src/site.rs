//! The deployments, and what GitHub refuses.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

/// Longest description of a status, in characters (REST API, "Create a deployment status").
const DESCRIPTION_LENGTH_MAX: usize = 140;
/// What a status may be.
const STATES: [&str; 7] = [
    "error",
    "failure",
    "inactive",
    "in_progress",
    "pending",
    "queued",
    "success",
];

/// A deployment of a commit.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Its id.
    pub id: u64,
    /// Its repository, as `owner/name`.
    pub repository: String,
    /// The commit.
    pub commit: String,
    /// The environment.
    pub environment: String,
    /// Whether users work with it.
    pub production: bool,
    /// What it is, as was said.
    pub description: String,
    /// What else was said.
    pub payload: Value,
    /// When it was made.
    pub at: Timestamp,
    /// How it stood, the newest last.
    pub statuses: Vec<Status>,
}

/// How a deployment stood.
#[derive(Debug, Clone)]
pub struct Status {
    /// GitHub's word.
    pub state: String,
    /// What happened.
    pub description: String,
    /// Where it can be read about.
    pub log_url: String,
    /// When it was said.
    pub at: Timestamp,
}

impl Deployment {
    /// How it stands now.
    #[must_use]
    pub fn state(&self) -> &str {
        let last = self.statuses.last();
        last.map_or("pending", |status| status.state.as_str())
    }

    fn json(&self) -> Value {
        json!({
            "id": self.id,
            "sha": self.commit,
            "ref": self.commit,
            "task": "deploy",
            "environment": self.environment,
            "production_environment": self.production,
            "transient_environment": false,
            "description": self.description,
            "payload": self.payload,
            "created_at": self.at.to_string(),
        })
    }
}

/// How well it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// Always.
    Kind,
    /// Half of all calls fail: too many requests, trouble within, or done and the answer lost.
    Moody,
    /// Never.
    Down,
}

#[derive(Debug)]
struct State {
    deployments: Vec<Deployment>,
    manners: Manners,
    chance: fastrand::Rng,
}

/// All repositories of one owner.
#[derive(Debug)]
pub struct Site {
    owner: String,
    state: Mutex<State>,
}

/// An answer: status, `Retry-After`, body.
pub(crate) type Answer = (u16, Option<u32>, Value);

/// What is asked for when a deployment is made, with GitHub's defaults.
#[derive(Deserialize)]
struct Wanted {
    r#ref: String,
    #[serde(default = "yes")]
    auto_merge: bool,
    required_contexts: Option<Vec<String>>,
    #[serde(default)]
    payload: Value,
    #[serde(default = "production")]
    environment: String,
    production_environment: Option<bool>,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
struct Said {
    state: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    log_url: String,
    #[serde(default = "yes")]
    auto_inactive: bool,
}

fn yes() -> bool {
    true
}

fn production() -> String {
    "production".to_owned()
}

fn refused(status: u16, message: &str) -> Answer {
    (status, None, json!({ "message": message }))
}

impl Site {
    pub(crate) fn new(owner: String) -> Self {
        let state = State {
            deployments: Vec::new(),
            manners: Manners::Kind,
            chance: fastrand::Rng::with_seed(7),
        };
        Self {
            owner,
            state: Mutex::new(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All deployments, the oldest first.
    #[must_use]
    pub fn deployments(&self) -> Vec<Deployment> {
        self.lock().deployments.clone()
    }

    /// Changes how well it answers.
    pub fn behave(&self, manners: Manners) {
        self.lock().manners = manners;
    }

    /// Deletes a deployment, as somebody may.
    pub fn delete(&self, id: u64) {
        self.lock().deployments.retain(|it| it.id != id);
    }

    /// Runs a call, unless it goes wrong before anything is done, or its answer gets lost.
    fn call(&self, run: impl FnOnce(&mut State) -> Answer) -> Answer {
        let mut state = self.lock();
        match (state.manners, state.chance.u8(0..8)) {
            (Manners::Kind, _) | (Manners::Moody, 0..4) => run(&mut state),
            (Manners::Moody, 4) => {
                run(&mut state);
                refused(502, "Server Error")
            }
            (Manners::Moody, 5) => {
                let message = "You have exceeded a secondary rate limit";
                (403, Some(1), json!({ "message": message }))
            }
            (Manners::Moody | Manners::Down, _) => refused(503, "Service Unavailable"),
        }
    }

    fn has(&self, repository: &str) -> bool {
        let owner = repository.split_once('/').map(|(owner, _)| owner);
        owner == Some(&self.owner)
    }

    pub(crate) fn list(&self, repository: &str, commit: &str, environment: &str) -> Answer {
        self.call(|state| {
            if !self.has(repository) {
                return refused(404, "Not Found");
            }
            let newest_first = state.deployments.iter().rev();
            let listed = newest_first.filter(|it| {
                let fits = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
                it.repository == repository
                    && fits(commit, &it.commit)
                    && fits(environment, &it.environment)
            });
            (200, None, listed.map(Deployment::json).collect())
        })
    }

    pub(crate) fn make(&self, repository: &str, body: &[u8]) -> Answer {
        self.call(|state| {
            if !self.has(repository) {
                return refused(404, "Not Found");
            }
            let Ok(wanted) = serde_json::from_slice::<Wanted>(body) else {
                return refused(400, "Problems parsing JSON");
            };
            let is_commit =
                wanted.r#ref.len() >= 7 && wanted.r#ref.chars().all(|c| c.is_ascii_hexdigit());
            if !is_commit {
                return refused(422, &format!("No ref found for: {}", wanted.r#ref));
            }
            if wanted.auto_merge {
                return refused(409, "Conflict merging main into it");
            }
            if wanted.required_contexts.is_none_or(|all| !all.is_empty()) {
                return refused(409, "Commit status checks failed");
            }
            let id = state.deployments.last().map_or(1, |last| last.id + 1);
            let is_production = wanted.environment == production();
            let made = Deployment {
                id,
                repository: repository.to_owned(),
                commit: wanted.r#ref,
                production: wanted.production_environment.unwrap_or(is_production),
                environment: wanted.environment,
                description: wanted.description,
                payload: wanted.payload,
                at: Timestamp::now(),
                statuses: Vec::new(),
            };
            let answer = made.json();
            state.deployments.push(made);
            (201, None, answer)
        })
    }

    pub(crate) fn say(&self, repository: &str, id: u64, body: &[u8]) -> Answer {
        self.call(|state| {
            let Ok(said) = serde_json::from_slice::<Said>(body) else {
                return refused(400, "Problems parsing JSON");
            };
            if !STATES.contains(&said.state.as_str())
                || said.description.chars().count() > DESCRIPTION_LENGTH_MAX
            {
                return refused(422, "Validation Failed");
            }
            let mut all = state.deployments.iter_mut();
            let found = all.find(|it| it.id == id && it.repository == repository);
            let Some(found) = found else {
                return refused(404, "Not Found");
            };
            let status = Status {
                state: said.state,
                description: said.description,
                log_url: said.log_url,
                at: Timestamp::now(),
            };
            found.statuses.push(status.clone());
            let environment = found.environment.clone();
            if said.auto_inactive && status.state == "success" {
                let older = state.deployments.iter_mut().filter(|it| {
                    let same = it.repository == repository && it.environment == environment;
                    same && it.id != id && !it.production && it.state() == "success"
                });
                for it in older {
                    it.statuses.push(Status {
                        state: "inactive".to_owned(),
                        description: String::new(),
                        ..status.clone()
                    });
                }
            }
            (201, None, json!({ "id": id, "state": status.state }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "1a2b3c4d5e";

    fn make(site: &Site, more: Value) -> Answer {
        let mut body = json!({ "ref": COMMIT, "auto_merge": false, "required_contexts": [] });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        site.make("acme/shop", body.to_string().as_bytes())
    }

    fn say(site: &Site, id: u64, body: &Value) -> u16 {
        site.say("acme/shop", id, body.to_string().as_bytes()).0
    }

    #[test]
    fn what_github_refuses_is_refused() {
        let site = Site::new("acme".to_owned());
        let status = |more: Value| make(&site, more).0;
        assert_eq!(status(json!({ "ref": "main-that-is-not" })), 422);
        assert_eq!(status(json!({ "auto_merge": true })), 409);
        assert_eq!(status(json!({ "required_contexts": ["build"] })), 409);
        assert_eq!(site.list("other/shop", "", "").0, 404);
        assert_eq!(status(json!({})), 201);
        assert_eq!(say(&site, 1, &json!({ "state": "live" })), 422);
        let long = "x".repeat(DESCRIPTION_LENGTH_MAX + 1);
        let long = json!({ "state": "success", "description": long });
        assert_eq!(say(&site, 1, &long), 422);
        assert_eq!(say(&site, 2, &json!({ "state": "success" })), 404);
    }

    #[test]
    fn older_ones_turn_inactive_by_themselves_only_where_no_users_are() {
        let site = Site::new("acme".to_owned());
        let success = json!({ "state": "success" });
        for environment in ["production", "test"] {
            for _ in 0..2 {
                let made = make(&site, json!({ "environment": environment }));
                let id = made.2["id"].as_u64().unwrap();
                assert_eq!(say(&site, id, &success), 201);
            }
        }
        let states: Vec<String> = site
            .deployments()
            .iter()
            .map(|it| it.state().to_owned())
            .collect();
        assert_eq!(states, ["success", "success", "inactive", "success"]);
    }
}
