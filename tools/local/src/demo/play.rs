//! What happens: three releases of each service go their way, and everything is looked for in three
//! places: in the ledger, on the platform, and in what people hear. What was not observed is an
//! error that says so.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{
    artefacts::{self, Build, Start},
    ledger::Entry,
    load::Count,
    report::{Row, Seen},
    running,
    show::Lane,
    stage::{Kind, PRODUCTION, STAGES, Scene, Service},
};

/// How long anything may take until it shows in the ledger.
const LEDGER_MAX: Duration = Duration::from_secs(90);
/// How long what the ledger says may take to be true on the platform, and to be heard.
const ECHO_MAX: Duration = Duration::from_secs(20);
/// Requests of customers, per second and service.
const CUSTOMERS: u32 = 150;
/// What `lastgood` answers when a rule says no.
const EXIT_NOT_ALLOWED: i32 = 4;
/// The release that a service which runs already begins with.
const ADOPTED: u64 = 1;
/// So many requests in a row must succeed after a rollback.
const QUIET_REQUESTS: u64 = 200;

/// The three releases. The third answers 500 to every fourth request, which nobody notices on dev
/// and test: nobody uses those.
pub(super) const BUILDS: [Build<'static>; 3] = [
    build("1.0.0", 1, 0.0),
    build("1.1.0", 2, 0.0),
    build("1.2.0", 3, 0.25),
];

const fn build(version: &'static str, number: u32, error_rate: f64) -> Build<'static> {
    Build {
        version,
        number,
        author: "Ravi <ravi@shop.example>",
        error_rate,
        start: Start::Runs,
        findings: None,
    }
}

/// One service's way through the play.
pub(super) struct Player<'a> {
    pub(super) scene: &'a Scene,
    pub(super) service: &'a Service,
    pub(super) lane: Lane,
    pub(super) rows: &'a Mutex<Vec<Row>>,
    pub(super) seen: &'a Mutex<Seen>,
}

/// A release, as the ledger numbered it.
struct Release {
    number: u64,
    version: &'static str,
    content: String,
}

