//! `cargo local push`: pushes an image of the sample service `shop`, since there may be no Docker
//! here to do it.

use std::process::ExitCode;

use clap::Args;

use crate::{
    demo::{account::Account, artefacts, sample},
    instance::{self, Phase},
    paths::Paths,
    screen,
    trouble::Trouble,
};

/// The sample service's repository.
const REPOSITORY: &str = "shop";

/// Push an image of the sample service `shop`, as `docker push` would.
#[derive(Debug, Args)]
pub struct Push {
    /// The version: the image's tag, and what its pages say.
    version: String,
    /// The number of the build; an older one than what runs is held back.
    #[arg(long, default_value_t = 1)]
    build_number: u32,
    /// The share of requests, 0 to 1, that it answers with an error.
    #[arg(long, default_value_t = 0.0)]
    errors: f64,
}

impl Push {
    pub(super) async fn run(self) -> Result<ExitCode, Trouble> {
        let running = instance::running(Paths::of_repository().state())?;
        let Some(record) = running.filter(|record| record.phase == Phase::Ready) else {
            screen::line("not running; start it with `cargo local up`");
            return Ok(ExitCode::FAILURE);
        };
        let build = sample::build(&self.version, self.build_number, self.errors);
        let pushed = async {
            let account = Account::at(&record.endpoint, crate::system::home())?;
            artefacts::push_image(&account, REPOSITORY, &self.version, &build).await
        };
        match pushed.await {
            Ok(digest) => screen::line(&format!("pushed {REPOSITORY}:{} {digest}", self.version)),
            Err(error) => {
                screen::line(&format!("error: the image was not pushed: {error:#}"));
                return Ok(ExitCode::FAILURE);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
