//! One invocation: the shared options, the AWS configuration as the AWS CLI would find it, and the
//! ways to the ledger and to the `command` function. Both are opened only when a verb needs them.

use std::time::Duration;

use aws::places::Places;
use aws::{AwsPlatform, DynamoLedger};
use aws_config::BehaviorVersion;
use aws_config::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use domain::config::{Place, Target};
use domain::file::Home;
use domain::name::NameError;
use domain::{EntryId, Identity, ServiceName, Timestamp};
use engine::{Onlooker, PlatformError, Units};
use intake::wire::{Answer, Ask, Command, Desk};
use jiff::tz::TimeZone;

use crate::answer;
use crate::args::Shared;
use crate::command::{Commander, Reply, request_id};
use crate::failure::{Exit, Failure, causes};
use crate::screen::{Report, Screen};
use crate::times::Times;

/// How long a connection to AWS may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long one attempt of a read may take. Uploads have no such limit.
const READ_WITHIN: Duration = Duration::from_secs(15);

/// One invocation of the command line.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) screen: Screen,
    pub(crate) times: Times,
    shared: Shared,
    aws: tokio::sync::OnceCell<SdkConfig>,
    who: tokio::sync::OnceCell<(Identity, Home)>,
}

impl Session {
    /// With the options that were typed.
    pub(crate) fn new(shared: Shared, screen: Screen) -> Self {
        let times = Times {
            now: Timestamp::now(),
            zone: TimeZone::system(),
        };
        Self {
            screen,
            times,
            shared,
            aws: tokio::sync::OnceCell::new(),
            who: tokio::sync::OnceCell::new(),
        }
    }

    /// The AWS configuration: options first, then environment, profile and what else the AWS CLI
    /// looks at.
    pub(crate) async fn aws(&self) -> &SdkConfig {
        self.aws.get_or_init(|| self.load()).await
    }

