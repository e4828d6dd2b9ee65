//! GitHub, where the code is: it hears where releases run.

use domain::announce::ReadOn;
use domain::{EntryId, Release, ServiceName, StageName};
use forge::{Board, Change, Repository, Settings, Shown, Spot, State};

use crate::follow::{Desk, Follower, Heard, Interrupted, Notebook, Seat, Untold};
use crate::ports::Ledger;

/// A deployment that is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// In which repository.
    pub repository: Repository,
    /// The commit that was built.
    pub commit: String,
    /// What the stage is called there.
    pub environment: String,
    /// Whether users work with it.
    pub production: bool,
    /// What it is found again by: our deployment's id.
    pub mark: EntryId,
    /// What it is, in one line.
    pub description: String,
}

/// How a deployment stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The state.
    pub state: State,
    /// What happened, in one line.
    pub description: String,
    /// Where people read on.
    pub log_url: Option<String>,
}

/// GitHub's deployments.
#[expect(
    async_fn_in_trait,
    reason = "used with one runtime and static types only"
)]
pub trait Deployments {
    /// The deployment with a mark: the one that is there, else a new one.
    async fn show(&self, wanted: &Wanted) -> Result<Spot, Untold>;

    /// Says how a deployment stands.
    async fn stand(&self, spot: &Spot, status: &Status) -> Result<(), Untold>;
}

/// What is told to GitHub, and how it is reached.
#[derive(Debug)]
pub struct Publication<'a, D> {
    /// How it is reached.
    pub deployments: &'a D,
    /// What an administrator set.
    pub settings: &'a Settings,
    /// Where people read on.
    pub read_on: Option<&'a ReadOn>,
}

impl<G: Deployments> Follower for Publication<'_, G> {
    type Book = Board;

    fn listens(&self, _service: &ServiceName) -> bool {
        true
    }

    fn seat(&self) -> Seat<'_> {
        Seat {
            function: "github",
            kind: "site",
            name: &self.settings.site,
        }
    }

    async fn hear(
        &self,
        heard: &Heard<'_, impl Ledger>,
        notebook: &mut Notebook<'_, impl Desk<Board>, Board>,
    ) -> Result<(), Interrupted> {
        let announced = heard.announced.as_ref();
        let changes = notebook.book().hear(heard.entry, &heard.id, announced);
        for change in &changes {
            let Some(spot) = self.spot(heard, notebook, change).await? else {
                continue;
            };
            let page = self.read_on.zip(announced);
            let status = Status {
                state: change.state,
                description: change.description.clone(),
                log_url: page.map(|(read_on, announced)| read_on.address(announced)),
            };
            let stood = self.deployments.stand(&spot, &status).await;
            taken(stood, &heard.id)?;
        }
        notebook.book().settle(heard.entry);
        Ok(())
    }
}

impl<G: Deployments> Publication<'_, G> {
    /// Where a deployment is shown; none when it is nowhere, and nowhere to be.
    async fn spot(
        &self,
        heard: &Heard<'_, impl Ledger>,
        notebook: &mut Notebook<'_, impl Desk<Board>, Board>,
        change: &Change,
    ) -> Result<Option<Spot>, Interrupted> {
        let Change { stage, shown, .. } = change;
        if shown.spot.is_some() || change.state == State::Inactive {
            return Ok(shown.spot.clone());
        }
        let release = heard.release(shown.release).await?;
        let wanted = release.and_then(|release| self.wanted(heard, stage, shown, &release));
        let Some(wanted) = wanted else {
            return Ok(None);
        };
        let spot = taken(self.deployments.show(&wanted).await, &heard.id)?;
        if let Some(spot) = &spot {
            notebook.book().place(stage, shown, spot.clone());
            notebook.keep().await?;
        }
        Ok(spot)
    }

    /// None when the build named no commit, or no repository that may be written to.
    fn wanted<L>(
        &self,
        heard: &Heard<'_, L>,
        stage: &StageName,
        shown: &Shown,
        release: &Release,
    ) -> Option<Wanted> {
        let service = &heard.id.service;
        let build = &release.build;
        let number = release.number;
        let version = build.version.as_deref();
        let version = version.map_or_else(String::new, |version| format!(", {version}"));
        Some(Wanted {
            repository: self.settings.repository(build.repository.as_deref()?)?,
            commit: build.commit.clone()?,
            environment: self.settings.environment(service, stage),
            production: self.settings.is_production(stage),
            mark: EntryId {
                service: service.clone(),
                seq: shown.deployment,
            },
            description: format!("{service} release {number}{version}"),
        })
    }
}

/// What GitHub refuses for good is logged and left: it must not hold up what comes after it.
fn taken<T>(result: Result<T, Untold>, id: &EntryId) -> Result<Option<T>, Interrupted> {
    match result {
        Ok(taken) => Ok(Some(taken)),
        Err(Untold::Later { after, why }) => Err(Interrupted::Later { after, why }),
        Err(error @ (Untold::Gone | Untold::Refused(_))) => {
            tracing::error!(%id, %error, "not shown");
            Ok(None)
        }
    }
}
