//! Target groups on MiniStack.

use aws::AwsPlatform;
use aws::survey::{TargetKind, Unseen};
use aws_sdk_elasticloadbalancingv2::types::TargetTypeEnum;

use crate::support::place;

pub(crate) async fn a_target_group_tells_what_it_takes(
    platform: &AwsPlatform,
    sdk: &aws_types::SdkConfig,
) {
    let balancers = aws_sdk_elasticloadbalancingv2::Client::new(sdk);
    for (name, takes, kind) in [
        ("blue", TargetTypeEnum::Ip, TargetKind::Address),
        ("fleet", TargetTypeEnum::Instance, TargetKind::Instance),
        (
            "edge",
            TargetTypeEnum::Lambda,
            TargetKind::Other("lambda".to_owned()),
        ),
    ] {
        let made = balancers
            .create_target_group()
            .name(name)
            .target_type(takes);
        let made = made.send().await.unwrap();
        let arn = made.target_groups()[0]
            .target_group_arn()
            .unwrap()
            .to_owned();
        for named in [name, &arn] {
            let seen = platform.survey_target_group(&place(), named).await;
            assert_eq!(seen, Ok(kind.clone()), "{named}");
        }
    }
    let gone = platform.survey_target_group(&place(), "gone").await;
    assert_eq!(
        gone,
        Err(Unseen::Missing("there is no target group gone".to_owned()))
    );
}
