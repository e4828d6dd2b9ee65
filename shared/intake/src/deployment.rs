//! What `deployment-changed` receives: events of ECS and of CodeDeploy. Only tells them apart.

use crate::envelope::Envelope;
use crate::{Decoded, Refusal, codedeploy, ecs};

/// Decodes an event of ECS or CodeDeploy.
///
/// # Errors
/// When it is no event of either, or tells of a deployment without saying of which.
pub fn decode(bytes: &[u8]) -> Result<Decoded, Refusal> {
    let expected = "aws.ecs or aws.codedeploy";
    let envelope = Envelope::read(bytes, expected)?;
    match envelope.source() {
        ecs::SOURCE => ecs::decode(&envelope),
        codedeploy::SOURCE => codedeploy::decode(&envelope),
        _ => Err(envelope.foreign(expected)),
    }
}