    async fn load(&self) -> SdkConfig {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_WITHIN)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts);
        if let Some(profile) = &self.shared.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &self.shared.region {
            loader = loader.region(aws_config::Region::new(region.clone()));
        }
        loader.load().await
    }

    /// Whether questions are answered with yes before they are asked.
    pub(crate) fn says_yes(&self) -> bool {
        self.shared.yes
    }

    /// Who we are, and the account and Region that a service file leaves out.
    pub(crate) async fn who(&self) -> Result<&(Identity, Home), Failure> {
        self.who.get_or_try_init(|| self.ask_who()).await
    }

    async fn ask_who(&self) -> Result<(Identity, Home), Failure> {
        let aws = self.aws().await;
        let region = aws.region().ok_or_else(no_region)?.as_ref();
        let failed = |words: String| {
            Failure::new(Exit::NotAllowed, "AWS does not tell who this is")
                .because(words)
                .hint(
                    "sign in as for the AWS CLI (aws sso login, AWS_PROFILE, environment variables)",
                )
        };
        let identity = aws_sdk_sts::Client::new(aws)
            .get_caller_identity()
            .send()
            .await
            .map_err(|error| failed(causes(&error)))?;
        let arn = identity.arn().unwrap_or_default().to_owned();
        let wrong = |error: NameError| failed(error.to_string());
        let account = identity
            .account()
            .unwrap_or_default()
            .parse()
            .map_err(wrong)?;
        let region = region
            .parse()
            .map_err(|error: NameError| Failure::usage(error.to_string()))?;
        Ok((Identity(arn), Home { account, region }))
    }

    /// The platform, for looking. It is looked at with the user's own rights.
    pub(crate) async fn platform(&self) -> Result<AwsPlatform, Failure> {
        let (_, home) = self.who().await?;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_WITHIN)
            .operation_attempt_timeout(READ_WITHIN)
            .build();
        let config = self.aws().await.to_builder().timeout_config(timeouts);
        let places = Places::new(config.build(), home.account.clone(), home.region.clone());
        Ok(AwsPlatform::new(places))
    }

    /// The ledger, for reading.
    pub(crate) async fn ledger(&self) -> Result<DynamoLedger, Failure> {
        let table = self
            .shared
            .table
            .as_ref()
            .filter(|table| !table.is_empty())
            .ok_or_else(|| {
                Failure::usage("the ledger's table is not known")
                    .hint("set LASTGOOD_TABLE, or give --table: the stack's output TableName")
            })?;
        let aws = self.aws().await;
        if aws.region().is_none() {
            return Err(no_region());
        }
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_WITHIN)
            .operation_attempt_timeout(READ_WITHIN)
            .build();
        let config = aws.to_builder().timeout_config(timeouts).build();
        Ok(DynamoLedger::new(&config, table))
    }

    /// Sees tasks and instances; asks AWS for nothing before there is something to see.
    pub(crate) fn onlooker(&self) -> LazyPlatform<'_> {
        LazyPlatform {
            session: self,
            platform: tokio::sync::OnceCell::new(),
        }
    }

    /// The function that is asked: IAM says who may come to which.
    pub(crate) async fn commander(&self, desk: Desk) -> Result<Commander, Failure> {
        let url = match desk {
            Desk::Approval => &self.shared.approval_url,
            Desk::Command => &self.shared.command_url,
        };
        let url = url.as_ref().filter(|url| !url.is_empty());
        let url = url.ok_or_else(|| unknown(desk))?;
        let aws = self.aws().await;
        let credentials = aws
            .credentials_provider()
            .ok_or_else(|| Failure::new(Exit::NotAllowed, "there are no AWS credentials"))?;
        Commander::new(desk, url, aws.region().map(AsRef::as_ref), credentials)
    }

    /// Asks for something about a service and tells the answer.
    pub(crate) async fn ask(&self, service: ServiceName, ask: Ask) -> Result<Report, Failure> {
        let answer = self.answer(service.clone(), ask).await?;
        answer::report(&service, &answer, &self.times)
    }

    /// Asks for something about a service and gives the answer as it is.
    pub(crate) async fn answer(&self, service: ServiceName, ask: Ask) -> Result<Answer, Failure> {
        match self.reply(service, ask).await? {
            Reply::Answer(answer) => Ok(answer),
            Reply::Problems(problems) => {
                let failure = Failure::usage("the request has mistakes");
                Err(problems.iter().fold(failure, Failure::because))
            }
        }
    }

    /// Asks for something about a service.
    pub(crate) async fn reply(&self, service: ServiceName, ask: Ask) -> Result<Reply, Failure> {
        let commander = self.commander(ask.desk()).await?;
        commander
            .ask(&Command {
                id: request_id(),
                service,
                ask,
            })
            .await
    }
}

/// The platform, opened when it is first looked at.
#[derive(Debug)]
pub(crate) struct LazyPlatform<'a> {
    session: &'a Session,
    platform: tokio::sync::OnceCell<Result<AwsPlatform, String>>,
}

impl Onlooker for LazyPlatform<'_> {
    async fn units(
        &self,
        place: &Place,
        target: &Target,
        attempt: &EntryId,
        since: Timestamp,
    ) -> Result<Units, PlatformError> {
        let open = || async {
            let opened = self.session.platform().await;
            opened.map_err(|failure| failure.line())
        };
        match self.platform.get_or_init(open).await {
            Ok(platform) => platform.units(place, target, attempt, since).await,
            Err(words) => Err(PlatformError::Terminal(words.clone())),
        }
    }
}

/// Nobody said where a desk is.
fn unknown(desk: Desk) -> Failure {
    let (function, output) = (desk.function(), desk.output());
    let variable = function.to_ascii_uppercase();
    let what = format!("the address of the {function} function is not known");
    Failure::usage(what).hint(format!(
        "set LASTGOOD_{variable}_URL, or give --{function}-url: the stack's output {output}"
    ))
}

/// Nobody said where.
pub(crate) fn no_region() -> Failure {
    Failure::usage("no AWS Region is known").hint("set AWS_REGION, or give --region")
}
