//! One way to decode a sample, whichever function it is for.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use domain::Timestamp;
use intake::command::Called;
use intake::dockerhub::WebhookKey;
use intake::image::Received;
use intake::queue::QueueRecord;
use intake::slack::SigningSecret;
use intake::stream::{Held, StreamRecord};
use intake::wire::{Desk, Errand};
use intake::{Decoded, Refusal};

/// Every function that receives events.
pub(crate) const FUNCTIONS: [&str; 14] = [
    "alarm-changed",
    "api-call-recorded",
    "approval",
    "artefact-uploaded",
    "button-pressed",
    "command",
    "deployer",
    "deployment-changed",
    "github",
    "image-pushed",
    "lifecycle-hook",
    "notifier",
    "reconciler",
    "slack",
];

/// What a sample came to, for people and for comparison.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    /// The function goes on with this.
    Taken(String),
    /// Fine and silent.
    Ignored(String),
    /// Refused, all of it or one record of a batch.
    Refused(String),
}

/// Decodes a sample as `function` does.
pub(crate) fn decode(function: &str, bytes: &[u8]) -> Outcome {
    match function {
        "artefact-uploaded" => input(intake::s3::decode(bytes)),
        "image-pushed" => image(bytes),
        "api-call-recorded" => input(intake::cloudtrail::decode(bytes, &ourselves())),
        "alarm-changed" => input(intake::cloudwatch::decode(bytes)),
        "deployment-changed" => input(intake::deployment::decode(bytes)),
        "lifecycle-hook" => taken(intake::hook::decode(bytes)),
        "approval" => taken(intake::command::decode(bytes, Desk::Approval).map(Asked::of)),
        "command" => taken(intake::command::decode(bytes, Desk::Command).map(Asked::of)),
        "deployer" | "notifier" => batch(intake::stream::decode(bytes)),
        "button-pressed" => pressed(bytes),
        "github" | "slack" => queue(intake::queue::decode(bytes)),
        "reconciler" => taken(intake::schedule::decode(bytes)),
        other => panic!("no function is called {other}"),
    }
}

/// The key in the paths of the samples.
const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";

fn image(bytes: &[u8]) -> Outcome {
    match intake::image::decode(bytes) {
        Ok(Received::Event(decoded)) => input(Ok(decoded)),
        Ok(Received::Call(call)) => taken(call.open(&WebhookKey::new(KEY).unwrap())),
        Err(refusal) => input(Err(refusal)),
    }
}

/// The signing secret of the samples, and when they were sent.
pub(crate) const SECRET: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
pub(crate) const SENT_AT: i64 = 1_764_151_260;

fn pressed(bytes: &[u8]) -> Outcome {
    let secret = SigningSecret::new(SECRET).unwrap();
    let now = Timestamp::from_second(SENT_AT).unwrap();
    taken(intake::slack::decode(bytes).and_then(|call| call.open(&secret, now)))
}

/// Who deploys, as the template tells the function.
fn ourselves() -> intake::cloudtrail::Ourselves {
    intake::cloudtrail::Ourselves {
        role: "arn:aws:iam::111122223333:role/lastgood-deployer-ap-south-1".into(),
        session: "lastgood-deployer".into(),
    }
}

/// A request, without the whole of a service file.
#[derive(Debug)]
#[expect(dead_code, reason = "only its Debug is read")]
struct Asked {
    by: String,
    id: String,
    service: String,
    request: Result<domain::fact::Request, String>,
}

impl Asked {
    fn of(called: Called) -> Self {
        let request = match called.command.ask.errand() {
            Errand::Decide(request) => Ok(request),
            Errand::Configure(file) => {
                let stages: Vec<&str> = file.stages.iter().map(|stage| &*stage.name).collect();
                Err(format!(
                    "apply a file with the stages {}",
                    stages.join(", ")
                ))
            }
        };
        let service = called.command.service.to_string();
        Self {
            by: called.by.to_string(),
            id: called.command.id.0,
            service,
            request,
        }
    }
}

fn input(decoded: Result<Decoded, Refusal>) -> Outcome {
    match decoded {
        Ok(Decoded::Input(input)) => Outcome::Taken(format!("{input:#?}")),
        Ok(Decoded::Ignored(why)) => Outcome::Ignored(why.to_string()),
        Err(refusal) => Outcome::Refused(refusal.to_string()),
    }
}

fn taken<T: std::fmt::Debug>(decoded: Result<T, Refusal>) -> Outcome {
    match decoded {
        Ok(call) => Outcome::Taken(format!("{call:#?}")),
        Err(refusal) => Outcome::Refused(refusal.to_string()),
    }
}

fn queue(decoded: Result<Vec<QueueRecord>, Refusal>) -> Outcome {
    match decoded {
        Ok(records) if records.iter().all(|record| record.announced.is_ok()) => {
            Outcome::Taken(format!("{records:#?}"))
        }
        Ok(records) => Outcome::Refused(format!("{records:#?}")),
        Err(refusal) => Outcome::Refused(refusal.to_string()),
    }
}

fn batch(decoded: Result<Vec<StreamRecord>, Refusal>) -> Outcome {
    let records = match decoded {
        Ok(records) => records,
        Err(refusal) => return Outcome::Refused(refusal.to_string()),
    };
    let mut text = String::new();
    let mut refused = false;
    let mut commits = 0;
    for StreamRecord { sequence, held } in &records {
        let what = match held {
            Held::Commit(commit) => {
                commits += 1;
                format!("{commit:#?}")
            }
            Held::Ignored(why) => format!("ignored: {why}"),
            Held::Refused(refusal) => {
                refused = true;
                format!("refused: {refusal}")
            }
        };
        writeln!(text, "{sequence}: {what}").unwrap();
    }
    match (refused, commits) {
        (true, _) => Outcome::Refused(text),
        (false, 0) => Outcome::Ignored(text),
        (false, _) => Outcome::Taken(text),
    }
}

/// The folder of samples.
pub(crate) fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events")
}

/// The files of a folder, by name; a folder in it is an orphan.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for file in &files {
        assert!(file.is_file(), "nothing decodes {}", file.display());
    }
    files
}