impl Player<'_> {
    /// The first release: by itself to dev and test, by approval to production.
    pub(super) async fn first(&self) -> Result<()> {
        self.taken_over().await?;
        let [first, _, _] = &BUILDS;
        let release = self.to_the_gate(first).await?;
        self.approve(&release).await?;
        self.good(PRODUCTION, &release, None).await?;
        self.service.open(CUSTOMERS)?;
        self.say("customers come: real HTTP requests from now on");
        Ok(())
    }

    /// The second, into production while customers use it.
    pub(super) async fn second(&self) -> Result<()> {
        let [_, second, _] = &BUILDS;
        let release = self.to_the_gate(second).await?;
        let before = self.service.customers();
        self.approve(&release).await?;
        let count = self.good(PRODUCTION, &release, Some(before)).await?;
        anyhow::ensure!(
            count.sent > 0 && count.failed == 0,
            "{} of {} requests to {} failed while good release {} was rolled out",
            count.failed,
            count.sent,
            self.service.name,
            release.number
        );
        Ok(())
    }

    /// The third, which is bad.
    pub(super) async fn third(&self) -> Result<()> {
        let [_, second, third] = &BUILDS;
        let good = self.released(second).await?;
        let release = self.to_the_gate(third).await?;
        let before = self.service.customers();
        self.approve(&release).await?;
        self.rolled_back(&release, &good, before).await
    }

    /// What ran before Lastgood came: on ECS something that can be returned to, on new instances
    /// nothing.
    async fn taken_over(&self) -> Result<()> {
        for (stage, _) in STAGES {
            let what = format!("{stage} is taken over as it is");
            match self.service.kind {
                Kind::Ecs => {
                    self.ledger(&what, |entry| entry.is("adopted", stage, ADOPTED))
                        .await?;
                }
                Kind::CodeDeploy => {
                    self.ledger(&what, |entry| {
                        entry.kind() == "nothing_to_adopt" && entry.stage.as_deref() == Some(stage)
                    })
                    .await?;
                    self.hear("nothing-to-adopt", stage, None).await?;
                }
            }
        }
        self.say(match self.service.kind {
            Kind::Ecs => {
                "what it runs already is release 1: good, and where a bad one would go back to"
            }
            Kind::CodeDeploy => {
                "its instances are new: the first release has nothing to go back to"
            }
        });
        Ok(())
    }

    /// Publishes a build and follows it until it waits for a person.
    async fn to_the_gate(&self, build: &Build<'static>) -> Result<Release> {
        match self.service.kind {
            Kind::Ecs => {
                self.lane.now("pushing an image to ECR");
                let account = &self.scene.account;
                artefacts::push_image(account, "shop", build.version, build).await?;
            }
            Kind::CodeDeploy => self.publish(build).await?,
        }
        let release = self.released(build).await?;
        let how = match self.service.kind {
            Kind::Ecs => "its image was pushed to ECR",
            Kind::CodeDeploy => "ravi ran `lastgood publish`",
        };
        self.say(&format!(
            "release {} ({}): {how}",
            release.number, build.version
        ));
        for stage in ["dev", "test"] {
            self.good(stage, &release, None).await?;
        }
        self.waits(&release).await?;
        Ok(release)
    }

    async fn publish(&self, build: &Build<'static>) -> Result<()> {
        self.lane.now("packing and uploading a web application");
        let folder = artefacts::write_bundle(&self.scene.folder, build)?;
        let folder = folder.display().to_string();
        let number = build.number.to_string();
        let arguments = [
            "publish",
            self.service.name,
            &folder,
            "--version",
            build.version,
            "--author",
            build.author,
            "--job",
            self.service.name,
            "--build-number",
            &number,
        ];
        self.scene.ravi.must(&arguments).await.map(drop)
    }

    /// Finds the release that a build became.
    async fn released(&self, build: &Build<'static>) -> Result<Release> {
        let what = format!("version {} becomes a release", build.version);
        let entry = self
            .ledger(&what, |entry| {
                let version = entry.field("/release/build/version");
                entry.kind() == "released" && version.is_some_and(|it| it == build.version)
            })
            .await?;
        let artefact = entry.field("/release/artefact").unwrap_or(&Value::Null);
        Ok(Release {
            number: entry.release.context("a release without a number")?,
            version: build.version,
            content: running::content(artefact)?,
        })
    }

    /// A release is good on a stage: the ledger says so, the platform runs it everywhere, its front
    /// door answers, and people have heard of it.
    async fn good(&self, stage: &str, release: &Release, before: Option<Count>) -> Result<Count> {
        let (number, name) = (release.number, self.service.name);
        let what = format!("release {number} is good on {stage}");
        let end = self
            .ledger(&what, |it| it.is("succeeded", stage, number))
            .await?;
        let load = self.service.customers().since(before.unwrap_or_default());
        let running = self.runs(stage, release).await?;
        self.hear("succeeded", stage, number).await?;
        let seconds = self.since_start(stage, number, &end).await?;
        let customers = before.map_or_else(String::new, |_| {
            format!("; {} of {} requests failed", load.failed, load.sent)
        });
        let what = match self.service.kind {
            Kind::Ecs => "tasks run",
            Kind::CodeDeploy => "instances run",
        };
        self.say(&format!(
            "{stage}: {running} {what} release {number}, and it is good ({seconds:.1} s{customers})"
        ));
        self.row(Row {
            service: name,
            release: format!("{number} ({})", release.version),
            stage: stage.to_owned(),
            outcome: "good".to_owned(),
            seconds,
            load: before.map(|_| load),
        });
        Ok(load)
    }

    /// A release stands before production until a person says yes.
    async fn waits(&self, release: &Release) -> Result<()> {
        let number = release.number;
        let what = format!("release {number} waits for approval");
        self.ledger(&what, |entry| {
            entry.is("waits", PRODUCTION, number) && entry.field("/on/approval").is_some()
        })
        .await?;
        self.hear("approval", PRODUCTION, number).await?;
        let runs = self
            .service
            .target(PRODUCTION)
            .runs(&self.scene.account)
            .await?;
        anyhow::ensure!(
            !runs.contains_key(&release.content),
            "production runs release {number}, which nobody has approved: {runs:?}"
        );
        self.mark(|seen| seen.fleet += 1);
        self.say(&format!("production: release {number} waits for a person"));
        Ok(())
    }

    /// Its author may not approve it; somebody else may.
    async fn approve(&self, release: &Release) -> Result<()> {
        let (name, number) = (self.service.name, release.number.to_string());
        let arguments = ["approve", name, PRODUCTION, &number];
        let said = self.scene.ravi.run(&arguments).await?;
        anyhow::ensure!(
            said.code == Some(EXIT_NOT_ALLOWED),
            "ravi wrote release {number} of {name} and was to be refused; `lastgood approve` ended \
             with {:?}: {}{}",
            said.code,
            said.out,
            said.err
        );
        let with_reason: Vec<&str> = arguments
            .into_iter()
            .chain(["--reason", "looked at it on test"])
            .collect();
        self.scene.alice.must(&with_reason).await?;
        let what = format!("alice approves release {number}");
        let entry = self
            .ledger(&what, |it| it.is("approved", PRODUCTION, release.number))
            .await?;
        anyhow::ensure!(
            entry.actor == "alice",
            "{} approved release {number}, and it was to be alice",
            entry.actor
        );
        self.hear("approved", PRODUCTION, release.number).await?;
        self.say("production: ravi may not approve his own work; alice approves");
        Ok(())
    }

    /// A bad release is taken back by itself, and the last good one runs again.
    async fn rolled_back(&self, bad: &Release, good: &Release, before: Count) -> Result<()> {
        let number = bad.number;
        let turn = self
            .ledger("the alarm turns the release back", |entry| {
                let kinds = ["stop_asked", "return_asked"];
                kinds.iter().any(|kind| entry.is(kind, PRODUCTION, number))
            })
            .await?;
        self.say(&turn.what);
        self.hear("rolling-back", PRODUCTION, number).await?;
        let what = format!("release {number} is rolled back");
        let end = self
            .ledger(&what, |it| it.is("rolled_back", PRODUCTION, number))
            .await?;
        let to = end.field("/to").and_then(Value::as_u64);
        anyhow::ensure!(
            to == Some(good.number),
            "{} was to go back to release {}, and the ledger says: {}",
            self.service.name,
            good.number,
            end.what
        );
        let load = self.service.customers().since(before);
        anyhow::ensure!(load.failed > 0, "nobody noticed the bad release: {load:?}");
        self.runs(PRODUCTION, good).await?;
        self.hear("rolled-back", PRODUCTION, number).await?;
        self.quiet().await?;
        let seconds = self.since_start(PRODUCTION, number, &end).await?;
        self.say(&format!(
            "production: release {} runs again, by itself ({seconds:.1} s; {} of {} requests had \
             failed)",
            good.number, load.failed, load.sent
        ));
        self.row(Row {
            service: self.service.name,
            release: format!("{number} ({})", bad.version),
            stage: PRODUCTION.to_owned(),
            outcome: format!("rolled back to {}", good.number),
            seconds,
            load: Some(load),
        });
        self.calm(&end).await
    }

    /// The alarm is over, and nobody had to be called.
    async fn calm(&self, since: &Entry) -> Result<()> {
        self.ledger("the alarm is quiet again", |entry| {
            let quiet = entry
                .field("/seen/state")
                .is_some_and(|state| state == "ok");
            entry.kind() == "alarm_noted" && quiet && entry.seq() > since.seq()
        })
        .await?;
        self.say("production: the alarm is quiet again, and nobody had to be called");
        Ok(())
    }

    /// After the rollback customers get answers again.
    async fn quiet(&self) -> Result<()> {
        let before = self.service.customers();
        let limit = tokio::time::Instant::now() + ECHO_MAX;
        loop {
            let count = self.service.customers().since(before);
            anyhow::ensure!(
                count.failed == 0,
                "{} of {} requests to {} failed after the rollback",
                count.failed,
                count.sent,
                self.service.name
            );
            if count.sent >= QUIET_REQUESTS {
                return Ok(());
            }
            anyhow::ensure!(
                tokio::time::Instant::now() < limit,
                "only {} requests to {} were answered after the rollback",
                count.sent,
                self.service.name
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Everything on a stage runs this release, and its front door says so.
    async fn runs(&self, stage: &str, release: &Release) -> Result<usize> {
        let target = self.service.target(stage);
        let count = target.until(&self.scene.account, &release.content, ECHO_MAX);
        let count = count.await?;
        let url = &self.service.door(stage)?.url;
        let (_, answer) = running::answer(url).await?;
        let version = answer.get("version").and_then(Value::as_str);
        // A bad release answers some requests with an error, and says its version all the same.
        anyhow::ensure!(
            version == Some(release.version),
            "{stage} of {} should answer as {}, and answers {answer}",
            self.service.name,
            release.version
        );
        self.mark(|seen| seen.fleet += 1);
        Ok(count)
    }

    async fn hear(&self, kind: &str, stage: &str, release: impl Into<Option<u64>>) -> Result<()> {
        let (name, release) = (self.service.name, release.into());
        let which = release.map_or_else(String::new, |number| format!(" release {number}"));
        let what = format!("{kind}, {name} {stage}{which}");
        let wanted = self.scene.notices.until(&what, ECHO_MAX, |notice| {
            notice.is(name, kind, stage, release)
        });
        wanted.await?;
        self.mark(|seen| seen.notices += 1);
        Ok(())
    }

    async fn ledger(&self, what: &str, wanted: impl Fn(&Entry) -> bool) -> Result<Entry> {
        let show = |entry: &Entry| self.lane.now(&entry.what);
        let found = self.service.ledger.until(what, LEDGER_MAX, show, wanted);
        let found = found.await?;
        self.mark(|seen| seen.ledger += 1);
        Ok(found)
    }

    /// Seconds from the moment a deployment was asked for until it ended.
    async fn since_start(&self, stage: &str, release: u64, end: &Entry) -> Result<f64> {
        let entries = self.service.ledger.entries().await?;
        let mut entries = entries.iter();
        let start = entries.find(|entry| entry.is("start_asked", stage, release));
        let start = start.with_context(|| format!("release {release} never began on {stage}"))?;
        Ok(end.at.duration_since(start.at).as_secs_f64())
    }

    fn say(&self, text: &str) {
        self.scene.show.say(self.service.name, text);
    }

    fn row(&self, row: Row) {
        self.rows
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(row);
    }

    fn mark(&self, mark: impl FnOnce(&mut Seen)) {
        mark(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
